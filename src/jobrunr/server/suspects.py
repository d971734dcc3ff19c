"""Jobs that may be the reason why a process died, and the service that notes in the storage when a run of one begins."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from jobrunr.crashes import has_last_chance
from jobrunr.ids import JobId
from jobrunr.server.run import Run
from jobrunr.storage.contract import Claim, StorageProvider


class Suspects:
    """Which of the suspects may run beside each other. One that has its last chance runs without another beside it: if the
    process dies, it is known of whom. A run lasts until its outcome is written, because before that it is as if it had not
    ended. Not for two threads at once.

    Arguments:
        max_crashes: after so many a job is not run again.
    """

    def __init__(self, max_crashes: int) -> None:
        self._max_crashes = max_crashes
        self._running: set[Run] = set()
        self._waiting: deque[Run] = deque()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def __iter__(self) -> Iterator[Run]:
        """Those that wait."""
        return iter(self._waiting)

    def admit(self, run: Run) -> bool:
        """Whether a run may begin now. One that may not waits here, and so do the suspects behind it."""
        if not run.job.is_suspect:
            return True
        if self._waiting or not self._fits(run):
            self._waiting.append(run)
            return False
        self._running.add(run)
        return True

    def leave(self, claim: Claim) -> list[Run]:
        """A run is over, or did not begin after all. Returns those that may try again now, the first in line first."""
        run = next((run for run in self._running if run.claim == claim), None)
        if run is None:
            return []
        self._running.remove(run)
        return self.take_back(float("inf"))

    def take_back(self, limit: float) -> list[Run]:
        """Take out those that wait here and were claimed before a moment."""
        taken = [run for run in self._waiting if run.claimed_at <= limit]
        if taken:
            self._waiting = deque(run for run in self._waiting if run.claimed_at > limit)
        return taken

    def _fits(self, run: Run) -> bool:
        if self._has_last_chance(run):
            return not self._running
        return not any(map(self._has_last_chance, self._running))

    def _has_last_chance(self, run: Run) -> bool:
        return has_last_chance(run.job, self._max_crashes)


class Marking:
    """The service that marks runs as begun just before they are called, all that wait for it in one statement.

    Arguments:
        storage: where they are marked.
        start: receives runs that are marked, and the ids of those whose claims hold.
    """

    def __init__(self, storage: StorageProvider, start: Callable[[Sequence[Run], frozenset[JobId]], None]) -> None:
        self._storage = storage
        self._start = start
        self._lock = threading.Lock()
        self._runs: list[Run] = []
        self.wake: Callable[[], None] = lambda: None
        """Wakes the service that ticks; set by whoever makes the service."""

    def mark(self, run: Run) -> None:
        """Mark this run soon, and start it then."""
        with self._lock:
            self._runs.append(run)
        self.wake()

    def tick(self) -> float:
        """Mark what there is. Raises when the storage is away: without a mark nothing begins."""
        with self._lock:
            runs = tuple(self._runs)
        if not runs:
            return 60.0
        held = self._storage.begin([run.claim for run in runs])
        with self._lock:
            del self._runs[: len(runs)]
        self._start(runs, held)
        return 0.0
