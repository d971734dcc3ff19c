"""Recurring jobs as pages show them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from jobrunr.dashboard.showing.brief import failure_of
from jobrunr.dashboard.showing.schedule_words import in_zone, schedule_in_words
from jobrunr.dashboard.site import Site
from jobrunr.errors import JobRunrError
from jobrunr.ids import JobId
from jobrunr.job_texts import arguments_as_code, cut
from jobrunr.jobs import Job
from jobrunr.recurring_job import Misfire, RecurringJob, RecurringRun, SkipReason
from jobrunr.storage.contract import JobQuery

NEXT_RUNS = 20
LAST_RUNS = 20

MISFIRE_WORDS = {
    Misfire.SKIP: "are skipped",
    Misfire.ONE: "the last is made up for",
    Misfire.ALL: "all are made up for",
}


class Recurrence(msgspec.Struct, frozen=True, kw_only=True):
    """A recurring job in a line of a list."""

    job: RecurringJob
    key: str
    """Stands for its id, which can hold any character, in the ids of elements."""
    words: str
    """When it runs."""
    last: Job | None
    """The job of it that was made last, if it is still there."""
    failure: str | None
    """With what that one failed."""

    @property
    def condition(self) -> str:
        """Whether it runs: active, paused, halted."""
        return condition_of(self.job)


SKIP_WORDS = {
    SkipReason.MISSED: "no server was up",
    SkipReason.STILL_RUNNING: "as many as may be were running still",
    SkipReason.PAUSED: "it was paused",
}


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a run."""

    run: RecurringRun
    local: str
    job: Job | None
    """The job that was made, if it is still there."""
    why: str | None
    """Why it was skipped."""


class Upcoming(msgspec.Struct, frozen=True, kw_only=True):
    """A run to come."""

    at: datetime
    local: str


class RecurrenceDetails(msgspec.Struct, frozen=True, kw_only=True):
    """What the page of a recurring job shows of it."""

    line: Recurrence
    code: str
    next: list[Upcoming]
    why_no_next: str | None
    runs: list[Run]
    skipped: list[Run]
    misfire: str


def condition_of(job: RecurringJob) -> str:
    """Whether it runs."""
    if job.problem is not None:
        return "halted"
    return "paused" if job.is_paused else "active"


def recurrence(site: Site, job: RecurringJob) -> Recurrence:
    """A recurring job, short."""
    last = site.last_jobs.get(job.id)
    return Recurrence(
        job=job,
        key=hashlib.sha256(job.id.encode("utf-8", "replace")).hexdigest()[:16],
        words=schedule_in_words(job.schedule),
        last=last,
        failure=None if last is None else failure_of(site, last),
    )


def recurrence_details(site: Site, job: RecurringJob) -> RecurrenceDetails:
    """Everything about a recurring job."""
    upcoming, why_not = _upcoming(site, job)
    jobs = {made.id: made for made in site.storage.find(JobQuery(recurring_job_id=job.id, limit=2 * LAST_RUNS))}
    recurring = site.scheduler.recurring
    return RecurrenceDetails(
        line=recurrence(site, job),
        code=_call(site, job),
        next=upcoming,
        why_no_next=why_not,
        runs=_runs(job, recurring.runs(job.id, LAST_RUNS), jobs),
        skipped=_runs(job, recurring.runs(job.id, LAST_RUNS, only_skipped=True), jobs),
        misfire=MISFIRE_WORDS[job.misfire],
    )


def _upcoming(site: Site, job: RecurringJob) -> tuple[list[Upcoming], str | None]:
    """The next runs, or why there are none."""
    try:
        moments = site.scheduler.recurring.next_runs(job.id, NEXT_RUNS)
    except JobRunrError as error:
        return [], str(error)
    why_not = None if moments else "There is no run any more."
    return [Upcoming(at=moment, local=in_zone(moment, job)) for moment in moments], why_not


def _runs(job: RecurringJob, runs: Sequence[RecurringRun], jobs: Mapping[JobId, Job]) -> list[Run]:
    return [
        Run(
            run=run,
            local=in_zone(run.run_at, job),
            job=None if run.job_id is None else jobs.get(run.job_id),
            why=None if run.skips is None else SKIP_WORDS[run.skips.reason],
        )
        for run in runs
    ]


def _call(site: Site, job: RecurringJob) -> str:
    arguments = site.redact("arguments", job.template.details.arguments)
    written = arguments_as_code(arguments)
    return f"{job.target.replace(':', '.', 1)}({cut(arguments) if written is None else ', '.join(written)})"
