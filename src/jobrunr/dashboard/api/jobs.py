"""Jobs: finding them, looking at one, steering one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, ClassVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from jobrunr.dashboard import operations
from jobrunr.dashboard.api.job_answers import AttemptProgress, JobInBrief, JobInFull, in_brief, in_full, progress_in
from jobrunr.dashboard.api.kinds import NO_JOB, WRONG_MOVE, Cursor, Limit, Moment, Name, OneJob, Text
from jobrunr.dashboard.api.operation import Operation
from jobrunr.dashboard.call import Call
from jobrunr.durations import parse_duration
from jobrunr.ids import JobId
from jobrunr.states import JobState
from jobrunr.storage.contract import JobOrder, JobQuery

PATIENCE = timedelta(seconds=2)
"""How long one request searches at most."""
_DURATION = "^[0-9]{1,6}(ms|s|m|h|d|w)$"


class Filter(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which jobs; everything that is given must hold."""

    state: JobState | UnsetType = UNSET
    """Only jobs in this state."""
    queue: Name | UnsetType = UNSET
    """Only jobs of this queue."""
    label: Name | UnsetType = UNSET
    """Only jobs with this label."""
    target: Text | UnsetType = UNSET
    """Only jobs that call this: `package.module:Class.method`."""
    recurring_job_id: Name | UnsetType = UNSET
    """Only jobs that this recurring job made."""
    server: Name | UnsetType = UNSET
    """Only jobs that the server of this name has, or had last."""
    text: Text | UnsetType = UNSET
    """Only jobs with this text in their name, their target or an exception, in capitals or not."""
    fingerprint: Name | UnsetType = UNSET
    """Only jobs whose last failure has this fingerprint."""
    created_from: Moment | UnsetType = UNSET
    """Only jobs that were made at this moment or later."""
    created_until: Moment | UnsetType = UNSET
    """Only jobs that were made before this moment."""
    changed_from: Moment | UnsetType = UNSET
    """Only jobs whose present state began at this moment or later."""
    changed_until: Moment | UnsetType = UNSET
    """Only jobs whose present state began before this moment."""

    def query(self) -> JobQuery:
        """What to ask the storage for."""
        given = {name: value for name in Filter.__struct_fields__ if (value := getattr(self, name)) is not UNSET}
        return JobQuery(patience=PATIENCE, **given)


class JobsAsked(Filter, kw_only=True):
    """Which jobs, and how."""

    order: JobOrder = JobOrder.NEWEST
    """By the moment the state began when a state is given, or else by creation. A range of times goes before that: with a
    range of only one of these moments, the order is by that one."""
    limit: Limit = 50
    """How many jobs at most."""
    after: Cursor | UnsetType = UNSET
    """The `next` of the page before."""


class Jobs(msgspec.Struct, kw_only=True):
    """A page of jobs."""

    jobs: Sequence[JobInBrief]
    next: str | None
    """Goes into `after` to get the page behind this one; null on the last page."""
    searched_to: Moment | None
    """Where a search stopped that took too long. There may be fewer jobs than asked for, and `next` goes on from there."""


def find_jobs(call: Call, asked: JobsAsked) -> Jobs:
    """Find jobs, page by page."""
    after = (
        None if asked.after is UNSET else asked.after.replace(" ", "+")
    )  # a plus sign that was not written as %2B means a space
    query = msgspec.structs.replace(asked.query(), order=asked.order, limit=asked.limit, after=after)
    page = call.site.storage.find(query)
    return Jobs(jobs=[in_brief(call.site, job) for job in page], next=page.next, searched_to=page.searched_to)


class Count(msgspec.Struct, kw_only=True):
    """How many jobs there are."""

    count: int
    is_exact: bool
    """False when counting took too long: there are at least so many."""


def count_jobs(call: Call, asked: Filter) -> Count:
    """Count the jobs that a filter finds."""
    counted = call.site.storage.count(asked.query())
    return Count(count=counted.number, is_exact=counted.is_exact)


def get_job(call: Call, asked: OneJob) -> JobInFull:
    """Get one job, with its history, arguments, result, metadata and progress."""
    return in_full(call.site, call.site.scheduler.get(JobId.of(asked.id)))


class LogAsked(OneJob, kw_only=True):
    """Whose log, and which part of it."""

    after: Annotated[str, Meta(pattern="^[0-9]{1,9}[.][0-9]{1,9}$")] | UnsetType = UNSET
    """The `next` of the part before."""
    limit: Limit = 100
    """How many lines at most."""


class Line(msgspec.Struct, kw_only=True):
    """A line that a job logged."""

    attempt: int
    seq: int
    """Counts from 0 within the attempt."""
    at: Moment
    level: int
    """As in Python: 10 is DEBUG, 20 INFO, 30 WARNING, 40 ERROR."""
    message: str


class Lines(msgspec.Struct, kw_only=True):
    """A part of a log."""

    lines: Sequence[Line]
    next: str | None
    """Goes into `after` to get what comes behind, also what is logged later; null while there is nothing."""


def get_log(call: Call, asked: LogAsked) -> Lines:
    """Get what a job logged, attempt by attempt."""
    call.site.scheduler.get(JobId.of(asked.id))
    before = None if asked.after is UNSET else asked.after
    attempt, _, seq = (before or "0.0").partition(".")
    after = None if before is None else (int(attempt), int(seq))
    lines = [
        Line(attempt=line.attempt, seq=line.seq, at=line.at, level=line.level, message=call.site.redact("log", line.message))
        for line in call.site.storage.logs(asked.id, after=after, limit=asked.limit)
    ]
    return Lines(lines=lines, next=f"{lines[-1].attempt}.{lines[-1].seq}" if lines else before)


def get_progress(call: Call, asked: OneJob) -> Sequence[AttemptProgress]:
    """Get how far each attempt of a job has come that says so."""
    call.site.scheduler.get(JobId.of(asked.id))
    return progress_in(call.site.storage.data(asked.id))


def delete_job(call: Call, asked: OneJob) -> None:
    """Withdraw a job. One that runs is cancelled; deleting a deleted job changes nothing."""
    operations.delete_job(call.site, call.user, JobId.of(asked.id))


def requeue_job(call: Call, asked: OneJob) -> None:
    """Run a job again, or at once if it waits. Its failures are counted anew."""
    operations.requeue_job(call.site, call.user, JobId.of(asked.id))


def run_job_now(call: Call, asked: OneJob) -> None:
    """Let a job that waits for its time run now."""
    operations.run_job_now(call.site, call.user, JobId.of(asked.id))


class When(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Another time for a job: one of these."""

    LEAST: ClassVar = 1
    MOST: ClassVar = 1

    at: Moment | UnsetType = UNSET
    """The moment."""
    delay: Annotated[str, Meta(min_length=1, max_length=50, pattern=_DURATION)] | UnsetType = UNSET
    """How long from now: `90s`, `10m`, `36h`, `7d`."""


def reschedule_job(call: Call, asked: OneJob, body: When) -> None:
    """Run a job at another time. Its failures are counted anew."""
    when = parse_duration(body.delay) if body.delay is not UNSET else body.at
    assert when is not UNSET
    operations.reschedule_job(call.site, call.user, JobId.of(asked.id), when)


_NOT_DONE = NO_JOB | WRONG_MOVE

OPERATIONS = (
    Operation("GET", "/api/jobs", find_jobs, subject="Jobs"),
    Operation("GET", "/api/jobs/count", count_jobs, subject="Jobs"),
    Operation("GET", "/api/jobs/{id}", get_job, subject="Jobs", refusals=NO_JOB),
    Operation("GET", "/api/jobs/{id}/logs", get_log, subject="Jobs", refusals=NO_JOB),
    Operation("GET", "/api/jobs/{id}/progress", get_progress, subject="Jobs", refusals=NO_JOB),
    Operation("DELETE", "/api/jobs/{id}", delete_job, subject="Jobs", refusals=_NOT_DONE),
    Operation("POST", "/api/jobs/{id}/requeue", requeue_job, subject="Jobs", refusals=_NOT_DONE),
    Operation("POST", "/api/jobs/{id}/run", run_job_now, subject="Jobs", refusals=_NOT_DONE),
    Operation("POST", "/api/jobs/{id}/reschedule", reschedule_job, subject="Jobs", refusals=_NOT_DONE),
)
