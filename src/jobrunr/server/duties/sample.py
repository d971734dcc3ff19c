"""The totals of each minute are kept, so that people can see how much was done when."""

from __future__ import annotations

from jobrunr.clock import Clock
from jobrunr.server.membership import Membership
from jobrunr.storage.contract import StorageProvider


class Sample:
    """Asks the storage once a minute to keep the totals."""

    def __init__(self, storage: StorageProvider, membership: Membership, clock: Clock) -> None:
        self._storage = storage
        self._membership = membership
        self._clock = clock

    def tick(self) -> float:
        if not self._membership.is_master:
            return 60.0  # being elected wakes us
        self._storage.sample()
        return 60.0 - self._clock.now().timestamp() % 60.0
