"""What a job carries as text, for people and for scripts. Whatever stands in it, nothing here raises."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from jobrunr.context import METADATA
from jobrunr.durations import format_duration
from jobrunr.errors import UnreadableJobError
from jobrunr.jobs import NO_EXTRAS, Job, JobExtras
from jobrunr.parameters import VAR_KEYWORD, VAR_POSITIONAL
from jobrunr.progress import PROGRESS
from jobrunr.states import FINISHED

LONGEST_VALUE = 4000
"""Characters of an argument, a result and the like that people get to see."""


def read(text: str) -> Any:
    """Stored JSON as plain values; what is no JSON, as the text that it is."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return text


def cut(text: str) -> str:
    """Text with its end cut off when it is long."""
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}… ({len(text):,} characters)"


def labels_of(job: Job) -> tuple[str, ...]:
    """The labels of a job, also of one whose labels cannot be read."""
    try:
        return job.labels
    except UnreadableJobError:
        return ()


def extras_of(job: Job) -> JobExtras:
    """What only some jobs carry; nothing of a job whose extras cannot be read."""
    try:
        return job.extras
    except UnreadableJobError:
        return NO_EXTRAS


def way_of_running(job: Job) -> str | None:
    """Where a job runs and for how long, if it says anything about that."""
    extras = extras_of(job)
    where = ["in a process of its own"] if extras.execution == "process" else []
    how_long = [] if extras.timeout is None else [f"for {format_duration(extras.timeout)} at most"]
    return ", ".join(where + how_long) or None


def crashes_in_words(job: Job) -> str | None:
    """How often a job met a crash, and what that means for it; None when it met none.

    >>> from jobrunr.testing.factories import a_stored_job
    >>> crashes_in_words(a_stored_job(crashes=1))
    'its process died once while it ran, which uses up no retry; after too many crashes it is quarantined'
    """
    if not job.is_suspect:
        return None
    often = {1: "once", 2: "twice"}.get(job.crashes, f"{job.crashes} times")
    met = f"its process died {often} while it ran"
    if job.is_quarantined:
        return f"{met}, so it is quarantined: it is not run again until somebody requeues it"
    if job.state in FINISHED:
        return met
    return f"{met}, which uses up no retry; after too many crashes it is quarantined"


def metadata_of(kept: Mapping[str, str]) -> dict[str, str]:
    """The metadata among what a job keeps, as JSON texts."""
    return {key.removeprefix(METADATA): value for key, value in kept.items() if key.startswith(METADATA) and value}


def progress_of(kept: Mapping[str, str]) -> dict[str, str]:
    """The progress among what a job keeps, attempt by attempt, as JSON texts."""
    bars = {key.removeprefix(PROGRESS): value for key, value in kept.items() if key.startswith(PROGRESS)}
    return dict(sorted(bars.items(), key=lambda bar: (len(bar[0]), bar[0])))


def arguments_as_code(arguments: str) -> list[str] | None:
    """Stored arguments as one would write them in a call; None when they cannot be read.

    >>> arguments_as_code('{"to":"ada","*":["a.txt"],"**":{"urgent":true}}')
    ["'ada'", "'a.txt'", 'urgent=True']
    """
    values = read(arguments)
    return list(_as_written(values)) if isinstance(values, dict) else None


def _as_written(arguments: dict[str, Any]) -> Iterator[str]:
    is_before_more = VAR_POSITIONAL in arguments  # then those before it can only have been passed by position
    for key, value in arguments.items():
        if key == VAR_POSITIONAL and isinstance(value, list):
            is_before_more = False
            yield from (cut(repr(item)) for item in value)
        elif key == VAR_KEYWORD and isinstance(value, dict):
            yield from (f"{name}={cut(repr(item))}" for name, item in value.items())
        else:
            yield cut(repr(value)) if is_before_more else f"{key}={cut(repr(value))}"
