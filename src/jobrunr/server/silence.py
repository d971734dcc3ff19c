"""For how long other servers have said nothing, by what we have seen ourselves and by our own clock, which never steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from uuid import UUID

import msgspec

from jobrunr.server_record import ServerRecord


class _Heard(msgspec.Struct, frozen=True):
    """A heartbeat, and when we saw it for the first time and for the last time, in monotonic seconds."""

    heartbeat: datetime | None
    since: float
    until: float


class Silence:
    """Remembers which heartbeats it saw.

    The clock of the database may be set, or another database may take over, with another clock: then all heartbeats are old,
    or from the future, although everybody lives. So it is no heartbeat's age that counts here, but whether it is still the
    same.

    Arguments:
        monotonic: tells the time, in seconds.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._heard: dict[UUID, _Heard] = {}

    def look(self, servers: Iterable[ServerRecord]) -> None:
        """Take in the servers as they are stored at this moment."""
        now = self._monotonic()
        before, self._heard = self._heard, {}
        for server in servers:
            heard = before.get(server.id)
            since = heard.since if heard is not None and heard.heartbeat == server.last_heartbeat else now
            self._heard[server.id] = _Heard(server.last_heartbeat, since, now)

    def of(self, server: ServerRecord) -> float:
        """For how many seconds a server was surely silent: from one look to another, with nothing assumed since."""
        heard = self._heard[server.id]
        return heard.until - heard.since
