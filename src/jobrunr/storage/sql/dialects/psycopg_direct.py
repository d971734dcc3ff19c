"""A statement on psycopg itself, for the one that people wait for: what SQLAlchemy does for a single row, there and back,
takes as long as what the database does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from sqlalchemy import Connection, TextClause
from sqlalchemy import Dialect as SqlalchemyDialect
from sqlalchemy.exc import DBAPIError


class DirectStatement:
    """A statement that goes to the driver past SQLAlchemy, on SQLAlchemy's connection and with its errors.

    Arguments:
        dialect: SQLAlchemy's, of psycopg.
        statement: with named parameters.
        prepare: whether the server is to prepare it, and keep a plan for all parameters; None leaves that to the connection.
    """

    def __init__(self, dialect: SqlalchemyDialect, statement: TextClause, *, prepare: bool | None) -> None:
        self._dialect: Any = dialect
        self._compiled = statement.compile(dialect=dialect)
        self._text = str(self._compiled)
        self._is_whole = not any(bind.callable for bind in self._compiled.binds.values())
        self._prepare = prepare

    def __call__(self, connection: Connection, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run it, and return its rows.

        Raises:
            DBAPIError: as SQLAlchemy would.
        """
        driver: Any = connection.connection.driver_connection
        values = parameters if self._is_whole else self._compiled.construct_params(parameters)
        try:
            found: list[tuple[Any, ...]] = driver.execute(self._text, values, prepare=self._prepare).fetchall()
        except self._dialect.loaded_dbapi.Error as error:
            self._raise(error, connection, driver)
        return found

    def _raise(self, error: Any, connection: Connection, driver: Any) -> NoReturn:
        is_lost = self._dialect.is_disconnect(error, driver, None)
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
