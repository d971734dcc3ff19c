"""One outage of the storage is one line in the log when it begins and one when it ends, however many services notice."""

from __future__ import annotations

import logging
import threading
import time

from jobrunr.errors import StorageError

_log = logging.getLogger("jobrunr.server")


class Outage:
    """Keeps the account of who is cut off from the storage."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cut_off: set[str] = set()
        self._since = 0.0

    @property
    def is_going_on(self) -> bool:
        """Whether any service is cut off."""
        return bool(self._cut_off)

    def begins(self, service: str, error: StorageError) -> None:
        with self._lock:
            if not self._cut_off:
                self._since = time.monotonic()
                _log.warning("the storage is away; running jobs go on, and so do we as soon as it is back: %s", error)
            self._cut_off.add(service)

    def ends(self, service: str) -> None:
        if not self._cut_off:
            return
        with self._lock:
            self._cut_off.discard(service)
            if not self._cut_off and self._since:
                _log.warning("the storage is back after %.1f s", time.monotonic() - self._since)
                self._since = 0.0
