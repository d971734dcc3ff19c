"""Servers as pages show them."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from jobrunr.dashboard.problems import is_silent
from jobrunr.dashboard.site import Site
from jobrunr.server_record import ServerRecord


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """A server, and what can be told of it."""

    server: ServerRecord
    is_master: bool
    is_silent: bool
    heard: timedelta | None
    """How long ago its last heartbeat was."""
    up: timedelta | None
    cpus: float | None
    """How many CPUs it used between its last two heartbeats."""

    @property
    def condition(self) -> str:
        """What people have to know first."""
        if self.is_silent:
            return "silent"
        return "paused" if self.server.is_paused else "active"


def read_machines(site: Site) -> list[Machine]:
    """All servers, the oldest first. The oldest that is heard is the master."""
    storage = site.storage
    servers, now, timeout = storage.servers(), storage.now(), site.settings.server_timeout
    shares = site.load.shares(servers)
    silent = {server.id for server in servers if is_silent(server, now, timeout)}
    master = next((server.id for server in servers if server.id not in silent), None)
    return [
        Machine(
            server=server,
            is_master=server.id == master,
            is_silent=server.id in silent,
            heard=None if server.last_heartbeat is None else _whole_seconds(now - server.last_heartbeat),
            up=None if server.first_heartbeat is None else _whole_seconds(now - server.first_heartbeat),
            cpus=shares.get(server.id),
        )
        for server in servers
    ]


def _whole_seconds(duration: timedelta) -> timedelta:
    return timedelta(seconds=max(int(duration.total_seconds()), 0))
