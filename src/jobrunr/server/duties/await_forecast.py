"""Jobs that wait for clean electricity get their time: the best that a forecast knows, otherwise the one they prefer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from jobrunr.carbon import LEAD, Forecast, Known, choose_slot
from jobrunr.clock import Clock
from jobrunr.errors import UnreadableJobError
from jobrunr.filters import JobFilters
from jobrunr.jobs import CarbonWindow, Job, JobUpdate
from jobrunr.server.forecasts import Forecasts
from jobrunr.storage.contract import StorageProvider
from jobrunr.transitions import reschedule

BATCH = 1000
INTERVAL = 5.0
"""Seconds between two looks at those whose time is near; new jobs that want to start soon are among them."""

ALL_INTERVAL = timedelta(minutes=1)
"""Between two looks at all that the same forecast may have to do with."""


class Mastership(Protocol):
    """Knows whether the duties are ours."""

    @property
    def is_master(self) -> bool: ...


class AwaitForecast:
    """The duty that gives waiting jobs their time. It looks at them in rounds, a batch in each tick.

    Arguments:
        storage: where they are.
        membership: whether it is ours to do.
        clock: the storage's time.
        forecasts: knows how clean electricity is going to be.
        filters_of: the filters that are told of a job's change.
    """

    def __init__(
        self,
        storage: StorageProvider,
        membership: Mastership,
        clock: Clock,
        forecasts: Forecasts,
        filters_of: Callable[[Job], JobFilters],
    ) -> None:
        self._storage = storage
        self._membership = membership
        self._clock = clock
        self._forecasts = forecasts
        self._filters_of = filters_of
        self.rests = False
        """Whether the last look found nobody: the next one is soon only if somebody says so."""
        self._last: Job | None = None
        """The last job that this round has looked at; None between two rounds."""
        self._until: datetime | None = None
        """The latest preferred time that this round has to do with."""
        self._all_seen: tuple[datetime, Forecast | None] | None = None
        """When a round looked at all, and by which forecast."""

    def tick(self) -> float:
        if not self._membership.is_master:
            self._last = self._all_seen = None
            return 60.0  # being elected wakes us
        self.give_times()
        if self.rests:
            return 60.0  # the timetable sees new ones, and wakes us
        return INTERVAL if self._last is None else 0.0

    def give_times(self) -> int:
        """Look at the next batch: give those their time for whom it is known, and those who can wait no longer. Returns how
        many that were."""
        batch = self._storage.awaiting(BATCH, self._last)
        now = self._clock.now()
        self.rests = not batch and self._last is None
        if not batch:
            self._last = None
            return 0
        known = self._forecasts.look(now)
        if self._last is None:
            self._until = self._end_of_round(known.forecast, now)
        self._last = batch[-1] if len(batch) == BATCH and self._goes_on_behind(batch[-1]) else None
        return self._give(batch, known, now)

    def _end_of_round(self, forecast: Forecast | None, now: datetime) -> datetime:
        """Who prefers a later time can neither get it from this forecast, nor has to get it without one."""
        soon = now + 2 * LEAD
        if self._all_seen is not None and self._all_seen[1] == forecast and now - self._all_seen[0] < ALL_INTERVAL:
            return soon
        self._all_seen = now, forecast
        ends_at = None if forecast is None else forecast.ends_at
        return soon if ends_at is None else max(soon, ends_at)

    def _goes_on_behind(self, job: Job) -> bool:
        return job.run_at is not None and self._until is not None and job.run_at <= self._until

    def _give(self, batch: Sequence[Job], known: Known, now: datetime) -> int:
        updates = [update for job in batch if (update := _given_time(job, known, now)) is not None]
        written = self._storage.update(updates) if updates else frozenset()
        by_id = {job.id: job for job in batch}
        for update in updates:
            if update.job_id in written:
                job = by_id[update.job_id]
                self._filters_of(job).state_changed(job, job.state, update.state)
        return len(written)


def _given_time(job: Job, known: Known, now: datetime) -> JobUpdate | None:
    slot = choose_slot(_window_of(job, now), known, now, since=job.state_at)
    return None if slot is None else reschedule(job, now, slot.start, slot.reason)


def _window_of(job: Job, now: datetime) -> CarbonWindow:
    try:
        window = job.extras.window
    except UnreadableJobError:
        window = None
    preferred = job.run_at or now
    return window or CarbonWindow(preferred, preferred, preferred)
