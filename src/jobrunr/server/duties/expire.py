"""Finished jobs go when their time is over."""

from __future__ import annotations

from jobrunr.server.membership import Membership
from jobrunr.storage.contract import Retention, StorageProvider

BATCH = 1000


class Expire:
    """Deletes what has succeeded long ago, removes what was deleted long ago, and lets the storage tidy up."""

    def __init__(self, storage: StorageProvider, membership: Membership, retention: Retention, interval: float) -> None:
        self._storage = storage
        self._membership = membership
        self._retention = retention
        self._interval = interval

    def tick(self) -> float:
        if not self._membership.is_master:
            return 60.0  # being elected wakes us
        if self._storage.expire(self._retention, BATCH) >= BATCH:
            return 0.0
        self._storage.tidy()
        return self._interval
