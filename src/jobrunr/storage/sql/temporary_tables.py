"""Tables that are there for a while, beside those of the application."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import DropSchema

from jobrunr.errors import StorageError, TablesLeftError
from jobrunr.storage.sql.database import Database
from jobrunr.storage.sql.engines import open_dialect
from jobrunr.storage.sql.schema import drop_tables, names_of_tables
from jobrunr.storage.sql.tables import Tables

_PATIENCE = timedelta(minutes=1)
"""With a database that is to drop tables; they may hold much by then."""


@contextmanager
def temporary_tables(url: str, prefix: str, schema: str | None) -> Iterator[None]:
    """Drop the tables of this prefix behind a block, whatever becomes of it. Making them is the business of the block.

    Raises:
        StorageError: the database cannot be used, before anything was made.
        TablesLeftError: they could not be dropped.
    """
    dialect = open_dialect(url, prefix, schema, None, _PATIENCE)
    database = Database(dialect, dialect.engine)
    try:
        database.read(dialect.check)
        had_schema = schema is None or database.read(lambda connection: inspect(connection).has_schema(schema))
        try:
            yield
        finally:
            try:
                database.write(lambda connection: _drop(connection, dialect.tables, with_schema=not had_schema))
            except (StorageError, DBAPIError) as error:
                there = "" if schema is None else f"{schema}."
                names = [there + name for name in names_of_tables(dialect.tables)]
                raise TablesLeftError(database.where, names) from error
    finally:
        dialect.close()


def _drop(connection: Connection, tables: Tables, *, with_schema: bool) -> None:
    drop_tables(connection, tables)
    if not with_schema or tables.schema is None:
        return
    found = inspect(connection)
    if found.has_schema(tables.schema) and not found.get_table_names(tables.schema):  # else others were quick to use it
        connection.execute(DropSchema(tables.schema))
