"""The measures. Each is bounded in time and gives figures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue

from jobrunr.bench.figures import Rate, Spread
from jobrunr.bench.jobs import Starts, noop
from jobrunr.bench.place import BenchError
from jobrunr.jobrunr import JobRunr
from jobrunr.states import JobState

LEAST = 10
"""Whatever is done again and again is done so often at least."""
WARM_UP = 3
"""The first ones connect, prepare statements and fill caches; they do not count."""
PER_SECOND = 50
"""Jobs that come to an idle server."""
BULK_MOST = 50_000
"""Jobs; they take some 50 MB in the database."""
LOOK = 0.05
"""Seconds between two looks at how far a server is."""
PATIENCE = 60.0
"""Seconds until we believe that nothing will come."""


def round_trip(jobrunr: JobRunr, seconds: float) -> Spread:
    """A question whose answer is at hand."""
    storage = jobrunr.storage
    return _spread(lambda: storage.get_metadata("bench"), seconds)


def commit(jobrunr: JobRunr, seconds: float) -> Spread:
    """A transaction that writes one small row."""
    storage = jobrunr.storage
    return _spread(lambda: storage.put_metadata("bench", "x"), seconds)


def start(here: JobRunr, there: JobRunr, starts: SimpleQueue[float], workers: int, seconds: float) -> Spread:
    """From the making of a job to its start by an idle server.

    Arguments:
        here: makes the jobs.
        there: runs them. It is another object, so that it is the database that wakes it.
        starts: gets what the jobs of `there` note.
    """
    with there.server(workers=workers):
        began, count = time.monotonic(), 0
        while count < WARM_UP + LEAST or time.monotonic() < began + seconds:
            time.sleep(max(0.0, began + count / PER_SECOND - time.monotonic()))
            here.scheduler.enqueue(Starts.note, time.monotonic())
            count += 1
        try:
            noted = [starts.get(timeout=PATIENCE) for _ in range(count)]
        except Empty:
            raise BenchError(f"A job was enqueued, and no server has started it within {PATIENCE:.0f} s.") from None
    return Spread.of(noted[WARM_UP:])


def enqueue(jobrunr: JobRunr, seconds: float) -> Rate:
    """One job after the other."""
    jobrunr.scheduler.enqueue(noop, 0)
    watch = _Watch()
    return watch.rate(len(_times(lambda: jobrunr.scheduler.enqueue(noop, 1), seconds)))


def bulk(jobrunr: JobRunr, seconds: float) -> Rate:
    """Many jobs at once."""
    watch = _Watch()
    return watch.rate(len(jobrunr.scheduler.enqueue_many(noop, _numbers_for(seconds))))


def drain(jobrunr: JobRunr, workers: int, seconds: float) -> Rate:
    """Run what waits, with one server in this process."""
    before, _ = _done_and_left(jobrunr)
    with jobrunr.server(workers=workers):
        watch, began, left = _Watch(), time.monotonic(), 1
        done = paced = before
        while left and (done == paced or time.monotonic() < began + seconds):
            if time.monotonic() > began + PATIENCE + seconds:
                raise BenchError(f"Jobs wait, and the server has ended none of them within {PATIENCE:.0f} s.")
            time.sleep(LOOK)
            done, left = _done_and_left(jobrunr)
            if paced == before < done and left:  # it has found its pace: what came before does not count
                watch, began, paced = _Watch(), time.monotonic(), done
        return watch.rate(done - paced)


def _done_and_left(jobrunr: JobRunr) -> tuple[int, int]:
    counts = jobrunr.scheduler.counts()
    return counts[JobState.SUCCEEDED], counts[JobState.ENQUEUED] + counts[JobState.PROCESSING]


def _numbers_for(seconds: float) -> Iterator[int]:
    deadline = time.monotonic() + seconds
    for number in range(BULK_MOST):
        if number >= LEAST and time.monotonic() > deadline:
            return
        yield number


def _spread(work: Callable[[], object], seconds: float) -> Spread:
    """How long a call takes that is made again and again."""
    for _ in range(WARM_UP):
        work()
    return Spread.of(_times(work, seconds))


def _times(work: Callable[[], object], seconds: float) -> list[float]:
    times: list[float] = []
    deadline = time.perf_counter() + seconds
    while len(times) < LEAST or time.perf_counter() < deadline:
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return times


class _Watch:
    """Time, and how much of it this process was busy."""

    def __init__(self) -> None:
        self._began, self._cpu = time.perf_counter(), time.process_time()

    def rate(self, count: int) -> Rate:
        """Of what was done since then."""
        seconds, cpu = time.perf_counter() - self._began, time.process_time() - self._cpu
        return Rate(count / seconds, cpu / seconds, count)
