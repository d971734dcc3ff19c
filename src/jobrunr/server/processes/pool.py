"""The child processes of a server: started when there is a job for them, kept for the next one, replaced when they died."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from jobrunr.context import RunJournal
from jobrunr.errors import JobCancelledError
from jobrunr.server.processes.hearing import Hearing
from jobrunr.server.processes.messages import Order, Raised, Returned
from jobrunr.server.processes.process import JobProcess
from jobrunr.server.run import Run
from jobrunr.settings import Settings

FAREWELL = 1.0
"""Seconds that idle processes have to end when the server stops."""


class JobProcesses:
    """Runs jobs in child processes.

    Arguments:
        most: how many at a time.
        settings: sizes.
        journal: keeps what jobs log, and what else they want kept.
    """

    def __init__(self, most: int, settings: Settings, journal: RunJournal) -> None:
        self._settings = settings
        self._journal = journal
        self._places = threading.Semaphore(most)
        self._lock = threading.Lock()
        self._idle: list[JobProcess] = []
        self._busy: set[JobProcess] = set()
        self._is_closed = False

    def perform(self, run: Run, order: Order, limit: timedelta | None) -> Returned | Raised:
        """Run a job in a process, and wait for its end.

        Arguments:
            limit: how long it may take, from the beginning of the call.

        Raises:
            JobProcessDiedError: the process ended before the job did.
            JobCancelledError: it was ended because the run was told to end.
        """
        with self._place(run), self._process() as process:
            return process.perform(run, order, Hearing(run, limit, self._journal))

    def kill(self) -> None:
        """End all processes that are at work, and wait until they have ended."""
        with self._lock:
            busy = list(self._busy)
        for process in busy:
            process.kill()
        for process in busy:
            process.has_ended(within=FAREWELL)

    def close(self) -> None:
        """End all processes: the idle ones end by themselves, the others are killed."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        self.kill()
        for process in idle:
            process.close()
        deadline = time.monotonic() + FAREWELL
        for process in idle:
            process.has_ended(within=max(0.0, deadline - time.monotonic()))
            process.discard()

    @contextmanager
    def _place(self, run: Run) -> Iterator[None]:
        """Wait until there may be one process more."""
        while not self._places.acquire(timeout=0.1):
            if run.end is not None:
                raise JobCancelledError(run.job.id)
        try:
            yield
        finally:
            self._places.release()

    @contextmanager
    def _process(self) -> Iterator[JobProcess]:
        """An idle process that lives, or a new one."""
        process = self._take_idle() or JobProcess(self._settings)
        with self._lock:
            self._busy.add(process)
        try:
            yield process
        finally:
            is_kept = process.is_usable
            with self._lock:
                self._busy.discard(process)
                is_kept = is_kept and not self._is_closed
                if is_kept:
                    self._idle.append(process)
            if not is_kept:
                process.discard()

    def _take_idle(self) -> JobProcess | None:
        while True:
            with self._lock:
                process = self._idle.pop() if self._idle else None
            if process is None or process.is_usable:
                return process
            process.discard()
