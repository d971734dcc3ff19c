"""Presence on PostgreSQL: advisory locks of sessions."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from jobrunr.storage.sql.dialects.postgresql_pooler import is_pooled
from jobrunr.storage.sql.presence import ConnectionPresence, NoSessionError


class AdvisoryLock(ConnectionPresence):
    """An advisory lock, by psycopg."""

    def descriptor_of(self, driver: Any) -> int:
        return int(driver.fileno())

    def take_lock(self, driver: Any, server_id: UUID) -> bool:
        driver.autocommit = True
        if is_pooled(driver):
            raise NoSessionError("a connection pooler stands between us and the database")
        (is_taken,) = driver.execute("SELECT pg_try_advisory_lock(%s)", [_key(server_id)]).fetchone()
        return bool(is_taken)

    def hear(self, driver: Any) -> None:
        driver.pgconn.consume_input()
        while driver.pgconn.notifies():
            pass

    def probe(self, driver: Any) -> None:
        driver.execute("SELECT 1")


def absent(connection: Connection, server_ids: Collection[UUID]) -> frozenset[UUID]:
    """Whose locks nobody holds."""
    held = {(row.classid << 32) | row.objid for row in connection.execute(_HELD)}
    return frozenset(server_id for server_id in server_ids if _key(server_id) % 2**64 not in held)


# A lock by one number of 64 bits shows its halves in two columns, and a 1 in the third.
_HELD = text("""
    SELECT CAST(classid AS bigint) AS classid, CAST(objid AS bigint) AS objid
    FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 1 AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
""")


def _key(server_id: UUID) -> int:
    """The half of an id, as the signed number of 64 bits by which PostgreSQL knows a lock."""
    return int.from_bytes(server_id.bytes[8:], signed=True)
