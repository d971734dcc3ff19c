"""The way of SQLite and PostgreSQL to insert what may exist."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

from jobrunr.storage.sql.dialects.base import Dialect


class OnConflictDialect(Dialect):
    """A database with ``INSERT … ON CONFLICT``."""

    @abstractmethod
    def insert_into(self, table: Table) -> postgresql.Insert | sqlite.Insert:
        """SQLAlchemy's INSERT of this database."""

    def insert_missing(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        connection.execute(self.insert_into(table).on_conflict_do_nothing(), rows)

    def insert_or_replace(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        statement = self.insert_into(table)
        values = {column.name: statement.excluded[column.name] for column in table.c if not column.primary_key}
        connection.execute(statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=values), rows)
