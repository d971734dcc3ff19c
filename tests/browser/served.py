"""Dashboards that are served from this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from jobrunr import JobRunr
from jobrunr.dashboard.access import Role, User
from jobrunr.dashboard.running import DashboardServer

ADA = User("ada", Role.OPERATOR)
RITA = User("rita", Role.READER)


@contextmanager
def served(jobrunr: JobRunr, user: User | None = ADA, port: int = 0) -> Iterator[str]:
    """A dashboard for the duration of a block; its address.

    Arguments:
        user: who uses it. None: whoever signs in.
        port: 0 for any that is free.
    """
    authorize = (lambda request: user) if user else None
    server = DashboardServer(jobrunr.dashboard(authorize=authorize), "127.0.0.1", port).start()
    try:
        yield server.address
    finally:
        server.stop()
