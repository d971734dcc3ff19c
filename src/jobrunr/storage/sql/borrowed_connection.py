"""Connections of drivers, without SQLAlchemy around them, that callers' own transactions are on."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

from sqlalchemy import Connection, Engine, StaticPool
from sqlalchemy.orm import Session, scoped_session

from jobrunr.errors import BindError
from jobrunr.storage.sql.callers_connection import CallersConnection, SqlalchemyConnection
from jobrunr.storage.sql.dialects.base import Dialect
from jobrunr.storage.sql.news import HeldNews
from jobrunr.storage.sql.waking import Queues

TAKEN = (
    "Pass a Session or a Connection of SQLAlchemy, a connection of the driver that the storage uses, or that of Django; "
    "jobrunr.async_scheduler.bind takes those of asyncio."
)


def callers_connection(given: object, dialect: Dialect, where: str) -> CallersConnection:
    """What a caller gave us to write on.

    Raises:
        BindError: jobs of this storage cannot be written on it.
    """
    found: CallersConnection
    if isinstance(given, Session | scoped_session | Connection):
        found = SqlalchemyConnection(given, dialect, where)
    elif hasattr(given, "in_atomic_block") and hasattr(given, "on_commit"):
        found = DjangoConnection(given, dialect, where)
    else:
        found = BareConnection(given, dialect, where)
    found.present()
    return found


class BareConnection(CallersConnection):
    """A connection of the driver.

    Arguments:
        given: the connection.
    """

    def __init__(self, given: Any, dialect: Dialect, where: str) -> None:
        super().__init__(dialect, where)
        self._given = given
        self._driver: Any = None
        self._borrowed: Connection | None = None

    def tell_at_commit(self, queues: Queues, news: HeldNews) -> None:
        self._dialect.tell_at_commit(self.present(), queues)

    def _connection(self) -> Connection:
        return self._borrow(self._given)

    def _borrow(self, driver: Any) -> Connection:
        """The connection as one of SQLAlchemy; the same as before for the same."""
        if self._borrowed is None or driver is not self._driver:
            module = self._dialect.engine.dialect.loaded_dbapi
            if not isinstance(driver, module.Connection):
                what = f"{driver!r:.200} has no transaction that jobs can be part of, in a storage by {module.__name__}"
                raise BindError(what, TAKEN)
            self._driver, self._borrowed = driver, _borrowed(driver, self._dialect)
        return self._borrowed


class DjangoConnection(BareConnection):
    """A connection of Django, which may be another one of the driver after a while."""

    def tell_at_commit(self, queues: Queues, news: HeldNews) -> None:
        self._given.on_commit(lambda: news.tell(queues))

    def _connection(self) -> Connection:
        if not self._given.in_atomic_block:
            raise BindError("Django commits every statement here", "Write it inside `with transaction.atomic():`.")
        return self._borrow(self._given.connection)


class _Borrowed:
    """A connection of a driver that only its owner commits, rolls back and closes. What is read is tuples, whatever he likes
    to get."""

    def __init__(self, driver: Any, cursor: Callable[[Any], Any]) -> None:
        self._driver = driver
        self._cursor = cursor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)

    def cursor(self) -> Any:
        return self._cursor(self._driver)

    def commit(self) -> None:
        """Not ours to do."""

    def rollback(self) -> None:
        """Not ours to do."""

    def close(self) -> None:
        """Not ours to do."""


def _borrowed(driver: Any, dialect: Dialect) -> Connection:
    """A connection as one of SQLAlchemy. The dialect has seen the database already: to make an engine as usual would be to
    ask it, and to roll back afterwards."""
    connection: Any = _Borrowed(driver, dialect.tuple_cursor)
    pool = StaticPool(lambda: connection, reset_on_return=None)
    return Engine(pool, copy(dialect.engine.dialect), dialect.url_of(driver), hide_parameters=True).connect()
