"""Recurring jobs. Their ids are parameters: they can hold any character, and paths cannot."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from jobrunr.dashboard import operations
from jobrunr.dashboard.api.kinds import WITHOUT_NUL, Limit, Moment, Text
from jobrunr.dashboard.api.operation import Operation
from jobrunr.dashboard.call import Call
from jobrunr.dashboard.showing.schedule_words import schedule_in_words
from jobrunr.dashboard.site import Site
from jobrunr.job_texts import read
from jobrunr.recurring_job import MAX_RECURRING_ID_LENGTH, Misfire, RecurringJob, RecurringRun, SkipReason

RecurringId = Annotated[str, Meta(min_length=1, max_length=MAX_RECURRING_ID_LENGTH, extra_json_schema=WITHOUT_NUL)]


class RecurringInAnswer(msgspec.Struct, kw_only=True):
    """A recurring job."""

    id: str
    schedule: str
    """A cron expression, a period, or a class with arguments."""
    words: str
    """The schedule in words."""
    zone: str
    """The time zone in which the schedule is meant."""
    target: str
    """What its jobs call: `package.module:Class.method`."""
    arguments: Any
    """By the name of the parameter."""
    job_name: str
    """The name of its jobs."""
    queue: str
    priority: int
    labels: Sequence[str]
    retries: int
    misfire: Misfire
    """What becomes of runs that were missed because no server was up."""
    max_concurrent: int
    """How many of its jobs may be due or running at a time."""
    next_run_at: Moment | None
    """The first run that nothing was decided about yet."""
    last_run_at: Moment | None
    """The time of the last run that a job was made for."""
    until: Moment | None
    """No run is later than this."""
    is_paused: bool
    paused_at: Moment | None
    pause_reason: str | None
    problem: str | None
    """Why no run can be found; then nothing happens until it is registered anew."""
    is_declared: bool
    """Whether it stands in the code, and comes back when it is deleted."""
    created_at: Moment
    changed_at: Moment


class RecurringAsked(msgspec.Struct, kw_only=True):
    """Which part of the list."""

    limit: Limit = 100
    """How many recurring jobs at most."""
    after: RecurringId | UnsetType = UNSET
    """The `next` of the page before."""


class RecurringPage(msgspec.Struct, kw_only=True):
    """A page of recurring jobs."""

    recurring: Sequence[RecurringInAnswer]
    next: str | None
    """Goes into `after` to get the page behind this one; null on the last page."""


class OneRecurring(msgspec.Struct, kw_only=True):
    """Which recurring job."""

    id: RecurringId
    """The id of the recurring job."""


class RunsAsked(OneRecurring, kw_only=True):
    """Whose runs, and which."""

    only_skipped: bool = False
    """Leave out those that a job was made for."""
    limit: Limit = 50
    """How many runs at most."""


class RunOfRecurring(msgspec.Struct, kw_only=True):
    """What became of one run, or of several that were left out."""

    run_at: Moment
    """The time that the run stands for; of several, the first."""
    job_id: UUID | None
    """The job that was made for it; null when none was."""
    skipped: SkipReason | None
    """Why it was left out."""
    last_at: Moment | None
    """Of several that were left out, the last."""
    count: int
    """How many runs this stands for."""


class NextAsked(OneRecurring, kw_only=True):
    """Whose runs, and how many."""

    count: Limit = 20
    """How many runs at most."""


class PauseReason(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Why."""

    reason: Text | UnsetType = UNSET
    """Is shown with the recurring job."""


class JobTriggered(msgspec.Struct, kw_only=True):
    """The job that was made."""

    id: UUID


def find_recurring(call: Call, asked: RecurringAsked) -> RecurringPage:
    """List recurring jobs in the order of their ids."""
    after = None if asked.after is UNSET else asked.after
    found = call.site.storage.find_recurring(asked.limit + 1, after)
    shown = found[: asked.limit]
    return RecurringPage(
        recurring=[_as_it_is(call.site, job) for job in shown],
        next=shown[-1].id if len(found) > asked.limit else None,
    )


def get_recurring(call: Call, asked: OneRecurring) -> RecurringInAnswer:
    """Get one recurring job."""
    return _as_it_is(call.site, call.site.scheduler.recurring.get(asked.id))


def get_runs(call: Call, asked: RunsAsked) -> Sequence[RunOfRecurring]:
    """Get what became of the runs of a recurring job, the newest first: the job that was made, or why none was."""
    recurring = call.site.scheduler.recurring
    recurring.get(asked.id)
    return [_run(run) for run in recurring.runs(asked.id, asked.limit, only_skipped=asked.only_skipped)]


def _run(run: RecurringRun) -> RunOfRecurring:
    skips = run.skips
    return RunOfRecurring(
        run_at=run.run_at,
        job_id=run.job_id,
        skipped=None if skips is None else skips.reason,
        last_at=None if skips is None else skips.last,
        count=1 if skips is None else skips.count,
    )


def get_next_runs(call: Call, asked: NextAsked) -> Sequence[Moment]:
    """Get when a recurring job runs next; of a paused one, when it would."""
    return [run.astimezone(UTC) for run in call.site.scheduler.recurring.next_runs(asked.id, asked.count)]


def trigger_recurring(call: Call, asked: OneRecurring) -> JobTriggered:
    """Make one of the jobs of a recurring job now, whether it is paused or not."""
    return JobTriggered(id=operations.trigger_recurring(call.site, call.user, asked.id))


def pause_recurring(call: Call, asked: OneRecurring, body: PauseReason) -> None:
    """Let a recurring job not run, until it is resumed."""
    operations.pause_recurring(call.site, call.user, asked.id, "" if body.reason is UNSET else body.reason)


def resume_recurring(call: Call, asked: OneRecurring) -> None:
    """Let a paused recurring job go on with its next run."""
    operations.resume_recurring(call.site, call.user, asked.id)


def delete_recurring(call: Call, asked: OneRecurring) -> None:
    """Remove a recurring job, and withdraw its jobs that were not started."""
    operations.delete_recurring(call.site, call.user, asked.id)


_AS_IT_IS = (
    *("id", "schedule", "zone", "target", "misfire", "max_concurrent", "next_run_at", "last_run_at", "until"),
    *("is_paused", "paused_at", "pause_reason", "problem", "is_declared", "created_at", "changed_at"),
)
_OF_ITS_JOBS = ("queue", "priority", "labels", "retries")


def _as_it_is(site: Site, job: RecurringJob) -> RecurringInAnswer:
    return RecurringInAnswer(
        **{name: getattr(job, name) for name in _AS_IT_IS},
        **{name: getattr(job.template, name) for name in _OF_ITS_JOBS},
        job_name=job.template.name,
        words=schedule_in_words(job.schedule),
        arguments=read(site.redact("arguments", job.template.details.arguments)),
    )


_NO_RECURRING = {404: "There is no recurring job with this id (any more)."}
_NOT_DONE = _NO_RECURRING | {409: "Others kept changing it meanwhile."}
_SUBJECT = "Recurring jobs"

OPERATIONS = (
    Operation("GET", "/api/recurring", find_recurring, subject=_SUBJECT),
    Operation("GET", "/api/recurring/job", get_recurring, subject=_SUBJECT, refusals=_NO_RECURRING),
    Operation("GET", "/api/recurring/runs", get_runs, subject=_SUBJECT, refusals=_NO_RECURRING),
    Operation("GET", "/api/recurring/next", get_next_runs, subject=_SUBJECT, refusals=_NO_RECURRING),
    Operation("POST", "/api/recurring/trigger", trigger_recurring, subject=_SUBJECT, refusals=_NO_RECURRING),
    Operation("POST", "/api/recurring/pause", pause_recurring, subject=_SUBJECT, refusals=_NOT_DONE),
    Operation("POST", "/api/recurring/resume", resume_recurring, subject=_SUBJECT, refusals=_NOT_DONE),
    Operation("DELETE", "/api/recurring/job", delete_recurring, subject=_SUBJECT, refusals=_NOT_DONE),
)
