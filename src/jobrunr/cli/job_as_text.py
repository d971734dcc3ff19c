"""A job for a person at night: what it is, what happened to it and when, and what it said."""

from __future__ import annotations

import logging
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import click
import msgspec

from jobrunr.cli.output import (
    bar,
    cells,
    columns,
    date,
    moment,
    printable,
    printable_lines,
    state_name,
    time,
    whole_seconds,
    zone,
)
from jobrunr.durations import format_duration
from jobrunr.history import StateChange, is_left
from jobrunr.job_texts import arguments_as_code, crashes_in_words, cut, labels_of, metadata_of, progress_of, way_of_running
from jobrunr.jobs import Job, JobDetails
from jobrunr.progress import Progress
from jobrunr.states import FINISHED, JobState
from jobrunr.storage.contract import LogLine


def job_as_text(job: Job, logs: Sequence[LogLine], kept: Mapping[str, str], now: datetime) -> Iterator[str]:
    """Lines about a job.

    Arguments:
        logs: what it logged.
        kept: its metadata and progress.
        now: by the clock of the storage.
    """
    yield f"{click.style(printable(job.name), bold=True)}  {state_name(job.state)}"
    yield from _facts(job, kept, now)
    yield from _history(job, now)
    yield from _exception(job)
    yield from _logs(logs)


# -- facts


def _facts(job: Job, kept: Mapping[str, str], now: datetime) -> Iterator[str]:
    for label, text in _labelled(job, kept, now):
        for number, line in enumerate(text.split("\n")):
            yield from _wrapped(f"  {label if number == 0 else '':<10}  ", printable(line))


def _labelled(job: Job, kept: Mapping[str, str], now: datetime) -> Iterator[tuple[str, str]]:
    yield "id", str(job.id)
    if job.unreadable is not None:
        yield "unreadable", job.unreadable
    yield "call", "\n".join(call_as_code(job.details))
    yield "queue", job.queue + (f", priority {job.priority}" if job.priority else "")
    if labels := labels_of(job):
        yield "labels", ", ".join(labels)
    yield from _labelled_runs(job)
    if job.state is JobState.SCHEDULED and job.run_at is not None:
        yield "due", f"{moment(job.run_at)}, {_distance(job.run_at, now)}"
    if job.state is JobState.PROCESSING and job.server_name is not None:
        yield "server", job.server_name
    if job.expires_at is not None and job.state in FINISHED:
        yield "kept until", f"{moment(job.expires_at)}, {_distance(job.expires_at, now)}"
    for attempt, text in list(progress_of(kept).items())[-1:]:
        yield "progress", _progress(attempt, text)
    for key, value in metadata_of(kept).items():
        yield "metadata", f"{key} = {cut(value)}"
    if job.result_json is not None:
        yield "result", cut(job.result_json)


def _labelled_runs(job: Job) -> Iterator[tuple[str, str]]:
    yield "retries", f"{min(job.failures, job.retries)} of {job.retries} used"
    if crashes := crashes_in_words(job):
        yield "crashes", crashes
    if way := way_of_running(job):
        yield "runs", way


def call_as_code(details: JobDetails) -> list[str]:
    """What a job calls, as one would write it.

    >>> call_as_code(JobDetails("shop.mail:MailService.send", '{"user_id":42}'))
    ['from shop.mail import MailService', 'MailService.send(user_id=42)']
    >>> call_as_code(JobDetails("shop.jobs:send", '{"to":"ada","*":["a.txt"],"**":{"urgent":true}}'))[1]
    "send('ada', 'a.txt', urgent=True)"
    """
    module, _, name = details.target.partition(":")
    arguments = arguments_as_code(details.arguments)
    if arguments is None:
        return [f"{details.target} with arguments that cannot be read: {cut(details.arguments)}"]
    return [f"from {module} import {name.partition('.')[0]}", f"{name}({', '.join(arguments)})"]


def _progress(attempt: str, text: str) -> str:
    try:
        progress = msgspec.json.decode(text, type=Progress)
    except msgspec.DecodeError:
        return text
    done = f"{progress.done:,}" + ("" if progress.total is None else f" of {progress.total:,}")
    failed = f", {progress.failed:,} failed" if progress.failed else ""
    share = progress.share
    return ("" if share is None else f"{bar(share, 20)} {share:.0%}  ") + f"{done}{failed} (attempt {attempt})"


def _distance(at: datetime, now: datetime) -> str:
    far = format_duration(whole_seconds(abs(at - now)))
    return f"in {far}" if at > now else f"{far} ago"


# -- history


def _history(job: Job, now: datetime) -> Iterator[str]:
    history = job.history
    yield from _heading(f"History ({zone(job.created_at)})")
    if not history:  # its row is unreadable
        yield "  There is none that can be read."
        return
    ends: list[datetime | None] = [None if is_left(change, later) else later.at for change, later in pairwise(history)]
    ends.append(None if job.state in FINISHED else now)
    day = ""
    for number, (change, end) in enumerate(zip(history, ends, strict=True)):
        if (today := date(change.at)) != day:
            yield f"  {today}"
            day = today
        duration = "" if end is None else _for(change, end - change.at, is_last=number == len(history) - 1)
        head = f"  {time(change.at)}  {change.state.value:<10}  {duration:<15}  "
        lines = _wrapped(head, printable(_details(change)))
        yield next(lines).replace(change.state.value, state_name(change.state), 1).rstrip()
        yield from lines


def _for(change: StateChange, duration: timedelta, *, is_last: bool) -> str:
    """How long a state lasted. A failure with a retry lasts no time at all, which is not worth saying."""
    if change.state in FINISHED and not duration:
        return ""
    if change.state is JobState.PROCESSING:
        verb = "runs" if is_last else "ran"
    elif change.state in FINISHED:
        verb = "for"
    else:
        verb = "waits" if is_last else "waited"
    return f"{verb} {format_duration(whole_seconds(duration))}"


def _details(change: StateChange) -> str:
    parts: list[str] = []
    if change.attempt is not None:
        parts.append(f"attempt {change.attempt} on {change.server_name or change.server_id}")
    if change.run_at is not None:
        parts.append(f"for {time(change.run_at) if date(change.run_at) == date(change.at) else moment(change.run_at)}")
    if change.exception is not None:
        parts.append(f"{change.exception.type.removeprefix('builtins.')}: {change.exception.message}")
    if change.reason:
        parts.append(change.reason)
    if change.exception is not None and change.exception.place:
        parts.append(f"at {change.exception.place}")
    if change.by is not None:
        parts.append(f"by {change.by}")
    return "; ".join(parts)


def _exception(job: Job) -> Iterator[str]:
    change = job.last_exception
    if change is None or change.exception is None:
        return
    yield from _heading("Last exception")
    for line in printable_lines(
        change.exception.traceback.rstrip("\n") or f"{change.exception.type}: {change.exception.message}"
    ):
        yield f"  {line}"


# -- log


def _logs(logs: Sequence[LogLine]) -> Iterator[str]:
    if not logs:
        return
    yield from _heading(f"Log ({zone(logs[0].at)})")
    chapter = ""
    for line in logs:
        title = f"attempt {line.attempt}, {date(line.at)}"
        if title != chapter:
            yield f"  {title}"
            chapter = title
        first, *more = printable_lines(line.message)
        yield from _wrapped(f"  {time(line.at)}  {logging.getLevelName(line.level):<7}  ", first)
        yield from (f"    {text}" for text in more)


# -- text


def _heading(text: str) -> Iterator[str]:
    yield ""
    yield click.style(text, bold=True)


def _wrapped(head: str, text: str) -> Iterator[str]:
    """Text behind a head; what does not fit on the line goes below, indented alike."""
    room = max(columns() - cells(head), 20)
    first, *more = textwrap.wrap(text, room, drop_whitespace=True, break_on_hyphens=False) or [""]
    yield head + first
    yield from (" " * cells(head) + line for line in more)
