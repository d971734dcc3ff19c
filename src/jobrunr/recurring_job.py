"""A recurring job as a value: what shall run again and again, when, and what became of its runs.

All are frozen. Nothing here does anything; `jobrunr.schedules` decides, a storage provider writes.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec
from msgspec.structs import replace

from jobrunr.ids import JobId
from jobrunr.jobs import DEFAULT_QUEUE, NO_EXTRAS, CarbonWindow, JobDetails, JobExtras, NewJob
from jobrunr.states import JobState

MAX_RECURRING_ID_LENGTH = 255


class Misfire(StrEnum):
    """What becomes of runs that were missed because no server was up."""

    SKIP = "skip"
    """They are left out."""
    ONE = "one"
    """The last of them is made up for."""
    ALL = "all"
    """All of them are made up for, the oldest first."""


class SkipReason(StrEnum):
    """Why a run was left out."""

    MISSED = "missed"
    """No server was up at its time."""
    STILL_RUNNING = "still running"
    """As many instances as may be at a time were there already."""
    PAUSED = "paused"


class JobTemplate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What all jobs of a recurring job have in common. Stored as one JSON document, written when it is registered."""

    details: JobDetails
    name: str
    queue: str = DEFAULT_QUEUE
    priority: int = 0
    labels: tuple[str, ...] = ()
    retries: int = 10
    extras: JobExtras = NO_EXTRAS

    def new_job(
        self, recurring_job_id: str, run_at: datetime | None, reason: str, window: CarbonWindow | None = None
    ) -> NewJob:
        """A job, ready to run.

        Arguments:
            run_at: the time that it stands for; None for one that somebody wants between the times.
            reason: why there is this job.
            window: waits for the best time in it.
        """
        stands_for = self.extras if run_at is None else replace(self.extras, stands_for=run_at, window=window)
        return NewJob(
            id=JobId.new(),
            details=self.details,
            name=self.name,
            state=JobState.ENQUEUED if window is None else JobState.AWAITING,
            run_at=run_at,
            reason=reason,
            queue=self.queue,
            priority=self.priority,
            labels=self.labels,
            retries=self.retries,
            recurring_job_id=recurring_job_id,
            extras=stands_for,
        )


class Skips(msgspec.Struct, frozen=True, kw_only=True):
    """Runs that were left out, one after the other and for one reason."""

    reason: SkipReason
    first: datetime
    """The time of the first of them."""
    last: datetime
    count: int


class RecurringJob(msgspec.Struct, frozen=True, kw_only=True):
    """A stored recurring job, as it was when it was read."""

    id: str
    schedule: str
    """As text: a cron expression, an ISO 8601 duration, or ``package.module:Class(arguments)``."""
    zone: str
    """The name of the time zone in which the schedule is meant."""
    template: JobTemplate
    misfire: Misfire = Misfire.SKIP
    max_concurrent: int = 1
    """How many of its jobs may be due or running at a time."""
    until: datetime | None = None
    """No run is later than this; when the last one is over, the recurring job goes."""
    anchor: datetime
    """Where intervals count from: when this schedule was registered."""
    next_run_at: datetime | None
    """The first run that nothing was decided about yet. None when there is none, or when none can be found."""
    look_at: datetime | None
    """When the master has to do something about it; None for never."""
    last_run_at: datetime | None = None
    """The time of the last run that a job was made for."""
    skips: Skips | None = None
    """The runs that were left out since then, if any were."""
    paused_at: datetime | None = None
    pause_reason: str | None = None
    problem: str | None = None
    """Why no run can be found: then nothing happens until it is registered anew."""
    declared_at: datetime | None = None
    """When a running server last said that the code declares it; None when it was registered by a call."""
    version: int = 1
    """Counts the changes; guards them."""
    created_at: datetime
    changed_at: datetime
    """When its definition last changed."""

    @property
    def target(self) -> str:
        """What it calls: ``package.module:Class.method``."""
        return self.template.details.target

    @property
    def is_paused(self) -> bool:
        """Whether somebody wants no runs of it for now."""
        return self.paused_at is not None

    @property
    def is_declared(self) -> bool:
        """Whether it stands in the code, by ``@recurring``."""
        return self.declared_at is not None


class NewRun(msgspec.Struct, frozen=True):
    """A run to be made: the time it stands for, and its job."""

    run_at: datetime
    job: NewJob


class RecurringRun(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one run, or of several that were left out."""

    recurring_job_id: str
    run_at: datetime
    """The time that the run stands for; of several, the first."""
    job_id: JobId | None = None
    """The job that was made for it; None when none was."""
    skips: Skips | None = None


class Firing(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be written about one recurring job whose time has come, all or nothing."""

    after: RecurringJob
    """The recurring job as it is to be; written only if it still has the version before this one."""
    runs: tuple[NewRun, ...] = ()
    skips: tuple[Skips, ...] = ()
    """Runs that were left out; each replaces what is kept under the same first run."""
    ends: bool = False
    """Whether it is over, so that it is removed."""
