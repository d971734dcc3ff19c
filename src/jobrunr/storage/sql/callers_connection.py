"""The connection that a caller's own transaction is on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from sqlalchemy import URL, Connection
from sqlalchemy.exc import UnboundExecutionError
from sqlalchemy.orm import Session, scoped_session

from jobrunr.errors import BindError
from jobrunr.storage.sql.database import where
from jobrunr.storage.sql.dialects.base import Dialect
from jobrunr.storage.sql.dialects.sqlite import path_of
from jobrunr.storage.sql.news import HeldNews
from jobrunr.storage.sql.waking import Queues

_KINDS = {"mariadb": "mysql"}
"""SQLAlchemy's names of databases that are one kind to us."""
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


class CallersConnection(ABC):
    """What a caller gave us to write on, looked at before it is used. We never commit it, roll it back or close it.

    Arguments:
        dialect: of the storage.
        where: the storage, for messages.
    """

    def __init__(self, dialect: Dialect, where: str) -> None:
        self._dialect = dialect
        self._where = where
        self._fitting: Connection | None = None

    def present(self) -> Connection:
        """The connection of the present transaction: a session has another one after each commit.

        Raises:
            BindError: jobs of this storage cannot be written on it.
        """
        connection = self._connection()
        if connection is not self._fitting:
            self._check_database(connection)
            self._fitting = connection
        self._dialect.check_transactional(connection)
        return connection

    @abstractmethod
    def tell_at_commit(self, queues: Queues, news: HeldNews) -> None:
        """Wake those who wait for these queues when, and only when, the present transaction is committed."""

    @abstractmethod
    def _connection(self) -> Connection: ...

    def _check_database(self, connection: Connection) -> None:
        kind = _KINDS.get(connection.dialect.name, connection.dialect.name)
        ours, theirs = self._dialect.engine.url, connection.engine.url
        # On MySQL a schema is a database, so that the one in the URL does not matter.
        is_named = self._dialect.tables.schema is None or kind != "mysql"
        if kind != self._dialect.name or not _may_be_one(ours, theirs, kind, by_name=is_named):
            raise BindError(
                f"this transaction is on {where(theirs)}, and jobs are kept in {self._where}",
                "Keep them in the same database (JobRunr(engine) takes your engine), or enqueue after the commit.",
            )


class SqlalchemyConnection(CallersConnection):
    """One of SQLAlchemy.

    Arguments:
        given: the connection, or a session that has one.
    """

    def __init__(self, given: Session | scoped_session[Any] | Connection, dialect: Dialect, where: str) -> None:
        super().__init__(dialect, where)
        self._given = given

    def tell_at_commit(self, queues: Queues, news: HeldNews) -> None:
        news.hold(self.present(), queues)

    def _connection(self) -> Connection:
        if isinstance(self._given, Connection):
            return self._given
        try:
            return self._given.connection()
        except UnboundExecutionError as error:
            raise BindError(
                "this session does not say which of its engines its transaction is on",
                "Pass the connection: session.connection(bind_arguments={'bind': engine}).",
            ) from error


def _may_be_one(ours: URL, theirs: URL, kind: str, *, by_name: bool) -> bool:
    """Whether two URLs may lead to the same database, as far as both say."""
    if kind == "sqlite":
        return _same(_path(ours), _path(theirs))
    port = {"postgresql": 5432, "mysql": 3306}[kind]
    return (
        _same(_host(ours), _host(theirs))
        and (ours.host is None or theirs.host is None or (ours.port or port) == (theirs.port or port))
        and (not by_name or _same(ours.database, theirs.database))
    )


def _same(one: object, other: object) -> bool:
    return one is None or other is None or one == other


def _host(url: URL) -> str | None:
    is_here = url.host is not None and (url.host in _HERE or url.host.startswith("/"))  # the folder of a socket
    return "localhost" if is_here else url.host


def _path(url: URL) -> str | None:
    return url.database and str(path_of(url).resolve())
