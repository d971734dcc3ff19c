"""The measurements of some minutes. Each takes a database and how much to do, and gives figures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from statistics import median

import msgspec
from sqlalchemy import URL

from benchmarks.databases import Database
from benchmarks.jobs import noop, note_latency, note_lateness
from benchmarks.notifications import round_trips
from benchmarks.raw import Raw, raw_on
from benchmarks.report import BARS, Bar, Figure
from benchmarks.worker import LOOK, Serving
from jobrunr import JobRunr, JobState

CHUNK = 1000
"""Rows in a transaction of a bulk: as many as `enqueue_many` takes."""
PER_SECOND = 50
"""Jobs that come to an idle server while latency is measured."""
SETTLING = 3.0
"""Seconds that a new server gets before idleness is measured."""


class Sizes(msgspec.Struct, frozen=True):
    """How much to do."""

    rounds: int
    singles: int
    bulk: int
    drained: int
    slept: int
    """Jobs that sleep."""
    latency_seconds: int
    idle_seconds: int
    recurring_seconds: int
    few: int
    """Jobs in the smaller of two databases, and jobs that are drained to compare the two."""
    waiting: int
    finished: int
    looked_at: dict[str, int]
    """Jobs in a database whose pages are looked at."""


FULL = Sizes(
    rounds=5,
    singles=400,
    bulk=20_000,
    drained=50_000,
    slept=60_000,
    latency_seconds=20,
    idle_seconds=60,
    recurring_seconds=60,
    few=10_000,
    waiting=1_000_000,
    finished=10_000_000,
    looked_at={"postgresql": 5_000_000, "sqlite": 1_000_000},
)
QUICK = Sizes(
    rounds=1,
    singles=200,
    bulk=5_000,
    drained=10_000,
    slept=5_000,
    latency_seconds=4,
    idle_seconds=10,
    recurring_seconds=10,
    few=10_000,
    waiting=100_000,
    finished=1_000_000,
    looked_at={"postgresql": 100_000, "sqlite": 100_000},
)


class Comparison(msgspec.Struct, frozen=True):
    """Jobs per second, ours and raw, and the ratio between them: medians of rounds in which they took turns."""

    ours: float
    raw: float
    ratio: float


def compare(rounds: int, count: int, ours: Callable[[], float], raw: Callable[[], float]) -> Comparison:
    """Let both do `count` jobs, in turns. They return how many seconds that took."""
    rates = [(count / ours(), count / raw()) for _ in range(rounds)]
    return Comparison(
        ours=median(our for our, _ in rates),
        raw=median(their for _, their in rates),
        ratio=median(our / their for our, their in rates),
    )


@contextmanager
def side_by_side(database: Database) -> Iterator[tuple[URL, JobRunr, Raw]]:
    """An empty database with our tables and those of the raw driver."""
    with database.fresh() as url, JobRunr(url.render_as_string(hide_password=False)) as app, closing(raw_on(url)) as raw:
        yield url, app, raw


def enqueue(database: Database, sizes: Sizes) -> Iterator[Figure]:
    """Jobs that are made one by one, each committed: beside INSERT."""
    count = sizes.singles
    with side_by_side(database) as (_, app, raw):

        def ours() -> float:
            with stopwatch() as watch:
                for number in range(count):
                    app.scheduler.enqueue(noop, number)
            return watch.seconds

        def theirs() -> float:
            rows = raw.rows(count)
            with stopwatch() as watch:
                for row in rows:
                    raw.insert(row)
            return watch.seconds

        ours(), theirs()  # the first ones make threads, prepare statements and fill caches
        compared = compare(sizes.rounds, count, ours, theirs)
    yield figure_of(database, "enqueue one by one", "enqueue", compared)


def bulk(database: Database, sizes: Sizes) -> Iterator[Figure]:
    """Jobs that are made by the thousand: beside COPY, or what is nearest to it."""
    count = sizes.bulk
    with side_by_side(database) as (_, app, raw):

        def ours() -> float:
            with stopwatch() as watch:
                app.scheduler.enqueue_many(noop, range(count))
            return watch.seconds

        def theirs() -> float:
            return fill(raw, count)

        ours(), theirs()
        compared = compare(sizes.rounds, count, ours, theirs)
    yield figure_of(database, "enqueue in bulk", "bulk", compared)


def latency(database: Database, sizes: Sizes) -> Iterator[Figure]:
    """How long after the call of `enqueue` here a job starts in another process that has nothing else to do."""
    count = PER_SECOND * sizes.latency_seconds
    with database.fresh() as url, JobRunr(url.render_as_string(hide_password=False)) as app, Serving(url) as server:
        began = time.monotonic()
        for number in range(count + PER_SECOND):
            time.sleep(max(0.0, began + number / PER_SECOND - time.monotonic()))
            app.scheduler.enqueue(note_latency, time.monotonic())
        while len(noted := server.snapshot().latencies) < count + PER_SECOND:
            time.sleep(LOOK)
    ours = _milliseconds(noted[PER_SECOND:])  # without those of the first second
    if database.kind != "postgresql":
        for name, value in ours.items():
            yield Figure(database=database.name, name=f"latency, {name}", unit="ms", ours=value, bar=bar_of(database, name))
        return
    with database.fresh() as url:
        raw = _milliseconds(list(round_trips(url, count, 1 / PER_SECOND)))
    for name, value in ours.items():
        yield Figure(database=database.name, name=f"latency, {name}", unit="ms", ours=value, raw=raw[name])
        over = value - raw[name]
        yield Figure(database=database.name, name=f"  over NOTIFY, {name}", unit="ms", ours=over, bar=bar_of(database, name))


def _milliseconds(seconds: list[float]) -> dict[str, float]:
    inorder = sorted(1000 * second for second in seconds)
    return {"p50": inorder[len(inorder) // 2], "p99": inorder[len(inorder) * 99 // 100]}


def recurring(database: Database, sizes: Sizes) -> Iterator[Figure]:
    """How late the runs of a recurring job of every second start, and those of a thousand that are due at once."""
    seconds = sizes.recurring_seconds
    for count, schedule, name in ((1, "* * * * * *", "every second"), (1000, "*/2 * * * * *", "a thousand at once")):
        with database.fresh() as url, JobRunr(url.render_as_string(hide_password=False)) as app:
            for number in range(count):
                scheduler = app.scheduler.options(id=str(number), max_concurrent=10)
                scheduler.schedule_recurrently(schedule, note_lateness)
            with Serving(url) as server:
                time.sleep(SETTLING)
                skipped = len(server.snapshot().latencies)
                time.sleep(seconds)
                late = sorted(1000 * second for second in server.snapshot().latencies[skipped:])
        figures = {"runs": float(len(late)), "earliest, ms": late[0], "p50, ms": late[len(late) // 2]}
        figures["p99, ms"] = late[len(late) * 99 // 100]
        for unit, value in figures.items():
            yield Figure(database=database.name, name=f"recurring, {name}", unit=unit, ours=value)


def idle(database: Database, sizes: Sizes) -> Iterator[Figure]:
    """What a server costs that has nothing to do."""
    with database.fresh() as url, Serving(url) as server:
        time.sleep(SETTLING)
        before = server.snapshot()
        time.sleep(sizes.idle_seconds)
        after = server.snapshot()
    passed = after.at - before.at
    statements = (after.statements - before.statements) / passed
    cpu = (after.cpu - before.cpu) / passed * 60
    yield Figure(
        database=database.name, name="idle", unit="statements/s", ours=statements, bar=bar_of(database, "statements")
    )
    yield Figure(database=database.name, name="idle", unit="CPU s/minute", ours=cpu, bar=bar_of(database, "cpu"))
    yield Figure(database=database.name, name="idle", unit="MB", ours=after.memory, bar=bar_of(database, "memory"))


def fill(raw: Raw, count: int, state: JobState = JobState.ENQUEUED) -> float:
    """Insert so many rows by the thousand. Returns how many seconds the driver took, without the making of the rows."""
    spent = 0.0
    for _ in range(count // CHUNK):
        rows = raw.rows(CHUNK, state)
        with stopwatch() as watch:
            raw.insert_many(rows)
        spent += watch.seconds
    return spent


class Stopwatch:
    """How long a block took."""

    seconds = 0.0


@contextmanager
def stopwatch() -> Iterator[Stopwatch]:
    """Time a block."""
    watch = Stopwatch()
    began = time.perf_counter()
    yield watch
    watch.seconds = time.perf_counter() - began


def figure_of(database: Database, name: str, bar: str, compared: Comparison) -> Figure:
    """Ours in jobs a second, beside the raw driver."""
    return Figure(
        database=database.name,
        name=name,
        unit="jobs/s",
        ours=compared.ours,
        raw=compared.raw,
        ratio=compared.ratio,
        bar=bar_of(database, bar),
    )


def bar_of(database: Database, name: str) -> Bar | None:
    """What a figure of this name should be on this database, if anything."""
    return BARS.get((database.kind, name))
