"""Scheduled jobs become enqueued when they are due: never early, and late by no more than it takes to notice."""

from __future__ import annotations

from jobrunr.clock import Clock
from jobrunr.server.membership import Membership
from jobrunr.storage.contract import StorageProvider

BATCH = 1000


class Promote:
    """Sleeps until the next job is due, or until the next poll: one that is due sooner may have come meanwhile."""

    def __init__(self, storage: StorageProvider, membership: Membership, clock: Clock, poll_interval: float) -> None:
        self._storage = storage
        self._membership = membership
        self._clock = clock
        self._poll_interval = poll_interval

    def tick(self) -> float:
        if not self._membership.is_master:
            return 60.0  # being elected wakes us
        promotion = self._storage.promote(BATCH)
        if promotion.count >= BATCH:
            return 0.0
        if promotion.next_run_at is None:
            return self._poll_interval
        until = (promotion.next_run_at - self._clock.now()).total_seconds()
        return min(max(until, 0.001), self._poll_interval)
