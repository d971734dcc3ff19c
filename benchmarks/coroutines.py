"""Jobs that many coroutines make at once: beside a pool of connections of the async driver."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TypeVar

from psycopg import AsyncConnection
from sqlalchemy import URL

from benchmarks.databases import Database
from benchmarks.jobs import noop
from benchmarks.measurements import Sizes, compare, figure_of, side_by_side, stopwatch
from benchmarks.raw import Raw, Row
from benchmarks.report import Figure

T = TypeVar("T")

CALLERS = 64
CONNECTIONS = 10


def from_coroutines(database: Database, sizes: Sizes) -> Iterator[Figure]:
    """One insert and commit each. Without a raw figure where we have no async driver."""
    count, name = 10 * sizes.singles, f"enqueue from {CALLERS} coroutines"
    with side_by_side(database) as (url, app, raw):

        def ours() -> float:
            return asyncio.run(_timed(range(count), lambda number: app.async_scheduler.enqueue(noop, number)))

        ours()  # the first ones make threads, prepare statements and fill caches
        if database.kind != "postgresql":
            yield Figure(database=database.name, name=name, unit="jobs/s", ours=count / ours())
            return
        compared = compare(sizes.rounds, count, ours, lambda: asyncio.run(_pooled(url, raw, raw.rows(count))))
    yield figure_of(database, name, "async", compared)


async def _pooled(url: URL, raw: Raw, rows: list[Row]) -> float:
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    connections = [await AsyncConnection.connect(address, autocommit=True) for _ in range(CONNECTIONS)]
    free: asyncio.Queue[AsyncConnection] = asyncio.Queue()
    for connection in connections:
        free.put_nowait(connection)

    async def insert(row: Row) -> None:
        connection = await free.get()
        await connection.execute(raw.insertion.encode(), row)
        free.put_nowait(connection)

    seconds = await _timed(rows, insert)
    for connection in connections:
        await connection.close()
    return seconds


async def _timed(items: Iterable[T], each: Callable[[T], Awaitable[object]]) -> float:
    left = iter(items)

    async def call() -> None:
        for item in left:
            await each(item)

    with stopwatch() as watch:
        await asyncio.gather(*(call() for _ in range(CALLERS)))
    return watch.seconds
