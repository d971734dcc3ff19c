"""Storing many jobs, chunk by chunk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from jobrunr.errors import JobRunrError
from jobrunr.ids import JobId
from jobrunr.jobs import NewJob

CHUNK = 1000
"""Jobs in a transaction."""


def tell_stored(error: BaseException, ids: Sequence[JobId]) -> None:
    """Say with an error what is stored in spite of it."""
    error.add_note(f"enqueue_many had stored {len(ids):,} jobs before that.")
    if isinstance(error, JobRunrError):
        error.stored = tuple(ids)


class BulkWriter:
    """Stores a chunk while the caller makes the next one, which takes Python about as long as the database needs for one.

    One chunk is on its way at most, and none begins before the one ahead of it is stored.

    Arguments:
        insert: stores jobs, and returns the ids that were new. Runs on a thread of its own, unless there is little to store.
        stored: is called on the caller's thread with each chunk that is stored, and what `insert` returned.
    """

    def __init__(
        self, insert: Callable[[list[NewJob]], frozenset[JobId]], stored: Callable[[list[NewJob], frozenset[JobId]], None]
    ) -> None:
        self._insert = insert
        self._stored = stored
        self._thread: ThreadPoolExecutor | None = None
        self._on_its_way: tuple[list[NewJob], Future[frozenset[JobId]]] | None = None
        self.ids: list[JobId] = []
        """Of the jobs that are stored."""

    def write(self, jobs: list[NewJob]) -> None:
        """Store these next. Raises what became of the chunk before."""
        self._wait()
        if self._thread is None:
            if len(jobs) < CHUNK:  # all there is
                self._note(jobs, self._insert(jobs))
                return
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="jobrunr-bulk")
        begun = threading.Event()
        self._on_its_way = jobs, self._thread.submit(self._begin, jobs, begun)
        begun.wait()  # the other thread has the interpreter now, and sends these off before the next ones are made

    def _begin(self, jobs: list[NewJob], begun: threading.Event) -> frozenset[JobId]:
        begun.set()
        return self._insert(jobs)

    def _wait(self) -> None:
        if self._on_its_way is not None:
            (jobs, new), self._on_its_way = self._on_its_way, None
            self._note(jobs, new.result())

    def _note(self, jobs: list[NewJob], new: frozenset[JobId]) -> None:
        self.ids.extend(job.id for job in jobs)
        self._stored(jobs, new)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self._wait()
        except BaseException as late:
            tell_stored(late, self.ids)
            raise
        finally:
            if self._thread is not None:
                self._thread.shutdown()
        if error is not None:
            tell_stored(error, self.ids)
