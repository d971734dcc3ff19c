"""How servers learn of new work."""

from __future__ import annotations

from abc import ABC, abstractmethod


class Listener(ABC):
    """Waits for new work on behalf of one server. Not for two threads at once, except `wake` and `close`."""

    @abstractmethod
    def wait(self, timeout: float) -> bool:
        """Sleep until there may be new work (True), or for `timeout` seconds (False). Errors of the database do not
        surface here: the listener falls back to the time-out and recovers on its own."""

    @abstractmethod
    def wake(self) -> None:
        """End a `wait` that is going on, or the next one, from any thread."""

    @abstractmethod
    def close(self) -> None:
        """Give back what it holds."""
