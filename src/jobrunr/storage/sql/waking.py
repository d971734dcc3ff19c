"""Telling servers that there is new work: those in this process at once, and those elsewhere as the database allows.

All listeners of a provider share one watcher, a thread that looks out for what other processes do, so that waiting and being
woken is the same on every database, and costs one connection however many servers a process has.
"""

from __future__ import annotations

import logging
import random
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable
from typing import Any

from sqlalchemy import Engine

from jobrunr.storage.contract import Listener
from jobrunr.storage.sql.tables import Tables

Queues = Collection[str] | None
"""The queues that got jobs, and `TIMETABLE`; None when it is not known what is new."""

TIMETABLE = "\x1ftimetable"
"""Stands among the queues for: something was put on the timetable that is due soon. No queue is called so, because the names
of queues are printable."""

_log = logging.getLogger("jobrunr.storage")


class Watcher(ABC):
    """A thread that calls `on_news` when other processes may have enqueued jobs.

    It never fails: when the database does, it tries again after a while, longer and longer.
    """

    _FIRST_PAUSE = 0.1
    _LONGEST_PAUSE = 5.0

    def __init__(self, on_news: Callable[[Queues], None]) -> None:
        self.on_news = on_news
        self.stopped = threading.Event()
        self._earliest: Any = None
        self._thread = threading.Thread(target=self._run, name=f"jobrunr-{type(self).__name__}", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and give back what it held."""
        self.stopped.set()
        self.interrupt()
        self._thread.join(timeout=5)
        if not self._thread.is_alive():
            self.give_back()

    def interrupt(self) -> None:
        """End a wait of `watch` that is not a wait for `stopped`."""

    def give_back(self) -> None:
        """Give back what was taken at the beginning. The thread has ended."""

    @abstractmethod
    def watch(self) -> None:
        """Connect, and watch until `stopped` is set or something fails. Calls `watching` once it sees what happens."""

    def watching(self, *, is_work_waiting: bool) -> None:
        """From here on nothing is missed; what came before may have been."""
        self._pause = self._FIRST_PAUSE
        if is_work_waiting:
            self.on_news(None)

    def watch_times(self, times: Iterable[Any]) -> None:
        """Tell of the timetable when its first time is earlier than it was, or the first there is."""
        before, self._earliest = self._earliest, min((time for time in times if time is not None), default=None)
        if self._earliest is not None and (before is None or self._earliest < before):
            self.on_news({TIMETABLE})

    def _run(self) -> None:
        self._pause = self._FIRST_PAUSE
        while not self.stopped.is_set():
            try:
                self.watch()
            except Exception as error:  # noqa: BLE001 - whatever it is, polling goes on and we try again
                _log.debug("the watch for new jobs broke off (%s), trying again in about %.1f s", error, self._pause)
                self.stopped.wait(self._pause * random.uniform(0.5, 1))  # noqa: S311 - not a secret
                self._pause = min(self._pause * 2, self._LONGEST_PAUSE)


class PollingWatcher(Watcher):
    """Asks the database whether any job is ENQUEUED: often while jobs come and go, once a second when nothing happens."""

    _SHORTEST, _LONGEST = 0.02, 1.0

    def __init__(self, engine: Engine, tables: Tables, on_news: Callable[[Queues], None]) -> None:
        super().__init__(on_news)
        self._engine = engine
        self._look = tables.any_enqueued_and_earliest()

    def watch(self) -> None:
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.detach()
            interval, before = self._SHORTEST, None
            while True:
                enqueued, *times = connection.execute(self._look).one()
                self.watching(is_work_waiting=enqueued is not None)
                self.watch_times(times)
                # A job that stays there, because it is others that serve its queue, is not news for ever.
                is_news = enqueued is not None and enqueued != before
                interval = self._SHORTEST if is_news else min(interval * 1.5, self._LONGEST)
                before = enqueued
                if self.stopped.wait(interval):
                    return


class WakeUps:
    """The listeners of a provider, and the watcher behind them, which runs while there are any.

    Arguments:
        make_watcher: from the function to call at news to a watcher that is not started.
    """

    def __init__(self, make_watcher: Callable[[Callable[[Queues], None]], Watcher]) -> None:
        self._make_watcher = make_watcher
        self._lock = threading.Lock()
        self._listeners: set[SqlListener] = set()
        self._watcher: Watcher | None = None

    def listener(self, queues: Collection[str]) -> Listener:
        """Something that wakes when one of the queues gets jobs."""
        listener = SqlListener(frozenset(queues), self._forget)
        with self._lock:
            self._listeners.add(listener)
            if self._watcher is None:
                self._watcher = self._make_watcher(self.ring)
                self._watcher.start()
        return listener

    def ring(self, queues: Queues) -> None:
        """Wake those who wait for these queues."""
        with self._lock:
            listeners = tuple(self._listeners)
        for listener in listeners:
            if listener.hears(queues):
                listener.wake()

    def close(self) -> None:
        """Stop watching; wake everybody."""
        self.ring(None)
        with self._lock:
            self._listeners.clear()
            watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.stop()

    def start_anew_after_fork(self) -> None:
        """The listeners and the thread stayed in the parent."""
        self._lock = threading.Lock()
        self._listeners = set()
        self._watcher = None

    def _forget(self, listener: SqlListener) -> None:
        with self._lock:
            self._listeners.discard(listener)
            watcher = None
            if not self._listeners:
                watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.stop()


class SqlListener(Listener):
    """An event that is set when one of its queues gets jobs."""

    def __init__(self, queues: frozenset[str], on_close: Callable[[SqlListener], None]) -> None:
        self.queues = queues
        self._on_close = on_close
        self._event = threading.Event()

    def hears(self, queues: Queues) -> bool:
        """Whether this is news for whoever waits here."""
        if queues is None:
            return True
        return not self.queues.isdisjoint(queues) if self.queues else any(queue != TIMETABLE for queue in queues)

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
