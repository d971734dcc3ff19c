"""Registering and steering recurring jobs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from copy import copy
from datetime import datetime, timedelta
from itertools import islice

from msgspec.structs import replace

from jobrunr.carbon import Margin, read_margin
from jobrunr.cron import CronExpression
from jobrunr.cron.zones import find_zone
from jobrunr.declarations import declarations
from jobrunr.errors import (
    ConcurrentRecurringJobModificationError,
    JobRunrError,
    NoRunError,
    OptionError,
    RecurringJobNotFoundError,
    ScheduleError,
)
from jobrunr.filters import JobFilters
from jobrunr.ids import JobId
from jobrunr.jobs import Job, JobUpdate
from jobrunr.options import NO_OPTIONS, RecurringOptions
from jobrunr.recurring_job import Firing, JobTemplate, Misfire, RecurringJob, RecurringRun
from jobrunr.registry import JobRegistry
from jobrunr.scheduler.job_builder import JobBuilder
from jobrunr.schedules import (
    Definition,
    Schedule,
    ScheduleLike,
    check_custom,
    halted,
    is_as_wanted,
    is_custom,
    left_out,
    next_of,
    parse_schedule,
    paused,
    problem_of,
    read_schedule,
    registered,
    resumed,
    with_margin,
)
from jobrunr.states import JobState
from jobrunr.storage.contract import JobQuery, StorageProvider
from jobrunr.transitions import delete

_log = logging.getLogger("jobrunr.scheduler")

TRIES = 5
"""How often a change is tried when somebody else changes the same recurring job meanwhile."""

PAGE = 1000


class RecurringJobs:
    """The recurring jobs of a storage: `JobScheduler.recurring`. Safe to use from any number of threads."""

    def __init__(
        self,
        storage: Callable[[], StorageProvider],
        builder: JobBuilder,
        registry: JobRegistry,
        filters: JobFilters,
        default_zone: str,
    ) -> None:
        self._storage = storage
        self._builder = builder
        self._registry = registry
        self._filters = filters
        self._default_zone = default_zone
        self._arguments: dict[str, str] = {}
        """Of those that this process registered under their target's name."""

    def _bound_to(self, storage: Callable[[], StorageProvider]) -> RecurringJobs:
        """The same over a storage inside a transaction."""
        bound = copy(self)
        bound._storage = storage  # noqa: SLF001 - its own copy
        return bound

    # -- looking

    def list(self) -> list[RecurringJob]:
        """All recurring jobs, in the order of their ids.

        >>> jobs.recurring.list()
        []
        """
        return list(self._all())

    def _all(self) -> Iterator[RecurringJob]:
        after: str | None = None
        while page := self._storage().find_recurring(PAGE, after):
            yield from page
            after = page[-1].id

    def get(self, recurring_job_id: str) -> RecurringJob:
        """One recurring job, as it is now.

        Raises:
            RecurringJobNotFoundError: there is none with this id (any more).
        """
        job = self._storage().get_recurring(recurring_job_id)
        if job is None:
            raise RecurringJobNotFoundError(recurring_job_id)
        return job

    def runs(self, recurring_job_id: str, limit: int = 50, *, only_skipped: bool = False) -> Sequence[RecurringRun]:
        """What became of its runs, the newest first: which job was made for each, or why it was skipped.

        Arguments:
            limit: how many at most.
            only_skipped: leave out those that a job was made for.
        """
        return self._storage().recurring_runs(recurring_job_id, limit, only_skipped=only_skipped)

    def next_runs(self, recurring_job_id: str, count: int = 10) -> Sequence[datetime]:
        """When it runs next, in its time zone. Of a paused one, when it would run.

        Arguments:
            count: how many at most.

        Raises:
            RecurringJobNotFoundError: there is none with this id.
            ScheduleError: the schedule cannot say.
        """
        job = self.get(recurring_job_id)
        return list(islice(self._upcoming(job), max(count, 0)))

    def _upcoming(self, job: RecurringJob) -> Iterator[datetime]:
        schedule, after, zone = self.schedule_of(job), self._storage().now(), find_zone(job.zone)[1]
        while (run := next_of(schedule, after)) is not None and (job.until is None or run <= job.until):
            yield run.astimezone(zone)
            after = run

    def schedule_of(self, job: RecurringJob) -> Schedule:
        """Its schedule, read from its text.

        Raises:
            ScheduleError: it cannot be read here.
        """
        return parse_schedule(job.schedule, job.zone, job.anchor, self._registry.resolve_class)

    # -- steering

    def pause(self, recurring_job_id: str, reason: str | None = None) -> None:
        """No runs from now on, until `resume`. Its jobs that were made already go on. Pausing a paused one changes
        its reason, if one is given.

        A pause survives restarts, and registering the same recurring job again.

        Raises:
            RecurringJobNotFoundError: there is none with this id.
        """
        self._change(
            recurring_job_id,
            lambda job, now: None if job.is_paused and reason in (None, job.pause_reason) else paused(job, now, reason),
        )

    def resume(self, recurring_job_id: str) -> None:
        """Go on with the next run, after a pause or when a problem is mended. Otherwise nothing changes.

        Raises:
            RecurringJobNotFoundError: there is none with this id.
            ScheduleError: its schedule still cannot say when it runs, or has no run to come.
        """
        self._change(recurring_job_id, self._resumed)

    def _resumed(self, job: RecurringJob, now: datetime) -> RecurringJob | None:
        if not job.is_paused and job.problem is None:
            return None
        return resumed(self._without_due_runs(job, now), self.schedule_of(job), now)

    def _without_due_runs(self, job: RecurringJob, now: datetime) -> RecurringJob:
        """Note what came due while no server looked, before it is forgotten. Gives the recurring job as it is then."""
        while job.problem is None and job.next_run_at is not None and job.next_run_at <= now:
            try:
                decided = left_out(job, self.schedule_of(job), now)
            except ScheduleError:  # nobody can tell any more what was due
                break
            self._storage().fire([Firing(after=replace(decided.after, look_at=job.look_at), skips=decided.skips)])
            job = self.get(job.id)
        return job

    def _change(self, recurring_job_id: str, change: Callable[[RecurringJob, datetime], RecurringJob | None]) -> None:
        for _ in range(TRIES):
            changed = change(self.get(recurring_job_id), self._storage().now())
            if changed is None or self._storage().save_recurring(changed):
                return
        raise ConcurrentRecurringJobModificationError(recurring_job_id, TRIES)

    def trigger(self, recurring_job_id: str, reason: str = "triggered through the scheduler") -> JobId:
        """Make one of its jobs now, between the times, whether it is paused or as many as may be are running.

        Returns:
            the id of the job.

        Raises:
            RecurringJobNotFoundError: there is none with this id.
        """
        job = self.get(recurring_job_id)
        filters = self.filters_of(job)
        new = filters.creating(job.template.new_job(job.id, None, reason))
        if new.id in self._storage().insert([new]):
            filters.created(new)
        return new.id

    def delete(self, recurring_job_id: str, reason: str = "its recurring job was deleted") -> None:
        """Remove it, and withdraw its jobs that were not started. One that stands in the code (``@recurring``) comes back
        when a server starts.

        Raises:
            RecurringJobNotFoundError: there is none with this id.
        """
        for _ in range(TRIES):
            job = self.get(recurring_job_id)
            if self._remove(job, reason):
                self._arguments.pop(recurring_job_id, None)
                return
        raise ConcurrentRecurringJobModificationError(recurring_job_id, TRIES)

    def forget(self, grace: timedelta) -> Sequence[str]:
        """Remove those that stood in the code and that no running server has declared for longer than `grace`."""
        stale = self._storage().undeclared(grace)
        return [job.id for job in stale if self._remove(job, "no running server declares its recurring job any more")]

    def _remove(self, job: RecurringJob, reason: str) -> bool:
        withdrawn = self._not_started(job.id, self._storage().now(), reason)
        if not self._storage().delete_recurring(job.id, job.version, [update for _, update in withdrawn]):
            return False
        self._tell(withdrawn)
        return True

    # -- registering

    def register(self, template: JobTemplate, schedule: ScheduleLike, options: RecurringOptions) -> str:
        """Store a recurring job, or change the one of this id; the same again changes nothing. Returns the id.

        Raises:
            ScheduleError: the schedule is not to be understood.
            OptionError: another one of this process has this id by its target alone.
        """
        recurring_id = options.id or self._id_by_target(template)
        self._register(recurring_id, template, schedule, options, is_declared=False)
        return recurring_id

    def _id_by_target(self, template: JobTemplate) -> str:
        """The target; refused for a second call of the same function, which would take the place of the first unseen."""
        target, arguments = template.details.target, template.details.arguments
        if self._arguments.setdefault(target, arguments) != arguments:
            raise OptionError(
                f"{target} is a recurring job of this program already, with other arguments: {self._arguments[target]}. "
                f"Name each: options(id=...).schedule_recurrently(...)."
            )
        return target

    def register_declared(self) -> frozenset[str]:
        """Store what the code declares by ``@recurring``. One whose own kind of schedule fails is stored with its problem;
        one that is over is removed. Returns the ids.

        Raises:
            JobRunrError: a declaration cannot be: its function is not found or needs arguments, or its runs are closer
                together than its window is long.
        """
        for declared in declarations():
            template = self._builder.draft_of(self._registry.resolve(declared.target), NO_OPTIONS).template((), {})
            try:
                self._register(declared.id, template, declared.schedule, declared.options, is_declared=True)
            except NoRunError as over:
                _log.warning("recurring job %r is not registered: %s", declared.id, over)
                with suppress(RecurringJobNotFoundError):
                    self.delete(declared.id, "its recurring job is over")
        return frozenset(declared.id for declared in declarations())

    def _register(
        self,
        recurring_id: str,
        template: JobTemplate,
        schedule: ScheduleLike,
        options: RecurringOptions,
        *,
        is_declared: bool,
    ) -> None:
        zone = options.zone or _zone_of(schedule) or self._default_zone
        text = _with_window(read_schedule(schedule, zone), options.window)
        definition = Definition(
            id=recurring_id,
            schedule=text,
            zone=zone,
            template=template,
            misfire=options.misfire or Misfire.SKIP,
            max_concurrent=options.max_concurrent or 1,
            until=options.until,
            is_paused=bool(options.paused),
            is_declared=is_declared,
        )
        for _ in range(TRIES):
            existing, now = self._storage().get_recurring(recurring_id), self._storage().now()
            if existing is not None and existing.problem is None and is_as_wanted(existing, definition):
                return
            withdrawn = [] if existing is None else self._ahead_of_time(recurring_id, now)
            new = self._registered(existing, definition, schedule, now, withdrawn)
            if new is None:
                return
            if self._storage().save_recurring(new, [update for _, update in withdrawn]):
                self._tell(withdrawn)
                return
        raise ConcurrentRecurringJobModificationError(recurring_id, TRIES)

    def _registered(
        self,
        existing: RecurringJob | None,
        wanted: Definition,
        schedule: ScheduleLike,
        now: datetime,
        withdrawn: Withdrawn,
    ) -> RecurringJob | None:
        """What is to be stored; None for nothing. One of the code whose own kind of schedule fails is halted, so that
        servers start."""
        try:
            if existing is None or (existing.schedule, existing.zone) != (wanted.schedule, wanted.zone):
                check_custom(schedule, wanted.schedule, self._registry.resolve_class, now)
                existing = None if existing is None else self._without_due_runs(existing, now)
            freed = [job.extras.stands_for for job, _ in withdrawn if job.extras.stands_for is not None]
            return registered(existing, wanted, now, self._registry.resolve_class, freed)
        except ScheduleError as error:
            if isinstance(error, NoRunError) or not wanted.is_declared or not is_custom(schedule):
                raise
            _log.error("recurring job %r is halted until it is registered anew: %s", wanted.id, error)
            return halted(existing, wanted, now, problem_of(error))

    # -- jobs that are not wanted any more

    def _ahead_of_time(self, recurring_id: str, now: datetime) -> Withdrawn:
        """Jobs that were made for a time to come."""
        reason = "its recurring job was changed"
        jobs = self._jobs(recurring_id, JobState.AWAITING, JobState.SCHEDULED)
        return _withdrawn((job for job in jobs if job.run_at is not None and job.run_at > now), now, reason)

    def _not_started(self, recurring_id: str, now: datetime, reason: str) -> Withdrawn:
        return _withdrawn(self._jobs(recurring_id, JobState.AWAITING, JobState.SCHEDULED, JobState.ENQUEUED), now, reason)

    def _jobs(self, recurring_id: str, *states: JobState) -> Iterator[Job]:
        """Its jobs in these states that never began."""
        for state in states:
            after: str | None = None
            while True:
                page = self._storage().find(JobQuery(state=state, recurring_job_id=recurring_id, limit=PAGE, after=after))
                yield from (job for job in page if job.attempts == 0)
                after = page.next
                if after is None:
                    break

    def _tell(self, withdrawn: Withdrawn) -> None:
        for job, update in withdrawn:
            self._filters.state_changed(job, job.state, update.state)

    def filters_of(self, job: RecurringJob) -> JobFilters:
        """Those of the application, and of the function as far as it is known here."""
        try:
            options = self._registry.resolve(job.target).options
        except JobRunrError:  # a worker will say so; here, its own filters are not to be had
            return self._filters
        return self._filters.with_more(options.filters) if options and options.filters else self._filters


def _zone_of(schedule: ScheduleLike) -> str | None:
    """The zone that a cron expression was made with. UTC is what it has when nobody said anything."""
    return schedule.zone if isinstance(schedule, CronExpression) and schedule.zone != "UTC" else None


def _with_window(text: str, window: tuple[timedelta, timedelta] | None) -> str:
    if window is None:
        return text
    if read_margin(text)[1] is not None:
        raise OptionError(f"{text!r} has a window already; leave out one of the two.")
    return with_margin(text, Margin(*window))


Withdrawn = Sequence[tuple[Job, JobUpdate]]


def _withdrawn(jobs: Iterator[Job], now: datetime, reason: str) -> Withdrawn:
    return [(job, update) for job in jobs if (update := delete(job, now, reason)) is not None]
