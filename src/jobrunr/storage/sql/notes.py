"""Values kept under a name."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, bindparam, delete, select

from jobrunr.storage.sql.dialects.base import Dialect


class Notes:
    """The table of metadata."""

    def __init__(self, dialect: Dialect) -> None:
        notes = dialect.tables.notes
        self.dialect = dialect
        this_name, this_owner = notes.c.name == bindparam("note"), notes.c.owner == bindparam("of")
        self._get = select(notes.c.value).where(this_name, this_owner)
        self._find = select(notes.c.owner, notes.c.value).where(this_name)
        self._remove = delete(notes).where(this_name, this_owner)

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

    def find(self, connection: Connection, name: str) -> dict[str, str]:
        """What is kept under a name, by owner."""
        return {row.owner: row.value for row in connection.execute(self._find, {"note": name})}

    def remove(self, connection: Connection, name: str, owners: Collection[str]) -> None:
        """Forget what is kept; in one order, so that two who do it at once do not wait for each other."""
        for owner in sorted(owners):
            connection.execute(self._remove, {"note": name, "of": owner})
