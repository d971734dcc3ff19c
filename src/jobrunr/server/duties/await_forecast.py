"""Jobs that wait for clean electricity get their time: the best that a forecast knows, otherwise the one they prefer."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from jobrunr.carbon import CarbonForecast, Forecast, choose_slot
from jobrunr.clock import Clock
from jobrunr.errors import UnreadableJobError
from jobrunr.filters import JobFilters
from jobrunr.jobs import CarbonWindow, Job, JobUpdate
from jobrunr.server.membership import Membership
from jobrunr.storage.contract import StorageProvider
from jobrunr.transitions import reschedule

_log = logging.getLogger("jobrunr.server")

BATCH = 1000
INTERVAL = 60.0
"""Seconds between two looks; less than `jobrunr.carbon.choosing.LEAD`, so that nobody misses his preferred time."""

FRESH = timedelta(days=1)
"""How long a forecast is good for that does not say when there is a newer one."""

BETWEEN_TRIES = timedelta(hours=1)
"""How long to wait when a forecast was not to be had."""

FORECAST, PROBLEM = "carbon-forecast", "problem-carbon-forecast"
"""The names of notes in the storage."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What the storage keeps of forecasts, for whoever is master next."""

    forecast: Forecast | None = None
    tried_at: datetime
    got_at: datetime | None = None


class Forecasts:
    """The forecast that is known, and a newer one about once a day.

    Arguments:
        storage: keeps it.
        source: where to ask; None when nobody was named.
    """

    def __init__(self, storage: StorageProvider, source: CarbonForecast | None) -> None:
        self._storage = storage
        self._source = source

    def current(self, now: datetime) -> Forecast | None:
        """The newest forecast. A failure is noted as a problem; what was known before serves on."""
        kept = self._read()
        if self._source is None or not _is_due(kept, now):
            return None if kept is None else kept.forecast
        before = None if kept is None else kept.forecast
        try:
            forecast = self._source.fetch()
        except Exception as error:  # noqa: BLE001 - a source may be the application's
            _log.warning("there is no forecast of carbon intensity: %s", error)
            self._storage.put_metadata(PROBLEM, f"There is no forecast of carbon intensity: {error}")
            got_at = None if kept is None else kept.got_at
            self._keep(Kept(forecast=before, tried_at=now, got_at=got_at))
            return before
        self._storage.put_metadata(PROBLEM, "")
        self._keep(Kept(forecast=forecast, tried_at=now, got_at=now))
        return forecast

    def _read(self) -> Kept | None:
        note = self._storage.get_metadata(FORECAST)
        try:
            return None if note is None else msgspec.json.decode(note, type=Kept)
        except msgspec.MsgspecError:
            return None

    def _keep(self, kept: Kept) -> None:
        self._storage.put_metadata(FORECAST, msgspec.json.encode(kept).decode())


def _is_due(kept: Kept | None, now: datetime) -> bool:
    """Whether to ask for a newer forecast."""
    if kept is None:
        return True
    if kept.got_at is None or kept.got_at < kept.tried_at:
        return now - kept.tried_at >= BETWEEN_TRIES
    newer_at = kept.got_at + FRESH
    if kept.forecast is not None and kept.forecast.next_at is not None:
        newer_at = max(kept.forecast.next_at, kept.got_at + BETWEEN_TRIES)
    return now >= newer_at


class AwaitForecast:
    """The duty that gives waiting jobs their time.

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
        membership: Membership,
        clock: Clock,
        forecasts: Forecasts,
        filters_of: Callable[[Job], JobFilters],
    ) -> None:
        self._storage = storage
        self._membership = membership
        self._clock = clock
        self._forecasts = forecasts
        self._filters_of = filters_of

    def tick(self) -> float:
        if self._membership.is_master:
            self.give_times()
        return INTERVAL  # being elected wakes us

    def give_times(self) -> int:
        """Give those their time for whom it is known, and those who can wait no longer. Returns how many that were."""
        waiting = self._storage.awaiting(BATCH)
        if not waiting:
            return 0
        now = self._clock.now()
        forecast = self._forecasts.current(now)
        updates = [update for job in waiting if (update := _given_time(job, forecast, now)) is not None]
        written = self._storage.update(updates)
        by_id = {job.id: job for job in waiting}
        for update in updates:
            if update.job_id in written:
                job = by_id[update.job_id]
                self._filters_of(job).state_changed(job, job.state, update.state)
        return len(written)


def _given_time(job: Job, forecast: Forecast | None, now: datetime) -> JobUpdate | None:
    slot = choose_slot(_window_of(job, now), forecast, now)
    return None if slot is None else reschedule(job, now, slot.start, slot.reason)


def _window_of(job: Job, now: datetime) -> CarbonWindow:
    try:
        window = job.extras.window
    except UnreadableJobError:
        window = None
    preferred = job.run_at or now
    return window or CarbonWindow(preferred, preferred, preferred)
