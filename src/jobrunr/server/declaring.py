"""Recurring jobs that stand in the code: registered when a server starts, kept as long as a running server has them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta

from jobrunr.scheduler.recurring_jobs import RecurringJobs
from jobrunr.storage.contract import StorageProvider

_log = logging.getLogger("jobrunr.server")

INTERVAL = 60.0
"""Seconds between two times that a server says what it declares, and that the master looks what nobody declares."""


class Declaring:
    """The service that registers what the code declares, says again and again that it still does, and on the master removes
    what nobody declares any more.

    Arguments:
        storage: where recurring jobs are.
        recurring: registers and removes them.
        is_master: whether to remove.
        grace: for how long something is missed before it is removed. A server that was not up that long itself cannot have
            missed it: after an outage of all of them, the others get the time to come back.
    """

    def __init__(
        self, storage: StorageProvider, recurring: RecurringJobs, is_master: Callable[[], bool], grace: timedelta
    ) -> None:
        self._storage = storage
        self._recurring = recurring
        self._is_master = is_master
        self._grace = grace
        self._ids: frozenset[str] = frozenset()
        self._is_due = False
        self._since = time.monotonic()

    def register(self) -> None:
        """Register what the code declares."""
        self._ids = self._recurring.register_declared()
        self._is_due = False

    def register_soon(self) -> None:
        """Register it again: this server was taken for dead, and what it alone declares may have been removed."""
        self._is_due = True
        self._since = time.monotonic()

    def tick(self) -> float:
        if self._is_due:
            self.register()
        elif self._ids:
            self._storage.declare(self._ids)
        if self._is_master() and time.monotonic() - self._since >= self._grace.total_seconds():
            for recurring_job_id in self._recurring.forget(self._grace):
                _log.warning("recurring job %r is removed: no running server declares it any more", recurring_job_id)
        return INTERVAL
