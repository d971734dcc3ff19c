"""Registered servers."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, Executable, bindparam, delete, exists, select, union_all, update

from jobrunr.server_record import ServerRecord
from jobrunr.storage.sql.dialects.base import Dialect
from jobrunr.storage.sql.rows import server_values, to_server


class Servers:
    """The table of servers."""

    def __init__(self, dialect: Dialect) -> None:
        servers = dialect.tables.servers
        self.dialect = dialect
        this_server = servers.c.id == bindparam("server_id")
        loads = ("name", "workers", "busy", "queues", "version", "pid", "memory", "cpu", "host", "tags", "has_presence")
        self._renew = (
            update(servers)
            .where(this_server)
            .values(
                {servers.c[name]: bindparam(f"new_{name}") for name in loads} | {servers.c.last_heartbeat: dialect.now_sql}
            )
        )
        self._remove = delete(servers).where(this_server)
        self._pause = update(servers).where(this_server).values(is_paused=bindparam("paused"))
        self._all = select(*servers.c).order_by(servers.c.first_heartbeat, servers.c.id)
        self._renew_and_all = self._in_one_statement() if dialect.reads_what_it_writes else None
        self._remove_unheard = delete(servers).where(this_server, servers.c.last_heartbeat == bindparam("heard_at"))

    def announce(self, connection: Connection, server: ServerRecord) -> None:
        """Register a server."""
        now = self.dialect.now(connection)
        row = server_values(server) | {"first_heartbeat": now, "last_heartbeat": now, "is_paused": server.is_paused}
        self.dialect.insert_or_replace(connection, self.dialect.tables.servers, [row])

    def heartbeat(self, connection: Connection, server: ServerRecord) -> list[ServerRecord]:
        """Renew a heartbeat, and return all servers as they are then; none when this one is not registered."""
        values = {f"new_{name}": value for name, value in server_values(server).items() if name != "id"}
        values["server_id"] = server.id
        if self._renew_and_all is not None:
            return [to_server(row) for row in connection.execute(self._renew_and_all, values)]
        if not connection.execute(self._renew, values).rowcount:
            return []
        return self.all(connection)

    def _in_one_statement(self) -> Executable:
        """The whole heartbeat. Differs because elsewhere it takes two statements; an idle server sends little else."""
        servers = self.dialect.tables.servers
        renewed = self._renew.returning(*servers.c).cte("renewed")
        others = select(*servers.c).where(servers.c.id != bindparam("server_id"), exists(select(renewed.c.id)))
        everybody = union_all(select(*renewed.c), others)
        return everybody.order_by(everybody.selected_columns.first_heartbeat, everybody.selected_columns.id)

    def pause(self, connection: Connection, server_id: UUID, paused: bool) -> bool:
        """Say whether a server shall take jobs. Whether it is there."""
        return connection.execute(self._pause, {"server_id": server_id, "paused": paused}).rowcount > 0

    def sign_off(self, connection: Connection, server_id: UUID) -> None:
        """Remove a server."""
        connection.execute(self._remove, {"server_id": server_id})

    def all(self, connection: Connection) -> list[ServerRecord]:
        """All servers, the longest running first."""
        return [to_server(row) for row in connection.execute(self._all)]

    def remove_dead(self, connection: Connection, servers: Sequence[ServerRecord]) -> list[ServerRecord]:
        """Remove those that were not heard since."""
        removed = [
            server
            for server in sorted(servers, key=lambda server: server.id)
            if connection.execute(self._remove_unheard, {"server_id": server.id, "heard_at": server.last_heartbeat}).rowcount
        ]
        self.dialect.forget_presence_of([server.id for server in removed])
        return removed
