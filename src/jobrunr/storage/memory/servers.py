"""Registered servers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from jobrunr.server_record import ServerRecord


class Servers:
    """The servers by their ids. Not for two threads at once."""

    def __init__(self) -> None:
        self._servers: dict[UUID, ServerRecord] = {}

    @property
    def ids(self) -> Collection[UUID]:
        """Who is registered."""
        return self._servers.keys()

    def announce(self, server: ServerRecord, now: datetime) -> None:
        """Register a server."""
        self._servers[server.id] = replace(server, first_heartbeat=now, last_heartbeat=now)

    def heartbeat(self, server: ServerRecord, now: datetime) -> bool:
        """Renew a heartbeat. Whether the server is registered."""
        known = self._servers.get(server.id)
        if known is None:
            return False
        stored = replace(server, first_heartbeat=known.first_heartbeat, last_heartbeat=now, is_paused=known.is_paused)
        self._servers[server.id] = stored
        return True

    def pause(self, server_id: UUID, paused: bool) -> bool:
        """Say whether a server shall take jobs. Whether it is there."""
        known = self._servers.get(server_id)
        if known is not None:
            self._servers[server_id] = replace(known, is_paused=paused)
        return known is not None

    def remove(self, server_id: UUID) -> None:
        """Remove a server that stops."""
        self._servers.pop(server_id, None)

    def all(self, now: datetime) -> list[ServerRecord]:
        """All of them, the longest running first."""
        return sorted(self._servers.values(), key=lambda server: (server.first_heartbeat or now, server.id))

    def remove_dead(self, servers: Sequence[ServerRecord]) -> list[ServerRecord]:
        """Remove those that were not heard since."""
        heard = {server.id: server.last_heartbeat for server in servers}
        removed = [s for s in self._servers.values() if s.id in heard and s.last_heartbeat == heard[s.id]]
        for server in removed:
            del self._servers[server.id]
        return removed
