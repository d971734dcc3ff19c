"""Servers, and whether they take jobs."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec

from jobrunr.dashboard import operations
from jobrunr.dashboard.api.kinds import Moment
from jobrunr.dashboard.api.operation import Operation
from jobrunr.dashboard.call import Call
from jobrunr.dashboard.showing.machines import Machine, read_machines


class Server(msgspec.Struct, kw_only=True):
    """A server that runs jobs."""

    id: UUID
    name: str
    host: str
    """The machine that it runs on."""
    pid: int
    tags: Sequence[str]
    version: str
    """Of JobRunr."""
    queues: Sequence[str]
    """The queues that it serves; empty for all."""
    workers: int
    """How many jobs it runs at a time."""
    busy: int
    """How many it runs at this moment."""
    memory: int
    """Bytes that its process takes."""
    cpu_seconds: float
    """That its process has used."""
    cpus: float | None
    """How many CPUs it used between its last two heartbeats; null while only one was seen."""
    is_paused: bool
    """Whether it takes no jobs for now."""
    is_silent: bool
    """Whether it has not been heard for too long."""
    is_master: bool
    """Whether it does what one server does for all."""
    first_heartbeat: Moment | None
    last_heartbeat: Moment | None


class OneServer(msgspec.Struct, kw_only=True):
    """Which server."""

    id: UUID
    """The id of the server."""


class Told(msgspec.Struct, kw_only=True):
    """How many servers were told something new."""

    count: int


def get_servers(call: Call) -> Sequence[Server]:
    """List the servers, the oldest first."""
    return [_as_it_is(machine) for machine in read_machines(call.site)]


def pause_server(call: Call, asked: OneServer) -> None:
    """Let a server take no jobs until it is resumed. What runs on it goes on."""
    operations.pause_server(call.site, call.user, asked.id, paused=True)


def resume_server(call: Call, asked: OneServer) -> None:
    """Let a paused server take jobs again."""
    operations.pause_server(call.site, call.user, asked.id, paused=False)


def pause_servers(call: Call) -> Told:
    """Let all servers that there are take no jobs until they are resumed. What runs goes on."""
    return Told(count=operations.pause_all_servers(call.site, call.user, paused=True))


def resume_servers(call: Call) -> Told:
    """Let all paused servers take jobs again."""
    return Told(count=operations.pause_all_servers(call.site, call.user, paused=False))


_AS_IT_IS = (
    *("id", "name", "host", "pid", "tags", "version", "queues", "workers", "busy", "memory"),
    *("is_paused", "first_heartbeat", "last_heartbeat"),
)


def _as_it_is(machine: Machine) -> Server:
    return Server(
        **{name: getattr(machine.server, name) for name in _AS_IT_IS},
        cpu_seconds=machine.server.cpu,
        cpus=machine.cpus,
        is_silent=machine.is_silent,
        is_master=machine.is_master,
    )


_NO_SERVER = {404: "There is no server with this id (any more)."}

OPERATIONS = (
    Operation("GET", "/api/servers", get_servers, subject="Servers"),
    Operation("POST", "/api/servers/pause", pause_servers, subject="Servers"),
    Operation("POST", "/api/servers/resume", resume_servers, subject="Servers"),
    Operation("POST", "/api/servers/{id}/pause", pause_server, subject="Servers", refusals=_NO_SERVER),
    Operation("POST", "/api/servers/{id}/resume", resume_server, subject="Servers", refusals=_NO_SERVER),
)
