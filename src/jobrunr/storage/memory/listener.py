"""Waking up in one process."""

from __future__ import annotations

import threading
from collections.abc import Callable

from jobrunr.storage.contract import Listener


class MemoryListener(Listener):
    """An event that the provider sets when one of the queues gets jobs."""

    def __init__(self, queues: frozenset[str], on_close: Callable[[MemoryListener], None]) -> None:
        self.queues = queues
        self._on_close = on_close
        self._event = threading.Event()

    def wait(self, timeout: float) -> bool:
        if not self._event.wait(timeout):
            return False  # what arrives from here on is left for the next call
        self._event.clear()
        return True

    def wake(self) -> None:
        self._event.set()

    def close(self) -> None:
        self._on_close(self)
        self.wake()
