"""A statement on psycopg itself, for the one that people wait for: what SQLAlchemy does for a single row, there and back,
takes as long as what the database does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from sqlalchemy import Connection, TextClause
from sqlalchemy import Dialect as SqlalchemyDialect
from sqlalchemy.exc import DBAPIError

from jobrunr.storage.sql.dialects.postgresql_pooler import is_pooled

_CURSOR = "jobrunr cursor"
"""What SQLAlchemy keeps with a connection of the driver, for as long as that lives, under this name."""
_PREPARES = "jobrunr prepares"
"""The same: whether statements are prepared on it."""


class DirectStatement:
    """A statement that goes to the driver past SQLAlchemy, on SQLAlchemy's connection and with its errors.

    Arguments:
        dialect: SQLAlchemy's, of psycopg.
        statement: with named parameters.
        prepare: whether the server is to prepare it, and keep a plan for all parameters, where no pooler stands in the way;
            otherwise that is left to the connection, as it is left to those of another engine.
    """

    def __init__(self, dialect: SqlalchemyDialect, statement: TextClause, *, prepare: bool) -> None:
        self._dialect: Any = dialect
        self._compiled = statement.compile(dialect=dialect)
        self._statement = statement
        self._text = str(self._compiled)
        self._is_whole = not any(bind.callable for bind in self._compiled.binds.values())
        self._prepare = prepare

    def __call__(self, connection: Connection, parameters: Mapping[str, Any]) -> int:
        """Run it, and return how many rows came back.

        Raises:
            DBAPIError: as SQLAlchemy would.
        """
        if connection.dialect.driver != self._dialect.driver or connection.dialect.is_async:  # somebody else's
            return len(connection.execute(self._statement, parameters).all())
        values = parameters if self._is_whole else self._compiled.construct_params(parameters)
        cursor = connection.info.get(_CURSOR)
        try:
            if cursor is None:
                cursor = self._first_cursor(connection)
            prepare = connection.info[_PREPARES] or None
            count: int = cursor.execute(self._text, values, prepare=prepare).rowcount
        except self._dialect.loaded_dbapi.Error as error:
            self._raise(error, connection)
        return count

    def _first_cursor(self, connection: Connection) -> Any:
        driver: Any = connection.connection.dbapi_connection  # psycopg's own, and there when it was detached, too
        may_prepare = self._prepare and connection.dialect is self._dialect
        connection.info[_PREPARES] = may_prepare and not is_pooled(driver)
        connection.info[_CURSOR] = driver.cursor()
        return connection.info[_CURSOR]

    def _raise(self, error: Any, connection: Connection) -> NoReturn:
        is_lost = self._dialect.is_disconnect(error, connection.connection.dbapi_connection, None)
        if is_lost:
            connection.invalidate(error)
        raise DBAPIError.instance(
            self._text,
            None,
            error,
            self._dialect.loaded_dbapi.Error,
            hide_parameters=True,
            connection_invalidated=is_lost,
            dialect=self._dialect,
        ) from error
