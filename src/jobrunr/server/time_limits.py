"""Ends runs that take longer than they may."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from jobrunr.server.run import Run, RunEnd

PATIENCE = 5.0
"""Seconds that a run has to end, once it was told to; then it is given up."""

AGAIN = 0.02
"""Seconds until it is tried again to interrupt a function that was in the middle of something."""

NOTHING_TO_DO = 60.0


class TimeLimits:
    """The service that tells runs to end when their time is over, and gives up those that do not.

    Arguments:
        give_up: is called with a run that cannot be stopped.
        monotonic: seconds on a clock that never jumps.
    """

    def __init__(self, give_up: Callable[[Run], None], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._give_up = give_up
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._watched: set[Run] = set()
        self._next = float("inf")
        """When it looks again, at the latest."""
        self.wake: Callable[[], None] = lambda: None
        """Wakes the service that ticks; set by whoever makes the service."""

    def watch(self, run: Run) -> None:
        """The call of this run begins now, and it has a limit."""
        assert run.limit is not None
        run.deadline = self._monotonic() + run.limit.total_seconds()
        with self._lock:
            self._watched.add(run)
            is_first = run.deadline < self._next
            self._next = min(self._next, run.deadline)
        if is_first:
            self.wake()

    def forget(self, run: Run) -> None:
        """This run is over."""
        with self._lock:
            self._watched.discard(run)

    def tick(self) -> float:
        with self._lock:
            self._next = float("-inf")  # whoever begins meanwhile is seen below
            watched = list(self._watched)
        delays = [self._look_at(run, self._monotonic()) for run in watched]
        with self._lock:
            now = self._monotonic()
            begun = (run.deadline - now for run in self._watched.difference(watched))
            delay = max(0.0, min((*delays, *begun, NOTHING_TO_DO)))
            self._next = now + delay
        return delay

    def _look_at(self, run: Run, now: float) -> float:
        """Do what is to be done about this run. In how many seconds there is more to do."""
        left = run.deadline - now
        if left > 0:
            return left
        if run.end is None:
            run.cancel(RunEnd.TIMED_OUT)
        left += PATIENCE
        if left > 0:
            return left if run.interrupt() else AGAIN
        self.forget(run)
        self._give_up(run)
        return NOTHING_TO_DO
