"""How a server makes itself known to the others."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from jobrunr.clock import SyncedClock
from jobrunr.storage.contract import Presence
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing import TestClock
from tests.server.conftest import a_member


class Lock(Presence):
    """Held because a test says so."""

    held_for = 0.0

    def close(self) -> None:
        self.held_for = 0.0


class Locks(MemoryStorageProvider):
    """Gives each server a lock that it does not hold yet."""

    def presence(self, server_id: UUID) -> Lock:
        self.lock = Lock()
        return self.lock


def test_the_others_miss_the_lock_of_a_server_only_once_it_was_held() -> None:
    with Locks() as storage:
        storage.set_up()
        member = a_member(storage, timeout=60)
        member.tick()
        assert [server.has_presence for server in storage.servers()] == [False]

        storage.lock.held_for = 1.0
        member.tick()
        assert [server.has_presence for server in storage.servers()] == [True]

        storage.lock.held_for = 0.0  # lost: it has to be missed, or it would be of no use
        member.tick()
        assert [server.has_presence for server in storage.servers()] == [True]

        storage.sign_off(member.id)
        member.tick()
        assert [server.has_presence for server in storage.servers()] == [False], "a new id, a new lock"


def test_its_clock_is_kept_in_step_by_heartbeats() -> None:
    theirs = TestClock()
    with MemoryStorageProvider(theirs) as storage:
        storage.set_up()
        ours = SyncedClock(storage.now)
        member = a_member(storage, timeout=60, clock=ours)
        theirs.advance(hours=1)
        assert theirs.now() - ours.now() > timedelta(minutes=59)
        member.tick()
        assert abs(theirs.now() - ours.now()) < timedelta(minutes=1)
