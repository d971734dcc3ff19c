"""Presence on MySQL and MariaDB: locks by name."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, func, select

from jobrunr.storage.sql.presence import ConnectionPresence, NoSessionError


class NamedLock(ConnectionPresence):
    """A lock of ``GET_LOCK``, by PyMySQL."""

    def descriptor_of(self, driver: Any) -> int:
        return int(driver._sock.fileno())  # noqa: SLF001 - PyMySQL shows its socket nowhere else

    def take_lock(self, driver: Any, server_id: UUID) -> bool:
        driver.autocommit(True)
        with driver.cursor() as cursor:
            cursor.execute("SELECT CONNECTION_ID()")
            if cursor.fetchone()[0] != driver.thread_id():
                raise NoSessionError("a proxy stands between us and the database")
            if cursor.execute(_SEVERAL_NODES):
                raise NoSessionError("this database is several servers, each of which has locks of its own")
            cursor.execute("SET SESSION wait_timeout = DEFAULT")  # this one is silent, and meant to be
            cursor.execute("SELECT GET_LOCK(%s, 0)", [_name(server_id)])
            return bool(cursor.fetchone()[0] == 1)

    def hear(self, driver: Any) -> None:
        # Nothing comes unasked but the end; it may be a message that says why.
        self.probe(driver)

    def probe(self, driver: Any) -> None:
        driver.ping(reconnect=False)


_SEVERAL_NODES = """
    SHOW VARIABLES WHERE (Variable_name = 'wsrep_on' AND Value = 'ON')
        OR (Variable_name = 'group_replication_group_name' AND Value <> '')
"""


def absent(connection: Connection, server_ids: Collection[UUID]) -> frozenset[UUID]:
    """Whose locks nobody holds."""
    ids = list(server_ids)
    owners = connection.execute(select(*(func.is_used_lock(_name(server_id)) for server_id in ids))).one()
    return frozenset(server_id for server_id, owner in zip(ids, owners, strict=True) if owner is None)


def _name(server_id: UUID) -> str:
    """Locks are common to all databases of a server; the id is ours alone."""
    return f"jobrunr-server-{server_id}"
