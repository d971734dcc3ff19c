"""A background job server as the storage knows it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

STUCK = "problem-stuck-jobs"
"""The note of a server (its id is the owner) about jobs that are over their time limit and cannot be stopped."""


class ServerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One live background job server. Its id is random for every start and never used again."""

    id: UUID
    name: str
    """Host and process, for people."""
    host: str = ""
    """The machine that it runs on."""
    tags: tuple[str, ...] = ()
    """What people want to know it by."""
    workers: int
    """How many jobs it runs at a time."""
    busy: int = 0
    queues: tuple[str, ...] = ()
    """The queues it serves; empty for all."""
    version: str = ""
    pid: int = 0
    memory: int = 0
    """Resident memory of its process in bytes."""
    cpu: float = 0.0
    """Seconds of CPU that its process has used."""
    is_paused: bool = False
    """Whether people want it to take no jobs for now."""
    has_presence: bool = False
    """Whether it holds a session lock, so that others can tell when its process is gone."""
    first_heartbeat: datetime | None = None
    """Set by the storage, by the storage's clock. The live server with the oldest is the master."""
    last_heartbeat: datetime | None = None
