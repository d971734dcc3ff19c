"""Recurring jobs make a job whenever their time has come."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from msgspec.structs import replace

from jobrunr.carbon import FORECAST, Known, choose_slot, known_at, read_kept, read_margin
from jobrunr.clock import Clock
from jobrunr.errors import StorageUnavailableError
from jobrunr.filters import JobFilters
from jobrunr.jobs import NewJob
from jobrunr.recurring_job import Firing, NewRun, RecurringJob
from jobrunr.schedules import FiringRules, Schedule, plan
from jobrunr.states import JobState
from jobrunr.storage.contract import DueRecurringJob, StorageProvider
from jobrunr.texts import storable

_log = logging.getLogger("jobrunr.server")

BATCH = 1000


class Fire:
    """Looks at recurring jobs that are due, and makes their jobs.

    Arguments:
        storage: where they are.
        clock: the storage's time.
        schedule_of: reads the schedule of one; raises a `ScheduleError` when it cannot be read.
        filters_of: the filters that are told of its jobs.
        rules: the settings that concern runs.
        has_forecast: whether it is worthwhile to wait for clean electricity.
    """

    def __init__(
        self,
        storage: StorageProvider,
        clock: Clock,
        schedule_of: Callable[[RecurringJob], Schedule],
        filters_of: Callable[[RecurringJob], JobFilters],
        rules: FiringRules,
        *,
        has_forecast: bool,
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._schedule_of = schedule_of
        self._filters_of = filters_of
        self._rules = rules
        self._has_forecast = has_forecast

    def fire_due(self) -> int:
        """Decide about what is due, and write it. Returns how many recurring jobs there were to decide about."""
        due = self._storage.due_recurring(BATCH)
        if not due:
            return 0
        # The storage has judged that they are due; our reading of its clock may lag by a few milliseconds.
        now = max(self._clock.now(), *(each.job.look_at for each in due if each.job.look_at is not None))
        known = self._known(due, now)
        self._write([self._firing(each, now, known) for each in due])
        return len(due)

    def _known(self, due: Sequence[DueRecurringJob], now: datetime) -> Known | None:
        """What is known of forecasts; None when nobody has to know, or has anybody to ask."""
        if not self._has_forecast or not any(read_margin(each.job.schedule)[1] for each in due):
            return None
        return known_at(now, read_kept(self._storage.get_metadata(FORECAST)))

    def _write(self, firings: Sequence[Firing]) -> None:
        try:
            made = self._storage.fire(firings)
        except StorageUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the storage says but "later"
            if len(firings) == 1:
                self._halt(firings[0], error)
                return
            for firing in firings:  # one of them is bad: find it, and let its neighbours pass
                self._write([firing])
            return
        for firing in firings:
            for run in firing.runs:
                if run.job.id in made:
                    self._filters_of(firing.after).created(run.job)

    def _halt(self, refused: Firing, error: Exception) -> None:
        """The storage refuses this one for good. It must not come up again and again because of that."""
        problem = storable(f"its runs cannot be stored: {error}", 1000)
        _log.error("recurring job %r is halted until it is registered anew", refused.after.id, exc_info=error)
        self._storage.save_recurring(replace(refused.after, problem=problem, next_run_at=None, look_at=None))

    def _firing(self, due: DueRecurringJob, now: datetime, known: Known | None) -> Firing:
        job = due.job
        decided = plan(job, self._schedule_of, now, due.live, due.waiting, self._rules)
        if decided.after.problem is not None and job.problem is None:
            _log.error("recurring job %r is halted until it is registered anew: %s", job.id, decided.after.problem)
        for skips in decided.skips:
            _log.info("recurring job %r: %d run(s) up to %s skipped, %s", job.id, skips.count, skips.last, skips.reason)
        runs = tuple(NewRun(run_at, self._new_job(job, run_at, now, known)) for run_at in decided.runs)
        return Firing(after=decided.after, runs=runs, skips=decided.skips, ends=decided.ends)

    def _new_job(self, job: RecurringJob, run_at: datetime, now: datetime, known: Known | None) -> NewJob:
        margin = read_margin(job.schedule)[1]
        reason, start, window = f"run of recurring job {job.id}", run_at, None
        if margin is not None and known is not None:
            window = margin.window(run_at)
            slot = choose_slot(window, known, now)
            if slot is not None:
                reason, start, window = f"{reason}; {slot.reason}", slot.start, None
        new = job.template.new_job(job.id, run_at, reason, window)
        if start > now and window is None:  # its window has begun, its time has not come
            new = replace(new, state=JobState.SCHEDULED, run_at=start)
        return self._filters_of(job).creating(new)
