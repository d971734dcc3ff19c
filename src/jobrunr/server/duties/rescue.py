"""Jobs whose server is gone run again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from uuid import UUID

from jobrunr.errors import ServerLostError
from jobrunr.jobs import Job
from jobrunr.server.membership import Membership
from jobrunr.server.run import Outcome
from jobrunr.server.server_ends import ServerEnds
from jobrunr.storage.contract import StorageProvider

_log = logging.getLogger("jobrunr.server")

BATCH = 1000
THOROUGH_SECONDS = 30.0
"""How often to look for orphans when no server was seen to go."""
TIDY_SECONDS = 600.0
"""How often to forget how servers ended long ago."""


class Rescue:
    """Removes dead servers and decides about the jobs that they leave behind.

    Arguments:
        lost: what becomes of a job whose server is gone.
        announce: tells the filters of what was written.
    """

    def __init__(
        self,
        storage: StorageProvider,
        membership: Membership,
        interval: float,
        lost: Callable[[Job, ServerLostError], Outcome],
        announce: Callable[[Outcome], None],
    ) -> None:
        self._storage = storage
        self._membership = membership
        self._interval = interval
        self._lost = lost
        self._announce = announce
        self._known: frozenset[UUID] = frozenset()
        self._searched_at = float("-inf")
        self._ends = ServerEnds(storage)
        self._tidied_at = float("-inf")
        self._asked = self._answered = 0

    def ask(self) -> None:
        """Rescue with the next tick, master or not: somebody has removed a server."""
        self._asked += 1

    def tick(self) -> float:
        if (asked := self._asked) != self._answered:
            self._rescue_orphans()
            self._answered = asked
        if not self._membership.is_master:
            self._searched_at = float("-inf")
            return 60.0  # being elected wakes us
        servers, dead = self._membership.servers, self._membership.dead
        if dead and self._membership.is_steady:
            for server in self._storage.remove_dead(dead):
                _log.warning(
                    "server %s (%s) is dead: its last heartbeat was at %s", server.name, server.id, server.last_heartbeat
                )
            self._searched_at = float("-inf")
        registered = frozenset(server.id for server in servers)
        if self._known - registered or time.monotonic() - self._searched_at >= THOROUGH_SECONDS:
            self._rescue_orphans()
        self._known = registered
        if time.monotonic() - self._tidied_at >= TIDY_SECONDS:
            self._ends.tidy()
            self._tidied_at = time.monotonic()
        return self._interval

    def _rescue_orphans(self) -> None:
        while orphans := self._storage.orphans(BATCH):
            ends = self._ends.known()
            errors = [ServerLostError(job.server_name or "?", ends.get(str(job.server_id))) for job in orphans]
            outcomes = [self._lost(job, error) for job, error in zip(orphans, errors, strict=True)]
            written = self._storage.update([outcome.update for outcome in outcomes])
            for outcome in outcomes:
                if outcome.job.id in written:
                    _log.warning(
                        "job %s was with %s, which is gone: %s",
                        outcome.job.id,
                        outcome.job.server_name,
                        outcome.update.state,
                    )
                    self._announce(outcome)
            if len(orphans) < BATCH:
                break
        self._searched_at = time.monotonic()
