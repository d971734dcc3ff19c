"""A job in a line of a list."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from jobrunr.dashboard.site import Site
from jobrunr.history import ExceptionRecord, StateChange, read_lines
from jobrunr.job_texts import labels_of
from jobrunr.jobs import Job
from jobrunr.serialization import describe_call
from jobrunr.states import JobState

LONGEST_MESSAGE = 300


class Brief(msgspec.Struct, frozen=True, kw_only=True):
    """What a list says about a job."""

    job: Job
    name: str
    labels: tuple[str, ...]
    lasted: timedelta | None
    """How long it has run, or ran in the end."""
    failure: str | None
    """With what it failed."""


def brief(site: Site, job: Job, now: datetime) -> Brief:
    """A job, short."""
    return Brief(
        job=job,
        name=name_of(site, job),
        labels=labels_of(job),
        lasted=_lasted(job, now),
        failure=failure_of(site, job),
    )


def name_of(site: Site, job: Job) -> str:
    """The name of a job. One that repeats the arguments shows as much of them as may be seen."""
    arguments = site.redact("arguments", job.details.arguments)
    if arguments != job.details.arguments and job.name == describe_call(job.target, job.details.arguments):
        return describe_call(job.target, arguments)
    return in_a_line(job.name) or str(job.id)


def failure_of(site: Site, job: Job) -> str | None:
    """With what a FAILED job failed."""
    last = last_change(job) if job.state is JobState.FAILED else None
    if last is None:
        return None
    return in_a_line(last.reason or "") if last.exception is None else exception_in_a_line(site, last.exception)


def last_change(job: Job) -> StateChange | None:
    """The last entry of the past of a job; the others are not read."""
    changes = read_lines(job.past.rstrip("\n").rpartition("\n")[2])
    return changes[-1] if changes else None


def exception_in_a_line(site: Site, exception: ExceptionRecord) -> str:
    """Type and message, cut to what a line can show."""
    return in_a_line(f"{exception.type.removeprefix('builtins.')}: {site.redact('exception', exception.message)}")


def in_a_line(text: str) -> str:
    """Text without breaks, cut to what a line can show."""
    text = " ".join(text[: 4 * LONGEST_MESSAGE].split())
    return text if len(text) <= LONGEST_MESSAGE else f"{text[:LONGEST_MESSAGE]}…"


def _lasted(job: Job, now: datetime) -> timedelta | None:
    if job.started_at is None:
        return None
    if job.state is JobState.PROCESSING:
        return timedelta(seconds=max(round((now - job.started_at).total_seconds()), 0))
    return None if job.finished_at is None else job.finished_at - job.started_at
