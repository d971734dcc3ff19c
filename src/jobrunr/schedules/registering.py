"""What becomes of a stored recurring job when it is registered, paused or resumed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from jobrunr.carbon.windows import Margin, read_margin
from jobrunr.durations import format_duration
from jobrunr.errors import NoRunError, ScheduleError
from jobrunr.recurring_job import JobTemplate, Misfire, RecurringJob
from jobrunr.schedules.reading import FindClass, parse_schedule
from jobrunr.schedules.schedule import Schedule, next_of


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """A recurring job as somebody registers it."""

    id: str
    schedule: str
    zone: str
    template: JobTemplate
    misfire: Misfire
    max_concurrent: int
    until: datetime | None
    is_paused: bool
    """Whether it begins paused; of one that is there already, people decide."""
    is_declared: bool


def registered(
    existing: RecurringJob | None,
    wanted: Definition,
    now: datetime,
    find_class: FindClass,
    freed: Collection[datetime] = (),
) -> RecurringJob | None:
    """The recurring job to store; None when it is there already as it is wanted.

    Where an interval counts from, and the next run, stay as they are unless the schedule is another. A pause stays; a
    problem is over.

    Arguments:
        freed: the times that had jobs made ahead, which are withdrawn with this change.

    Raises:
        NoRunError: there is no run to come.
        ScheduleError: the schedule cannot say when it runs.
    """
    if existing is None:
        new = _new(wanted, now)
        return _with_next_run(new, parse_schedule(new.schedule, new.zone, new.anchor, find_class), now)
    if existing.problem is None and is_as_wanted(existing, wanted):
        return None
    changed = _changed(existing, wanted, now)
    if changed.last_run_at in freed:
        changed = replace(changed, last_run_at=None)
    if existing.problem is None and (existing.schedule, existing.zone) == (wanted.schedule, wanted.zone):
        return _with_the_same_runs(changed, now, freed)
    changed = replace(changed, anchor=now, skips=None)
    schedule = parse_schedule(changed.schedule, changed.zone, changed.anchor, find_class)
    return _with_next_run(changed, schedule, _decided_until(changed, now))


def _changed(existing: RecurringJob, wanted: Definition, now: datetime) -> RecurringJob:
    return replace(
        existing,
        schedule=wanted.schedule,
        zone=wanted.zone,
        template=wanted.template,
        misfire=wanted.misfire,
        max_concurrent=wanted.max_concurrent,
        until=wanted.until,
        declared_at=now if wanted.is_declared else None,
        problem=None,
        version=existing.version + 1,
        changed_at=now,
    )


def _with_the_same_runs(job: RecurringJob, now: datetime, freed: Collection[datetime]) -> RecurringJob:
    """Its next run is the one it had, unless the job for an earlier one was withdrawn."""
    run = min((run for run in (job.next_run_at, *freed) if run is not None), default=None)
    if run is not None and job.until is not None and run > job.until:
        return replace(job, look_at=now)  # it is over: the master removes it
    return job if run == job.next_run_at else replace(job, next_run_at=run, look_at=now)


def _decided_until(job: RecurringJob, now: datetime) -> datetime:
    """Up to when everything is decided: a run may have its job already although its time is to come."""
    return now if job.last_run_at is None else max(now, job.last_run_at)


def halted(existing: RecurringJob | None, wanted: Definition, now: datetime, problem: str) -> RecurringJob | None:
    """A recurring job that cannot run as it is wanted, with the reason; None when it is halted for this already."""
    if existing is not None and existing.problem == problem and is_as_wanted(existing, wanted):
        return None
    job = _new(wanted, now) if existing is None else _changed(existing, wanted, now)
    return replace(job, problem=problem, next_run_at=None, look_at=None)


def _new(wanted: Definition, now: datetime) -> RecurringJob:
    return RecurringJob(
        id=wanted.id,
        schedule=wanted.schedule,
        zone=wanted.zone,
        template=wanted.template,
        misfire=wanted.misfire,
        max_concurrent=wanted.max_concurrent,
        until=wanted.until,
        anchor=now,
        next_run_at=None,
        look_at=None,
        paused_at=now if wanted.is_paused else None,
        pause_reason="paused when it was registered" if wanted.is_paused else None,
        declared_at=now if wanted.is_declared else None,
        created_at=now,
        changed_at=now,
    )


def is_as_wanted(existing: RecurringJob, wanted: Definition) -> bool:
    """Whether registering it would change nothing."""
    return all(
        getattr(existing, name) == getattr(wanted, name)
        for name in ("schedule", "zone", "template", "misfire", "max_concurrent", "until", "is_declared")
    )


def _with_next_run(job: RecurringJob, schedule: Schedule, now: datetime) -> RecurringJob:
    run = next_of(schedule, now)
    if run is None or (job.until is not None and run > job.until):
        until = "" if job.until is None else f" until {job.until.isoformat()}"
        raise NoRunError(f"{job.schedule} in {job.zone}", f"to come{until}")
    margin = read_margin(job.schedule)[1]
    if margin is not None:
        _check_margin(job, schedule, run, margin)
    return replace(job, next_run_at=run, look_at=run - (margin.before if margin else timedelta(0)))


def _check_margin(job: RecurringJob, schedule: Schedule, run: datetime, margin: Margin) -> None:
    """The windows of two runs must not touch, or one would be in the way of the other.

    The runs of a year are looked at, so that neither the hour of registration nor a clock change makes a difference; of a
    schedule that runs often, the first 400.
    """
    first, window = run, margin.before + margin.after
    for _ in range(400):
        try:
            following = next_of(schedule, run)
        except ScheduleError:
            if run == first:
                raise
            return  # it is halted when it comes to that
        if following is None or following - first > timedelta(days=400) or (job.until is not None and following > job.until):
            return
        if following - run <= window:
            raise ScheduleError(
                f"{job.schedule}: its runs at {run:%Y-%m-%d %H:%M:%S} and {following:%Y-%m-%d %H:%M:%S} UTC are "
                f"{format_duration(following - run)} apart; a window of {format_duration(window)} must be shorter than that."
            )
        run = following


def paused(job: RecurringJob, now: datetime, reason: str | None) -> RecurringJob:
    """Without runs from now on. Its times go by and are noted as skipped, so it is still looked at."""
    return replace(job, paused_at=now, pause_reason=reason, version=job.version + 1)


def resumed(job: RecurringJob, schedule: Schedule, now: datetime) -> RecurringJob:
    """With runs again, from the next one after now that has no job yet. A problem is over.

    Raises:
        NoRunError: there is no run to come.
        ScheduleError: the schedule cannot say when it runs.
    """
    active = replace(job, paused_at=None, pause_reason=None, problem=None, version=job.version + 1)
    return _with_next_run(active, schedule, _decided_until(active, now))
