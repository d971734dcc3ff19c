"""Waits until a child says something or ends, or somebody wants to be heard."""

from __future__ import annotations

import os
import selectors
from contextlib import suppress

from jobrunr.server.supervisor.server_process import ServerProcess


class Ears:
    """What the service that looks after the children sleeps on."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake_end, self._wake = os.pipe()
        for descriptor in (self._wake_end, self._wake):
            os.set_blocking(descriptor, False)
        self._selector.register(self._wake_end, selectors.EVENT_READ)

    def add(self, process: ServerProcess) -> None:
        """Listen to a child, too."""
        self._selector.register(process.channel, selectors.EVENT_READ, process)
        self._selector.register(process.exit_watch, selectors.EVENT_READ)

    def remove(self, process: ServerProcess) -> None:
        """Do not listen to this one any more."""
        self._selector.unregister(process.channel)
        self._selector.unregister(process.exit_watch)

    def wait(self, timeout: float) -> None:
        """Wait for something to happen, and take in what children have said."""
        for key, _ in self._selector.select(timeout):
            if key.data is not None:
                key.data.listen()
            elif key.fd == self._wake_end:
                os.read(self._wake_end, 4096)

    def wake(self) -> None:
        """End the wait. A handler of signals may do this."""
        with suppress(BlockingIOError):  # it is awake already
            os.write(self._wake, b".")

    def close(self) -> None:
        """Give back what the system gave."""
        self._selector.close()
        os.close(self._wake_end)
        os.close(self._wake)
