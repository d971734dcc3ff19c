"""The measurements that take long to prepare: what a job costs when a million wait, or ten million are done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from statistics import median

from sqlalchemy import URL

from benchmarks.databases import Database
from benchmarks.jobs import noop
from benchmarks.measurements import Sizes, bar_of, fill
from benchmarks.raw import raw_on
from benchmarks.report import Figure
from benchmarks.worker import drain
from jobrunr import JobRunr, JobState
from jobrunr.storage.sql.tables import DEFAULT_PREFIX


def waiting(database: Database, sizes: Sizes) -> Iterator[Figure]:
    """Draining some jobs while a million wait behind them, beside ten thousand."""
    yield _few_and_many(database, sizes, JobState.ENQUEUED, sizes.waiting)


def finished(database: Database, sizes: Sizes) -> Iterator[Figure]:
    """Draining some jobs when ten million are done already, beside ten thousand."""
    yield _few_and_many(database, sizes, JobState.SUCCEEDED, sizes.finished)


def _few_and_many(database: Database, sizes: Sizes, state: JobState, count: int) -> Figure:
    with ExitStack() as stack:
        few, many = (_filled(stack, database, state, amount) for amount in (sizes.few, count))
        costs = [(_cost(few, sizes.few), _cost(many, sizes.few)) for _ in range(sizes.rounds)]
    return Figure(
        database=database.name,
        name=f"drain with {count:,} {state.lower()}",
        unit="µs a job",
        ours=median(cost for _, cost in costs),
        ratio=median(of_many / of_few for of_few, of_many in costs),
        bar=bar_of(database, "backlog"),
    )


def _filled(stack: ExitStack, database: Database, state: JobState, count: int) -> URL:
    """A database with so many jobs in one state, which are put there past our code, to save time."""
    url = stack.enter_context(database.fresh())
    with closing(raw_on(url, DEFAULT_PREFIX)) as raw:
        fill(raw, count, state)
        raw.count(state, count)
        raw.tidy_up()
    return url


def _cost(url: URL, count: int) -> float:
    """Microseconds that one of many new jobs takes to run."""
    with JobRunr(url.render_as_string(hide_password=False)) as app:
        app.scheduler.enqueue_many(noop, range(count))
    return drain(url, count).seconds / count * 1e6
