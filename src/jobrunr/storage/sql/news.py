"""What is new, told to those who wait for it: at once, or when the transaction of a caller is committed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.base import Transaction
from sqlalchemy.exc import InvalidRequestError

from jobrunr.clock import Clock, SystemClock
from jobrunr.jobs import NewJob
from jobrunr.states import JobState
from jobrunr.storage.sql.waking import TIMETABLE, Queues

_SOON = timedelta(minutes=1)
_GLANCE = 0.001
"""Seconds between two looks at a transaction that is being committed."""


class News:
    """Knows what is new to whom.

    Arguments:
        clock: that of the storage, unless it is the clock of the database.
        tell: wakes those who wait for these queues.
    """

    def __init__(self, clock: Clock | None, tell: Callable[[Queues], None]) -> None:
        self._clock = clock or SystemClock()
        self.tell = tell

    def tell_of(self, jobs: Iterable[NewJob]) -> None:
        """Tell what there is to tell of new jobs."""
        queues: set[str] = set()
        for job in jobs:
            if job.state is JobState.ENQUEUED:
                queues.add(job.queue)
            elif job.state is JobState.SCHEDULED and self._is_soon(job.run_at):
                queues.add(TIMETABLE)
        if queues:
            self.tell(queues)

    def tell_of_times(self, moments: Iterable[datetime | None]) -> None:
        """Tell that something was put on the timetable, if that is soon."""
        if any(map(self._is_soon, moments)):
            self.tell({TIMETABLE})

    def _is_soon(self, moment: datetime | None) -> bool:
        """Whether a moment comes before anybody looks at the timetable by himself. A hint, by the clock of this machine."""
        return moment is not None and moment - self._clock.now() < _SOON


class HeldNews:
    """Keeps what happens in the transactions of callers until they are committed. What is rolled back is never told."""

    def __init__(self, tell: Callable[[Queues], None]) -> None:
        self.tell = tell
        self._held: WeakKeyDictionary[Transaction, set[str] | None] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def hold(self, connection: Connection, queues: Queues) -> None:
        """Tell this when the transaction that the connection is in was committed."""
        transaction = connection.get_transaction()
        assert transaction is not None  # something was written in it just now
        with self._lock:
            before = self._held.get(transaction, set())
            self._held[transaction] = None if queues is None or before is None else before.union(queues)
        try:
            self._listen(connection)
        except InvalidRequestError:  # SQLAlchemy 2.0, where connections of an engine with options have no events
            self._listen(connection.engine)

    def _listen(self, target: Connection | Engine) -> None:
        """To the same once, however often this is said."""
        event.listen(target, "commit", self._committing)
        event.listen(target, "commit_twophase", self._committing_in_two_phases)

    def _committing(self, connection: Connection) -> None:
        """Before the commit, which is where SQLAlchemy tells of it. Who woke up now would find nothing."""
        transaction = connection.get_transaction()
        with self._lock:
            queues = self._held.pop(transaction, set()) if transaction is not None else set()
        if transaction is not None and queues != set():
            # Not a daemon: a program that commits and ends has told the others.
            threading.Thread(target=self._tell_behind, args=(transaction, queues), name="jobrunr-HeldNews").start()

    def _committing_in_two_phases(self, connection: Connection, xid: object, is_prepared: bool) -> None:
        self._committing(connection)

    def _tell_behind(self, transaction: Transaction, queues: Queues) -> None:
        while transaction.is_active:  # becomes false as soon as the commit has returned, however it went
            time.sleep(_GLANCE)
        self.tell(queues)
