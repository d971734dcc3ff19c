"""Stores the jobs of many coroutines: whatever has piled up goes into one transaction."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import Context, copy_context
from functools import partial
from typing import NamedTuple

from jobrunr.errors import StorageUnavailableError
from jobrunr.filters import JobFilters
from jobrunr.forks import start_anew_after_forks
from jobrunr.ids import JobId
from jobrunr.jobs import NewJob
from jobrunr.scheduler.bulk import CHUNK
from jobrunr.scheduler.threads import Threads
from jobrunr.storage.contract import StorageProvider

ROOM = 2 * CHUNK
"""Jobs of one event loop that are made and not stored yet; whoever has more to make waits."""
IDLE = 10.0
"""Seconds after which a thread without work ends."""


class Delivery(NamedTuple):
    """A job that somebody waits for."""

    job: NewJob
    filters: JobFilters
    stored: asyncio.Future[JobId]
    context: Context

    def end(self, error: BaseException | None) -> None:
        """Tell who waits, if he still does. On his loop."""
        if self.stored.done():
            return
        if error is None:
            self.stored.set_result(self.job.id)
        else:
            self.stored.set_exception(error)


Outcome = tuple[Delivery, BaseException | None]


class Inbox:
    """Deliveries, and the thread that takes them: many at a time."""

    def __init__(self, store: Callable[[Sequence[Delivery]], None]) -> None:
        self._store = store
        self._changed = threading.Condition(threading.Lock())
        self._waiting: list[Delivery] = []
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="jobrunr-writer", daemon=True)
        self._thread.start()

    def put(self, delivery: Delivery) -> bool:
        """Give it one; it is not taken when the thread is about to end."""
        with self._changed:
            if self._is_closed:
                return False
            self._waiting.append(delivery)
            self._changed.notify()
            return True

    def close(self) -> None:
        """Store what is there, then end."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while batch := self._take():
            self._store(batch)

    def _take(self) -> list[Delivery]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed, IDLE)
            batch = self._waiting[:CHUNK]
            del self._waiting[:CHUNK]
            self._is_closed = self._is_closed or not batch
            return batch


class CoalescingWriter:
    """One thread for all event loops. It starts when there is something to store, also in the child of a fork.

    Arguments:
        storage: is asked for on that thread, which may open it.
        threads: call the hooks of filters, which may take their time.
    """

    def __init__(self, storage: Callable[[], StorageProvider], threads: Threads) -> None:
        self._storage = storage
        self._threads = threads
        self.start_anew_after_fork()
        start_anew_after_forks(self)

    def start_anew_after_fork(self) -> None:
        """What the parent has in its inbox, the parent stores."""
        self._lock = threading.Lock()
        self._inbox: Inbox | None = None
        self._rooms: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = weakref.WeakKeyDictionary()

    def room(self) -> asyncio.Semaphore:
        """To be entered before a job is made, and left when it is stored."""
        loop = asyncio.get_running_loop()
        with self._lock:
            room = self._rooms.get(loop)
            if room is None:
                room = self._rooms[loop] = asyncio.Semaphore(ROOM)
            return room

    async def store(self, job: NewJob, filters: JobFilters) -> JobId:
        """Return when the job is committed, and the filters have heard of it.

        Raises:
            StorageUnavailableError: the storage does not answer; the job may or may not be stored.
        """
        stored: asyncio.Future[JobId] = asyncio.get_running_loop().create_future()
        delivery = Delivery(job, filters, stored, copy_context())
        with self._lock:
            if self._inbox is None or not self._inbox.put(delivery):
                self._inbox = Inbox(self._store)
                self._inbox.put(delivery)
        return await stored

    def close(self) -> None:
        """Store what is waiting. What comes later starts a thread anew."""
        with self._lock:
            inbox, self._inbox = self._inbox, None
        if inbox is not None:
            inbox.close()

    # -- on the writer's thread

    def _store(self, batch: Sequence[Delivery]) -> None:
        try:
            self._store_and_tell(batch)
        except BaseException as error:  # noqa: BLE001 - a bug here must leave nobody waiting, nor end the thread
            _tell([(delivery, error) for delivery in batch])

    def _store_and_tell(self, batch: Sequence[Delivery]) -> None:
        wanted = [delivery for delivery in batch if not delivery.stored.cancelled()]
        outcomes: list[Outcome] = []
        for delivery, error, is_new in self._insert(wanted):
            if is_new and delivery.filters.listen_to("created"):
                self._announce(delivery)
            else:
                outcomes.append((delivery, error))
        _tell(outcomes)

    def _insert(self, batch: Sequence[Delivery]) -> list[tuple[Delivery, BaseException | None, bool]]:
        """What became of each: an error if there was one, and whether it was new."""
        if not batch:
            return []
        try:
            new = set(self._storage().insert([delivery.job for delivery in batch]))
        except StorageUnavailableError as error:  # one by one, they would wait one after the other
            return [(delivery, _copy(error), False) for delivery in batch]
        except BaseException as error:  # noqa: BLE001 - whatever it is, somebody waits for it
            if len(batch) == 1:
                return [(batch[0], error, False)]
            return self._insert_one_by_one(batch)
        done: list[tuple[Delivery, BaseException | None, bool]] = []
        for delivery in batch:
            done.append((delivery, None, delivery.job.id in new))
            new.discard(delivery.job.id)  # another one with this id is not new
        return done

    def _insert_one_by_one(self, batch: Sequence[Delivery]) -> list[tuple[Delivery, BaseException | None, bool]]:
        done: list[tuple[Delivery, BaseException | None, bool]] = []
        for number, delivery in enumerate(batch):
            done += self._insert([delivery])
            outage = done[-1][1]
            if isinstance(outage, StorageUnavailableError):
                return done + [(later, _copy(outage), False) for later in batch[number + 1 :]]
        return done

    def _announce(self, delivery: Delivery) -> None:
        def announce() -> None:
            delivery.filters.created(delivery.job)
            _tell([(delivery, None)])

        try:
            self._threads.submit(delivery.context, announce)
        except RuntimeError:  # the interpreter ends: no more threads
            delivery.context.run(announce)


def _tell(outcomes: Sequence[Outcome]) -> None:
    """Wake each loop once, however many wait there."""
    by_loop: defaultdict[asyncio.AbstractEventLoop, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_loop[outcome[0].stored.get_loop()].append(outcome)
    for loop, its in by_loop.items():
        with suppress(RuntimeError):  # it was closed: nobody waits any more
            loop.call_soon_threadsafe(partial(_end, its))


def _end(outcomes: Sequence[Outcome]) -> None:
    for delivery, error in outcomes:
        delivery.end(error)


def _copy(error: StorageUnavailableError) -> StorageUnavailableError:
    """One for each who waits: notes and tracebacks are added to it."""
    copy = StorageUnavailableError.__new__(type(error), *error.args)
    copy.__dict__.update(error.__dict__)
    copy.__cause__ = error
    return copy
