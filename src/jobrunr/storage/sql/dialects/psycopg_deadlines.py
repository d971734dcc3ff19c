"""A connection of psycopg every call of which ends in time.

PostgreSQL keeps to its ``statement_timeout`` only as long as it can be reached. A network that swallows everything, or a
proxy that acknowledges and forgets, is noticed by nobody but a clock on our side.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator
from datetime import timedelta
from typing import Any, Self, TypeVar

import psycopg

from jobrunr.storage.sql.deadlines import present_deadline, seconds_left

T = TypeVar("T")


class DeadlineConnection(psycopg.Connection[Any]):
    """Waits for an answer until its time is up, or the system does not let it wait, and closes itself then: what comes later
    would belong to no question."""

    seconds: float = math.inf
    """That an answer may take, outside calls with a deadline."""

    def wait(self, gen: Generator[Any, Any, T], *args: Any, **kwargs: Any) -> T:
        try:
            return super().wait(_until(gen, seconds_left(self.seconds)), *args, **kwargs)
        except OSError as error:  # TimeoutError is one
            self.close()
            raise psycopg.OperationalError(str(error)) from None

    @classmethod
    def _connect_gen(cls, *args: Any, **kwargs: Any) -> Generator[Any, Any, Self]:
        """How psycopg connects to one of the hosts. Its own time limit is for each of them, and two seconds at least."""
        try:
            return (yield from _until(super()._connect_gen(*args, **kwargs), seconds_left(math.inf)))
        except TimeoutError as error:
            raise psycopg.OperationalError(str(error)) from None


def connect_with_deadline(timeout: timedelta) -> Callable[..., DeadlineConnection]:
    """Something that makes connections for SQLAlchemy's event ``do_connect``."""

    def connect(dialect: object, record: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> DeadlineConnection:
        deadline = present_deadline()
        if deadline is not None:
            deadline.take_all()  # there will be no newer connection to try
        connection = DeadlineConnection.connect(*args, **kwargs)
        connection.seconds = timeout.total_seconds()
        return connection

    return connect


def _until(gen: Generator[Any, Any, T], seconds: float) -> Generator[Any, Any, T]:
    """Pass on what a generator of psycopg wants to wait for and gets, until it is late. psycopg looks in every 0.1 s."""
    end = time.monotonic() + seconds
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if time.monotonic() > end:
                raise TimeoutError(f"no answer within {seconds:.3g} s")
            wanted = gen.send(ready)
    except StopIteration as stop:
        result: T = stop.value
        return result
