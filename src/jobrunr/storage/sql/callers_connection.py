"""The connection that a caller's own transaction is on."""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Connection
from sqlalchemy.exc import UnboundExecutionError
from sqlalchemy.orm import Session, scoped_session

from jobrunr.errors import BindError
from jobrunr.storage.sql.database import where
from jobrunr.storage.sql.dialects.base import Dialect
from jobrunr.storage.sql.dialects.sqlite import path_of

_KINDS = {"mariadb": "mysql"}
"""SQLAlchemy's names of databases that are one kind to us."""
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


class CallersConnection:
    """What a caller gave us to write on, looked at before it is used. We never commit it, roll it back or close it.

    Arguments:
        given: a `Session`, a `scoped_session` or a `Connection` of SQLAlchemy.
        dialect: of the storage.
        where: the storage, for messages.

    Raises:
        BindError: jobs of this storage cannot be written on it.
    """

    def __init__(self, given: object, dialect: Dialect, where: str) -> None:
        if not isinstance(given, Session | scoped_session | Connection):
            raise BindError(
                f"{given!r:.200} has no transaction that jobs can be part of",
                "Pass a Session or a Connection of SQLAlchemy, which are not those of asyncio.",
            )
        self._given: Session | scoped_session[Any] | Connection = given
        self._dialect = dialect
        self._where = where
        self._fitting: Connection | None = None
        self.present()

    def present(self) -> Connection:
        """The connection of the present transaction: a session has another one after each commit.

        Raises:
            BindError: as above.
        """
        connection = self._given if isinstance(self._given, Connection) else self._connection_of(self._given)
        if connection is not self._fitting:
            self._check_database(connection)
            self._fitting = connection
        self._dialect.check_transactional(connection)
        return connection

    def _connection_of(self, session: Session | scoped_session[Any]) -> Connection:
        try:
            return session.connection()
        except UnboundExecutionError as error:
            raise BindError(
                "this session does not say which of its engines its transaction is on",
                "Pass the connection: session.connection(bind_arguments={'bind': engine}).",
            ) from error

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
    return "localhost" if url.host in _HERE else url.host


def _path(url: URL) -> str | None:
    return url.database and str(path_of(url).resolve())
