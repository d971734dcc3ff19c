"""The steps that revisions are made of. Each looks first whether it was done: a database without transactions around
changes of tables (MySQL, MariaDB, Oracle) may have been left in the middle by a migration that was killed."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from alembic import op
from sqlalchemy import Column, TextClause, inspect, text

from jobrunr.storage.sql.column_types import TABLE_OPTIONS, ExactText
from jobrunr.storage.sql.tables import Tables

PARTIAL_INDEXES = frozenset({"postgresql", "sqlite", "mssql"})
"""The databases that have indexes over some of the rows."""


_TABLE = re.compile(r"\{([a-z_]+)\}")


class Steps:
    """Changes of our tables under their prefix, in their schema."""

    def __init__(self, prefix: str, schema: str | None) -> None:
        self._prefix = prefix
        self._schema = schema
        context = op.get_context()
        self._dialect = context.dialect.name
        self._inspector = None if context.as_sql else inspect(op.get_bind())

    @classmethod
    def now(cls) -> Steps:
        """The steps of the migration that is running."""
        config = op.get_context().config
        assert config is not None
        tables: Tables = config.attributes["tables"]
        return cls(tables.prefix, tables.schema)

    def create_table(self, noun: str, *columns: Column[Any]) -> None:
        """Create a table, unless it exists."""
        name = self._prefix + noun
        if self._dialect == "oracle":
            _allow_empty_text(columns)
        if self._inspector is None or not self._inspector.has_table(name, self._schema):
            op.create_table(name, *columns, schema=self._schema, **TABLE_OPTIONS)

    def add_column(self, table: str, column: Column[Any]) -> None:
        """Add a column, unless it is there."""
        name = self._prefix + table
        if self._inspector is not None:
            self._inspector.clear_cache()
            if column.name in {found["name"] for found in self._inspector.get_columns(name, self._schema)}:
                return
        op.add_column(name, column, schema=self._schema)

    def run(self, **statements: str) -> None:
        """Run a statement in the words of the database that there is; nothing where there is none for it.

        Arguments:
            statements: by the name of the dialect, with ``{table}`` for the full names of tables.
        """
        sql = statements.get("mysql" if self._dialect == "mariadb" else self._dialect)
        if sql is not None:
            quote = op.get_context().dialect.identifier_preparer
            schema = "" if self._schema is None else quote.quote_schema(self._schema) + "."
            op.execute(text(_TABLE.sub(lambda noun: schema + quote.quote(self._prefix + noun[1]), sql)))

    def create_index(
        self, noun: str, table: str, columns: list[str], where: str | None = None, *, on: Collection[str] = PARTIAL_INDEXES
    ) -> None:
        """Create an index, unless it exists.

        Arguments:
            columns: names, with ``DESC`` behind where the order is descending.
            where: the condition for rows to be in it; elsewhere it is an index of all rows.
            on: the databases where there is a condition.
        """
        name, table = self._prefix + noun, self._prefix + table
        if self._inspector is not None and name in self._names_of_indexes(table):
            return
        conditions: dict[str, Any] = {}
        if where is not None and self._dialect in on:
            conditions = {f"{self._dialect}_where": text(where)}
        order: list[str | TextClause] = [text(column) if " " in column else column for column in columns]
        op.create_index(name, table, order, schema=self._schema, **conditions)

    def create_index_of_state(self, noun: str, table: str, state: str, columns: list[str]) -> None:
        """Create an index over the jobs in one state; where a database has no such indexes, the state comes first in it."""
        if self._dialect in PARTIAL_INDEXES:
            self.create_index(noun, table, columns, where=f"state = '{state}'")
        else:
            self.create_index(noun, table, ["state", *columns])

    def _names_of_indexes(self, table: str) -> set[str | None]:
        assert self._inspector is not None
        self._inspector.clear_cache()
        return {index["name"] for index in self._inspector.get_indexes(table, self._schema)}


def _allow_empty_text(columns: Collection[Column[Any]]) -> None:
    """Let texts of any length be NULL. Differs because Oracle takes '' for NULL."""
    for column in columns:
        if isinstance(column.type, ExactText) and column.type.length is None:
            column.nullable = True
