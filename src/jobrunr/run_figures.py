"""How long jobs waited and ran on the servers of this process, and how they ended: counted as they end, for whoever asks."""

from __future__ import annotations

import threading
from bisect import bisect_left
from copy import deepcopy
from datetime import datetime
from typing import TypeVar

import msgspec

from jobrunr.jobs import Job
from jobrunr.states import JobState

MOST_NAMES = 100
OTHER = "other"
"""Stands for all targets, or queues, behind the first hundred that were met."""
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)
"""Seconds."""

T = TypeVar("T")


class Histogram(msgspec.Struct):
    """How many durations lie in each bucket."""

    counts: list[int] = msgspec.field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    """The last one is for those that lie in none."""
    total: float = 0.0
    """Seconds."""

    def add(self, seconds: float) -> None:
        """One more."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds


class RunsOfTarget(msgspec.Struct):
    """What became of the runs of one target."""

    succeeded: int = 0
    failed: int = 0
    durations: Histogram = msgspec.field(default_factory=Histogram)


class RunFigures:
    """Counts runs. Safe to use from any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._targets: dict[str, RunsOfTarget] = {}
        self._waits: dict[str, Histogram] = {}

    def ended(self, job: Job, became: JobState, at: datetime) -> None:
        """Count a run.

        Arguments:
            job: as it was claimed.
            became: SUCCEEDED or FAILED.
            at: when it ended.
        """
        assert job.started_at is not None
        with self._lock:
            runs = _of(self._targets, job.target, RunsOfTarget)
            if became is JobState.SUCCEEDED:
                runs.succeeded += 1
            else:
                runs.failed += 1
            runs.durations.add((at - job.started_at).total_seconds())
            if job.enqueued_at is not None:
                _of(self._waits, job.queue, Histogram).add(max((job.started_at - job.enqueued_at).total_seconds(), 0.0))

    def snapshot(self) -> tuple[dict[str, RunsOfTarget], dict[str, Histogram]]:
        """Runs by target, and waits by queue, as they are at this moment."""
        with self._lock:
            return deepcopy(self._targets), deepcopy(self._waits)


def _of(known: dict[str, T], name: str, make: type[T]) -> T:
    found = known.get(name)
    if found is not None:
        return found
    return known.setdefault(OTHER if len(known) >= MOST_NAMES else name, make())
