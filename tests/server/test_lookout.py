"""When a server is taken for gone because nobody holds its lock: not at the first look, and not by everybody."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

import pytest

from jobrunr.server.lookout import LONGEST_LOOK, LOOK, SECOND_LOOK, STEADY, Lookout
from jobrunr.server_record import ServerRecord
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing.clock import TestClock
from jobrunr.testing.factories import a_server


class Locks(MemoryStorageProvider):
    """Knows whose locks are free because a test says so."""

    def __init__(self, clock: TestClock) -> None:
        super().__init__(clock)
        self.free: set[UUID] = set()
        self.asked: list[set[UUID]] = []

    def absent(self, server_ids: Collection[UUID]) -> frozenset[UUID]:
        self.asked.append(set(server_ids))
        return frozenset(self.free.intersection(server_ids))


class Scene:
    """Some servers, the first of them the master, and one of them that looks."""

    def __init__(self, count: int, *, looker: int, has_presence: bool = True) -> None:
        self.clock = TestClock()
        self.storage = Locks(self.clock)
        self.seconds = 100.0
        self.present_for = STEADY
        self.noticed = 0
        for _ in range(count):
            self.storage.announce(a_server(has_presence=has_presence))
            self.pass_time(0.001)
        self.servers: list[ServerRecord] = self.storage.servers()
        self.id = self.servers[looker].id
        self.look_again()
        self.lookout = Lookout(self.storage, self, self.notice, monotonic=lambda: self.seconds)

    @property
    def is_master(self) -> bool:
        return self.servers[0].id == self.id

    def look_again(self) -> None:
        self.servers = self.storage.servers()

    def notice(self) -> None:
        self.noticed += 1

    def pass_time(self, seconds: float) -> None:
        self.seconds += seconds
        self.clock.advance(seconds=seconds)

    def dies(self, *which: int) -> None:
        self.storage.free.update(self.servers[each].id for each in which)

    def look(self) -> int:
        """Look, and wait for as long as it wants to wait. How many are left."""
        self.pass_time(self.lookout.tick())
        return len(self.storage.servers())


def test_a_server_is_gone_when_its_lock_was_free_twice() -> None:
    scene = Scene(3, looker=0)
    assert scene.look() == 3
    scene.dies(2)
    assert scene.look() == 3
    assert scene.look() == 2
    assert scene.noticed == 1
    assert [server.id for server in scene.servers] == [server.id for server in scene.storage.servers()]


def test_two_looks_right_after_each_other_are_only_one() -> None:
    scene = Scene(2, looker=0)
    scene.dies(1)
    scene.lookout.tick()
    scene.pass_time(SECOND_LOOK - 0.01)
    assert scene.look() == 2
    assert scene.look() == 1


def test_a_server_that_takes_its_lock_again_is_there() -> None:
    scene = Scene(2, looker=0)
    scene.dies(1)
    scene.look()
    scene.storage.free.clear()
    assert scene.look() == 2
    scene.dies(1)
    assert scene.look() == 2, "what was seen before does not count any more"


def test_a_server_that_was_heard_in_between_is_there() -> None:
    scene = Scene(2, looker=0)
    scene.dies(1)
    for _ in range(4):
        assert scene.look() == 2
        scene.storage.heartbeat(scene.servers[1])
    assert scene.look() == 2
    assert scene.look() == 1


def test_who_did_not_hold_its_own_lock_for_a_while_judges_nobody() -> None:
    scene = Scene(2, looker=0)
    scene.dies(1)
    scene.present_for = STEADY - 0.1
    assert [scene.look() for _ in range(3)] == [2, 2, 2]
    assert scene.storage.asked == []
    scene.present_for = STEADY
    scene.look()
    scene.present_for = 0.0
    assert scene.look() == 2
    scene.present_for = STEADY
    assert scene.look() == 2, "looks from before and after a gap do not count together"
    assert scene.look() == 1


def test_servers_without_a_lock_are_judged_by_their_heartbeats_alone() -> None:
    scene = Scene(2, looker=0, has_presence=False)
    scene.dies(1)
    assert [scene.look() for _ in range(3)] == [2, 2, 2]
    assert scene.storage.asked == []


def test_a_server_alone_asks_nothing() -> None:
    scene = Scene(1, looker=0)
    assert scene.lookout.tick() == LOOK
    assert scene.storage.asked == []


def test_the_second_notices_that_the_master_is_gone_and_is_master_then() -> None:
    scene = Scene(3, looker=1)
    scene.dies(0)
    assert scene.look() == 3
    assert scene.look() == 2
    assert scene.is_master
    assert scene.noticed == 1


def test_a_server_leaves_it_to_those_that_are_older() -> None:
    scene = Scene(3, looker=2)
    scene.dies(0)
    assert [scene.look() for _ in range(3)] == [3, 3, 3]
    scene.dies(1)
    assert scene.look() == 3
    assert scene.look() == 1


def test_nobody_looks_at_those_that_are_younger_unless_it_is_master() -> None:
    scene = Scene(3, looker=1)
    scene.look()
    assert scene.storage.asked == [{scene.servers[0].id}]


@pytest.mark.parametrize(("looker", "delay"), [(0, LOOK), (1, LOOK), (2, 2 * LOOK), (3, 3 * LOOK), (9, LONGEST_LOOK)])
def test_the_more_would_notice_before_the_rarer_the_look(looker: int, delay: float) -> None:
    assert Scene(10, looker=looker).lookout.tick() == delay


def test_all_that_are_gone_are_removed_together() -> None:
    scene = Scene(5, looker=0)
    scene.dies(1, 3, 4)
    scene.look()
    assert scene.look() == 2
    assert scene.noticed == 1


def test_one_that_is_there_again_is_not_removed_with_the_others() -> None:
    scene = Scene(3, looker=0)
    scene.dies(1, 2)
    scene.look()
    back = scene.servers[1].id
    scene.storage.free.remove(back)
    assert scene.look() == 2
    assert back in {server.id for server in scene.servers}
