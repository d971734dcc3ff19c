"""What becomes of a stored recurring job when it is registered, paused or resumed."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from jobrunr.carbon.windows import Margin, read_margin
from jobrunr.durations import format_duration
from jobrunr.errors import ScheduleError
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
    existing: RecurringJob | None, wanted: Definition, now: datetime, find_class: FindClass
) -> RecurringJob | None:
    """The recurring job to store; None when it is there already as it is wanted.

    Where an interval counts from, and the next run, stay as they are unless the schedule is another. A pause stays; a
    problem is over.

    Raises:
        ScheduleError: the schedule has no run to come.
    """
    if existing is None:
        new = _new(wanted, now)
        return _with_next_run(new, parse_schedule(new.schedule, new.zone, new.anchor, find_class), now)
    if existing.problem is None and _is_as_wanted(existing, wanted):
        return None
    changed = replace(
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
    if existing.problem is None and (existing.schedule, existing.zone) == (wanted.schedule, wanted.zone):
        return changed
    changed = replace(changed, anchor=now, skips=None)
    return _with_next_run(changed, parse_schedule(changed.schedule, changed.zone, changed.anchor, find_class), now)


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


def _is_as_wanted(existing: RecurringJob, wanted: Definition) -> bool:
    return all(
        getattr(existing, name) == getattr(wanted, name)
        for name in ("schedule", "zone", "template", "misfire", "max_concurrent", "until", "is_declared")
    )


def _with_next_run(job: RecurringJob, schedule: Schedule, now: datetime) -> RecurringJob:
    run = next_of(schedule, now)
    if run is None or (job.until is not None and run > job.until):
        until = "" if job.until is None else f" until {job.until.isoformat()}"
        raise ScheduleError(f"{job.schedule} in {job.zone} has no run to come{until}.")
    margin = read_margin(job.schedule)[1]
    if margin is not None:
        _check_margin(job, schedule, run, margin)
    return replace(job, next_run_at=run, look_at=run - (margin.before if margin else timedelta(0)))


def _check_margin(job: RecurringJob, schedule: Schedule, run: datetime, margin: Margin) -> None:
    """The windows of two runs must not touch, or one would be in the way of the other."""
    following = next_of(schedule, run)
    if following is not None and following - run <= margin.before + margin.after:
        raise ScheduleError(
            f"{job.schedule}: its runs are {format_duration(following - run)} apart, and a window of "
            f"{format_duration(margin.before + margin.after)} must be shorter than that."
        )


def paused(job: RecurringJob, now: datetime, reason: str | None) -> RecurringJob:
    """Without runs from now on. Its times go by and are noted as skipped, so it is still looked at."""
    return replace(job, paused_at=now, pause_reason=reason, version=job.version + 1)


def resumed(job: RecurringJob, schedule: Schedule, now: datetime) -> RecurringJob:
    """With runs again, from the next one after now.

    Raises:
        ScheduleError: there is no run to come.
    """
    active = replace(job, paused_at=None, pause_reason=None, problem=None, version=job.version + 1)
    return _with_next_run(active, schedule, now)
