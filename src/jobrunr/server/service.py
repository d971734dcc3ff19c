"""Threads, waking, back-off and stopping, for everything in a server that runs again and again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from jobrunr.backoff import LONGEST_PAUSE, Backoff
from jobrunr.errors import StorageSetupError, StorageUnavailableError
from jobrunr.server.outage import Outage

_log = logging.getLogger("jobrunr.server")


class Sleeper(Protocol):
    """What a service sleeps on between two ticks."""

    def wait(self, timeout: float) -> object: ...

    def wake(self) -> None: ...


class EventSleeper:
    """Sleeps on an event; a wake while nobody sleeps ends the next sleep."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def wait(self, timeout: float) -> bool:
        woken = self._event.wait(timeout)
        self._event.clear()
        return woken

    def wake(self) -> None:
        self._event.set()


class Service:
    """Runs a tick again and again in a thread of its own.

    Arguments:
        name: for the thread and the log.
        tick: does some work and says in how many seconds it wants to run next; 0 for at once.
        outage: is told when the storage fails and when it works again.
        sleeper: where to wait between ticks; a plain event unless the service has something better to wait for.
        longest_pause: seconds between tries, at most, while the storage is away.
    """

    def __init__(
        self,
        name: str,
        tick: Callable[[], float],
        outage: Outage,
        sleeper: Sleeper | None = None,
        longest_pause: float = LONGEST_PAUSE,
    ) -> None:
        self.name = name
        self._tick = tick
        self._outage = outage
        self._sleeper = sleeper or EventSleeper()
        self._backing_off = EventSleeper()
        self._stopping = False
        self._backoff = Backoff(longest_pause)
        self._thread = threading.Thread(target=self._run, name=f"jobrunr-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Tick soon. While the storage is away this changes nothing: back-off is not for others to shorten."""
        self._sleeper.wake()

    def stop(self, timeout: float | None = None) -> bool:
        """Let the tick that is going on end, and no other begin. Whether the thread has ended within `timeout` seconds."""
        self._stopping = True
        self._sleeper.wake()
        self._backing_off.wake()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping:
            try:
                delay = self._tick()
            except (StorageUnavailableError, StorageSetupError) as error:
                self._outage.begins(self.name, error)
                self._back_off()
            except Exception:  # noqa: BLE001 - a bug in one service must not end the server
                _log.exception("service %s failed and goes on; please report this", self.name)
                self._back_off()
            else:
                self._outage.ends(self.name)
                self._backoff.reset()
                if delay > 0 and not self._stopping:
                    self._sleeper.wait(delay)

    def _back_off(self) -> None:
        self._backing_off.wait(self._backoff.next())
