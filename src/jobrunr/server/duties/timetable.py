"""What has a time happens at that time: scheduled jobs become enqueued, recurring jobs make theirs. Never early, and late by
no more than it takes to notice."""

from __future__ import annotations

from collections.abc import Callable

from jobrunr.clock import Clock
from jobrunr.server.duties.fire import BATCH, Fire
from jobrunr.server.membership import Membership
from jobrunr.storage.contract import Promotion, StorageProvider

MOMENT = 0.005
"""Seconds; the shortest sleep, for when our reading of the storage's clock is a little ahead of it."""


class Timetable:
    """Sleeps until the next thing is due, or until the next poll: something that is due sooner may have come unnoticed.

    Arguments:
        awaited: is called when jobs are seen that wait for a better time.
    """

    def __init__(
        self,
        storage: StorageProvider,
        membership: Membership,
        clock: Clock,
        fire: Fire,
        poll_interval: float,
        awaited: Callable[[], None],
    ) -> None:
        self._storage = storage
        self._membership = membership
        self._clock = clock
        self._fire = fire
        self._poll_interval = poll_interval
        self._awaited = awaited

    def tick(self) -> float:
        if not self._membership.is_master:
            return 60.0  # being elected wakes us
        promotion = self._storage.promote(BATCH)
        if promotion.is_awaited:
            self._awaited()
        fired = self._fire.fire_due() if self._is_due(promotion) else 0
        if fired or promotion.count >= BATCH:
            return 0.0
        times = [time for time in (promotion.next_run_at, promotion.next_look_at) if time is not None]
        if not times:
            return self._poll_interval
        until = (min(times) - self._clock.now()).total_seconds()
        return min(max(until, MOMENT), self._poll_interval)

    def _is_due(self, promotion: Promotion) -> bool:
        return promotion.next_look_at is not None and promotion.next_look_at <= self._clock.now()
