"""Finished jobs go when their time is over."""

from __future__ import annotations

from jobrunr.server.membership import Membership
from jobrunr.settings import Settings
from jobrunr.storage.contract import Retention, StorageProvider

BATCH = 1000
INTERVAL = 60.0
"""Seconds between two looks."""


class Expire:
    """Deletes what has succeeded long ago, removes what was deleted long ago, and lets the storage tidy up.

    Arguments:
        settings: what is long ago.
    """

    def __init__(self, storage: StorageProvider, membership: Membership, settings: Settings) -> None:
        self._storage = storage
        self._membership = membership
        self._retention = Retention(
            delete_succeeded_after=settings.delete_succeeded_after,
            delete_failed_after=settings.delete_failed_after,
            purge_deleted_after=settings.purge_deleted_after,
        )

    def tick(self) -> float:
        if not self._membership.is_master:
            return 60.0  # being elected wakes us
        if self._storage.expire(self._retention, BATCH) >= BATCH:
            return 0.0
        self._storage.tidy()
        return INTERVAL
