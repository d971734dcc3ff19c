"""Looks whether the processes of other servers are still there, long before their heartbeats are too old.

A process that lives holds the lock of its presence. That the lock is free does not prove that the process is gone: its
connection may have been cut a moment ago. So it must be free twice, with a while in between in which the server was not
heard either; and after the database itself was away nobody looks, until all have had the time to take their locks anew.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol
from uuid import UUID

import msgspec

from jobrunr.server_record import ServerRecord
from jobrunr.storage.contract import StorageProvider

_log = logging.getLogger("jobrunr.server")

LOOK = 1.0
"""Seconds between two looks while all is well."""
LONGEST_LOOK = 5.0
"""The same, for those of whom many others would notice it first."""
SECOND_LOOK = 0.75
"""Seconds until somebody who seems to be gone is looked at again."""
STEADY = 5.0
"""Seconds for which the one who looks must have held its own lock without a gap."""


class Comrades(Protocol):
    """Knows who the servers are, and who we are among them; see `Membership`."""

    @property
    def id(self) -> UUID: ...
    @property
    def is_master(self) -> bool: ...
    @property
    def present_for(self) -> float: ...
    @property
    def servers(self) -> Sequence[ServerRecord]: ...
    def look_again(self) -> None: ...


class _Missed(msgspec.Struct, frozen=True):
    """A server whose lock was free."""

    record: ServerRecord
    """As it was right after that look."""
    at: float


class Lookout:
    """The service that looks. The master looks at all others. Any other server looks at those that are older than itself,
    and does something if none of them is left: then it is the master.

    Arguments:
        storage: where the servers are registered.
        membership: who they are, and who of them we are.
        noticed: is called after servers were removed.
        monotonic: tells the time, in seconds.
    """

    def __init__(
        self,
        storage: StorageProvider,
        membership: Comrades,
        noticed: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._storage = storage
        self._membership = membership
        self._noticed = noticed
        self._monotonic = monotonic
        self._missed: dict[UUID, _Missed] = {}

    def tick(self) -> float:
        others, everybody = self._watched()
        absent: frozenset[UUID] = frozenset()
        if others and self._membership.present_for >= STEADY:
            absent = self._storage.absent([server.id for server in others])
        if not absent or (everybody and len(absent) < len(others)):
            self._missed.clear()
            return min(LOOK * max(len(others), 1), LONGEST_LOOK) if everybody else LOOK
        self._remove(missed for server_id, missed in self._missed.items() if server_id in absent)
        self._remember(absent)
        return SECOND_LOOK if self._missed else LOOK

    def _watched(self) -> tuple[list[ServerRecord], bool]:
        """Whom to look at, and whether it is ours to do something only if everybody of them is gone."""
        servers, ours = self._membership.servers, self._membership.id
        if self._membership.is_master:
            return [server for server in servers if server.id != ours and server.has_presence], False
        older = servers[: next((place for place, server in enumerate(servers) if server.id == ours), 0)]
        return (list(older) if all(server.has_presence for server in older) else []), True

    def _remove(self, missed: Iterable[_Missed]) -> None:
        """Remove those who were missed a while ago already, unless they were heard since."""
        gone = [each.record for each in missed if self._monotonic() - each.at >= SECOND_LOOK]
        removed = self._storage.remove_dead(gone) if gone else []
        for server in removed:
            _log.warning("server %s (%s) is gone: nobody holds its lock any more", server.name, server.id)
        for server in gone:
            self._missed.pop(server.id, None)
        if removed:
            self._membership.look_again()
            self._noticed()

    def _remember(self, absent: frozenset[UUID]) -> None:
        """Keep in mind who is missed, since when, and when they were heard last."""
        self._missed = {server_id: missed for server_id, missed in self._missed.items() if server_id in absent}
        if absent <= self._missed.keys():
            return
        now = self._monotonic()
        for server in self._storage.servers():
            if server.id in absent:
                self._missed.setdefault(server.id, _Missed(server, now))
