"""Values kept under a name."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, select

from jobrunr.storage.sql.dialects.base import Dialect


class Notes:
    """The table of metadata."""

    def __init__(self, dialect: Dialect) -> None:
        notes = dialect.tables.notes
        self.dialect = dialect
        self._get = select(notes.c.value).where(notes.c.name == bindparam("note"), notes.c.owner == bindparam("of"))

    def get(self, connection: Connection, name: str, owner: str) -> str | None:
        """What is kept."""
        return connection.execute(self._get, {"note": name, "of": owner}).scalar_one_or_none()

    def put(self, connection: Connection, name: str, value: str, owner: str, overwrite: bool) -> str:
        """Keep a value, or leave what is there."""
        rows = [{"name": name, "owner": owner, "value": value}]
        if overwrite:
            self.dialect.insert_or_replace(connection, self.dialect.tables.notes, rows)
            return value
        self.dialect.insert_missing(connection, self.dialect.tables.notes, rows)
        kept: str = connection.execute(self._get, {"note": name, "of": owner}).scalar_one()
        return kept
