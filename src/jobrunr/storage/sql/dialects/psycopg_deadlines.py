"""A connection of psycopg every call of which ends in time.

PostgreSQL keeps to its ``statement_timeout`` only as long as it can be reached. A network that swallows everything, or a
proxy that acknowledges and forgets, is noticed by nobody but a clock on our side.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from datetime import timedelta
from typing import Any, TypeVar

import psycopg

T = TypeVar("T")


class DeadlineConnection(psycopg.Connection[Any]):
    """Waits for an answer until its time is up, and closes itself then: what comes later would belong to no question."""

    seconds: float | None = None
    """None to wait for ever."""

    def wait(self, gen: Generator[Any, Any, T], *args: Any, **kwargs: Any) -> T:
        if self.seconds is None:
            return super().wait(gen, *args, **kwargs)
        try:
            return super().wait(_until(gen, time.monotonic() + self.seconds), *args, **kwargs)
        except TimeoutError:
            self.close()
            raise psycopg.OperationalError(f"no answer within {self.seconds:g} s") from None


def connect_with_deadline(timeout: timedelta) -> Callable[..., DeadlineConnection]:
    """Something that makes connections for SQLAlchemy's event ``do_connect``."""
    # The database gives up first, and says so; who waits for it gives up when it does not even say so.
    seconds = timeout.total_seconds() * 1.25 + 1

    def connect(dialect: object, record: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> DeadlineConnection:
        connection = DeadlineConnection.connect(*args, **kwargs)
        connection.seconds = seconds
        return connection

    return connect


def _until(gen: Generator[Any, Any, T], end: float) -> Generator[Any, Any, T]:
    """Pass on what a generator of psycopg wants to wait for and gets, until it is late. psycopg looks in every 0.1 s."""
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if time.monotonic() > end:
                raise TimeoutError
            wanted = gen.send(ready)
    except StopIteration as stop:
        result: T = stop.value
        return result
