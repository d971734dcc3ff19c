"""Who did what by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, bindparam, delete, select

from jobrunr.storage.contract import AuditEntry
from jobrunr.storage.overview import storable_entries
from jobrunr.storage.sql.column_types import UtcTime
from jobrunr.storage.sql.dialects.base import Dialect


class Auditing:
    """The table of what was done by hand."""

    def __init__(self, dialect: Dialect) -> None:
        audit = dialect.tables.audit
        self.dialect = dialect
        self._audit = audit
        self._newest = (
            select(audit.c.at, audit.c.actor, audit.c.action, audit.c.subject, audit.c.detail)
            .order_by(audit.c.at.desc(), audit.c.id.desc())
            .limit(bindparam("limit"))
        )
        self._old = (
            select(audit.c.id)
            .where(audit.c.at <= bindparam("since", type_=UtcTime()))
            .order_by(audit.c.at, audit.c.id)
            .limit(bindparam("limit"))
        )
        self._forget = delete(audit).where(dialect.among(audit.c.id))

    def record(self, connection: Connection, ids: Sequence[UUID], entries: Sequence[AuditEntry]) -> None:
        """Keep entries under ids that say which of them are there already."""
        kept = storable_entries(entries, self.dialect.now(connection))
        rows = [
            {
                "id": entry_id,
                "at": entry.at,
                "actor": entry.actor,
                "action": entry.action,
                "subject": entry.subject,
                "detail": entry.detail,
            }
            for entry_id, entry in zip(ids, kept, strict=True)
        ]
        self.dialect.insert_missing(connection, self._audit, rows)

    def find(self, connection: Connection, subject: str | None, limit: int, before: datetime | None) -> list[AuditEntry]:
        """The newest entries, about one subject or all."""
        statement = self._newest
        if subject is not None:
            statement = statement.where(self._audit.c.subject == subject)
        if before is not None:
            statement = statement.where(self._audit.c.at < before)
        return [
            AuditEntry(at=at, actor=actor, action=action, subject=of, detail=detail)
            for at, actor, action, of, detail in connection.execute(statement, {"limit": limit})
        ]

    def forget(self, connection: Connection, keep: timedelta, limit: int) -> None:
        """Remove what was done long ago, up to so many entries."""
        parameters = {"since": self.dialect.now(connection) - keep, "limit": limit}
        if old := connection.execute(self._old, parameters).scalars().all():
            connection.execute(self._forget, {"ids": old})
