"""Connections for servers alone: jobs and web requests that use up the pool of an engine must not stop a heartbeat."""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import Engine, Pool, QueuePool
from sqlalchemy.engine.base import OptionEngine

KEPT = 3
"""Connections that a server keeps while nobody uses them: two are always in use under load, and now and then one more.
A database has a hundred, perhaps, for all servers together."""
KEPT_FOR_CLAIMS = 2
"""Those of them by which jobs are claimed and their ends are written, where these have connections of their own."""


class ServerEngine(OptionEngine):
    """An engine with the options and event listeners of another, and a pool of its own in which nobody has to wait.

    Arguments:
        engine: the other. Its pool has a fixed size, and makes connections as ours shall.
        kept: connections, while nobody uses them.
    """

    pool: Pool = cast(Any, None)  # in place of the property by which engines with options share the pool of another

    def __init__(self, engine: Engine, kept: int) -> None:
        super().__init__(engine, {})
        self.pool = engine.pool.recreate()
        # As many as there are threads that ask for one. Those of a server are few, and a pool that is small for good
        # reasons is for other things.
        self.pool._max_overflow = -1  # type: ignore[attr-defined]  # noqa: SLF001 - a QueuePool has it
        self.pool._pool.maxsize = min(self.pool.size(), kept)  # type: ignore[attr-defined]  # noqa: SLF001


def engine_for_servers(engine: Engine, kept: int = KEPT) -> Engine:
    """What servers connect by, given the engine for everything else: that one where its pool lets nobody wait, or has to be
    shared because it holds the one connection there is."""
    return ServerEngine(engine, kept) if isinstance(engine.pool, QueuePool) else engine
