"""The log of a job, as much of it as a page shows."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import groupby

import msgspec

from jobrunr.dashboard.site import Site
from jobrunr.jobs import Job
from jobrunr.storage.contract import LogLine

MOST_LINES = 500
_NO_SEQ = -1


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line as it is shown."""

    line: LogLine
    level: str
    message: str


def newest_lines(site: Site, job: Job) -> tuple[dict[int, list[Line]], bool]:
    """The newest lines by attempt, and whether there are older ones that were left out."""
    lines = site.storage.logs(job.id, limit=MOST_LINES + 1)
    if len(lines) <= MOST_LINES:
        return by_attempt(site, lines), False
    attempt = next((number for number in range(job.attempts, 1, -1) if _is_behind(site, job, number, _NO_SEQ)), 1)
    last = _last_seq(site, job, attempt)
    return by_attempt(site, site.storage.logs(job.id, after=(attempt, last - MOST_LINES), limit=2 * MOST_LINES)), True


def by_attempt(site: Site, lines: Sequence[LogLine]) -> dict[int, list[Line]]:
    """Lines as they are shown, attempt by attempt."""
    return {
        attempt: [
            Line(line=line, level=logging.getLevelName(line.level), message=site.redact("log", line.message))
            for line in group
        ]
        for attempt, group in groupby(lines, key=lambda line: line.attempt)
    }


def _last_seq(site: Site, job: Job, attempt: int) -> int:
    """The number of the last line of an attempt, found in a few looks however many there are."""
    low, step = 0, 1024
    while _is_behind(site, job, attempt, low + step):
        low, step = low + step, step * 2
    high = low + step
    while low < high:
        middle = (low + high) // 2
        if _is_behind(site, job, attempt, middle):
            low = middle + 1
        else:
            high = middle
    return low


def _is_behind(site: Site, job: Job, attempt: int, seq: int) -> bool:
    """Whether there is a line behind this one, in this attempt or a later one."""
    return bool(site.storage.logs(job.id, after=(attempt, seq), limit=1))
