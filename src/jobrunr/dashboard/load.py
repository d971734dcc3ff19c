"""How much CPU servers use: they tell how many seconds they have used, and when."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from jobrunr.server_record import ServerRecord


class Reading(msgspec.Struct, frozen=True):
    """What a server said with a heartbeat."""

    at: datetime
    cpu: float
    """Seconds of CPU used by then."""


class Load:
    """Remembers the last two heartbeats of each server that was seen."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readings: dict[UUID, tuple[Reading, Reading]] = {}

    def shares(self, servers: Sequence[ServerRecord]) -> Mapping[UUID, float]:
        """How many CPUs each server used between its last two heartbeats, as far as both were seen.

        Arguments:
            servers: all that there are; others are forgotten.
        """
        with self._lock:
            self._readings = {
                server.id: self._with(server, server.last_heartbeat) for server in servers if server.last_heartbeat
            }
            return {id: share for id, readings in self._readings.items() if (share := used(*readings)) is not None}

    def _with(self, server: ServerRecord, at: datetime) -> tuple[Reading, Reading]:
        new = Reading(at, server.cpu)
        before, last = self._readings.get(server.id, (new, new))
        return (last, new) if new.at > last.at else (before, last)


def used(before: Reading, after: Reading) -> float | None:
    """How many CPUs were used between two readings; None where that cannot be told.

    >>> at = datetime(2026, 1, 1, tzinfo=UTC)
    >>> used(Reading(at, 10.0), Reading(at + timedelta(seconds=4), 12.0))
    0.5
    """
    seconds = (after.at - before.at).total_seconds()
    return (after.cpu - before.cpu) / seconds if seconds > 0 and after.cpu >= before.cpu else None
