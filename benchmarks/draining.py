"""How fast jobs are run that wait already."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

from benchmarks.databases import Database
from benchmarks.jobs import NAP, noop, noop_async, sleep, sleep_async
from benchmarks.measurements import Sizes, bar_of, compare, figure_of, fill, side_by_side, stopwatch
from benchmarks.report import Figure
from benchmarks.worker import Drained, drain
from jobrunr import JobRunr

SLEEPERS = 100
"""Workers, when what is done is to sleep."""


def drain_all(database: Database, sizes: Sizes) -> Iterator[Figure]:
    """One process that runs all jobs that wait: beside a loop that claims a batch and completes a batch."""
    for kind, function in (("functions", noop), ("coroutine functions", noop_async)):
        yield from _drain(database, sizes, kind, function)


def _drain(database: Database, sizes: Sizes, kind: str, function: Callable[[int], Any]) -> Iterator[Figure]:
    count = sizes.drained
    drains: list[Drained] = []
    with side_by_side(database) as (url, app, raw):

        def ours() -> float:
            app.scheduler.enqueue_many(function, range(count))
            raw.tidy_up()
            drains.append(drain(url, count))
            return drains[-1].seconds

        def theirs() -> float:
            fill(raw, count)
            raw.tidy_up()
            with stopwatch() as watch:
                raw.drain()
            return watch.seconds

        compared = compare(sizes.rounds, count, ours, theirs)
    yield figure_of(database, f"drain {count:,} {kind}", "drain", compared)
    cpu = median(drained.cpu for drained in drains) / count * 1e6
    yield Figure(database=database.name, name="  CPU of the worker", unit="µs a job", ours=cpu)
    memory = max(drained.peak_memory for drained in drains)
    yield Figure(database=database.name, name="  its peak memory", unit="MB", ours=memory)
    sent = median(drained.statements for drained in drains) / count
    bar = bar_of(database, "statements a job")
    yield Figure(database=database.name, name="  its statements", unit="a job", ours=sent, bar=bar)


def two_processes(database: Database, sizes: Sizes) -> Iterator[Figure]:
    """Two processes that run all jobs that wait: beside one."""
    count = sizes.drained
    with side_by_side(database) as (url, app, raw):

        def rate(processes: int) -> float:
            app.scheduler.enqueue_many(noop, range(count))
            raw.tidy_up()
            return count / drain(url, count, processes=processes).seconds

        rates = [(rate(2), rate(1)) for _ in range(sizes.rounds)]
    yield Figure(
        database=database.name,
        name="drain by two processes, beside one",
        unit="jobs/s",
        ours=median(two for two, _ in rates),
        raw=median(one for _, one in rates),
        ratio=median(two / one for two, one in rates),
        bar=bar_of(database, "two"),
    )


def sleeping(database: Database, sizes: Sizes) -> Iterator[Figure]:
    """Jobs that sleep for a moment, on many workers: beside what would be ideal."""
    count, ideal = sizes.slept, SLEEPERS / NAP
    for kind, function in (("threads", sleep), ("coroutines", sleep_async)):
        with database.fresh() as url, JobRunr(url.render_as_string(hide_password=False)) as app:
            rates = []
            for _ in range(sizes.rounds):
                app.scheduler.enqueue_many(function, range(count))
                rates.append(count / drain(url, count, workers=SLEEPERS).seconds)
        yield Figure(
            database=database.name,
            name=f"{SLEEPERS} {kind} that sleep {1000 * NAP:g} ms",
            unit="jobs/s",
            ours=median(rates),
            raw=ideal,
            ratio=median(rates) / ideal,
            bar=bar_of(database, "sleep"),
        )
