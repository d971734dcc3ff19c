"""Who is taken for dead: by what was seen of his heartbeats, and not by what time they tell."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from jobrunr.server.silence import Silence
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing import TestClock
from jobrunr.testing.factories import a_server, announced
from tests.server.conftest import a_member, eventually

NOW = datetime(2026, 7, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
STEPS = pytest.mark.parametrize("step", [HOUR, -HOUR], ids=["forwards", "back"])


class TestSilence:
    def test_it_lasts_from_the_first_look_at_a_heartbeat_to_the_last(self) -> None:
        now = 100.0
        silence = Silence(lambda: now)
        server = a_server(last_heartbeat=NOW)
        for now in (100.0, 101.0, 105.0):  # noqa: B007 - the clock of the silence
            silence.look([server])
        now = 200.0
        assert silence.of(server) == 5.0, "nobody looked since"

    @pytest.mark.parametrize("step", [timedelta(microseconds=1), HOUR, -HOUR])
    def test_any_other_heartbeat_ends_it(self, step: timedelta) -> None:
        now = 100.0
        silence = Silence(lambda: now)
        server = a_server(last_heartbeat=NOW)
        silence.look([server])
        now = 105.0
        heard = replace(server, last_heartbeat=NOW + step)
        silence.look([heard])
        assert silence.of(heard) == 0.0


@pytest.fixture
def storage(clock: TestClock) -> Iterator[MemoryStorageProvider]:
    with MemoryStorageProvider(clock) as storage:
        storage.set_up()
        yield storage


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@STEPS
def test_when_the_clock_of_the_database_is_set_nobody_who_lives_is_dead(
    storage: MemoryStorageProvider, clock: TestClock, step: timedelta
) -> None:
    first = a_member(storage, timeout=60)
    clock.advance(seconds=1)
    second = a_member(storage, timeout=60)
    clock.advance(seconds=step.total_seconds())

    first.tick()

    assert first.is_master
    assert first.dead == ()
    second.tick()
    first.tick()
    assert (first.is_master, second.is_master) == (True, False)
    assert first.dead == second.dead == ()


@STEPS
def test_who_died_before_the_clock_of_the_database_was_set_is_noticed_all_the_same(
    storage: MemoryStorageProvider, clock: TestClock, step: timedelta
) -> None:
    dead = announced(storage)
    survivor = a_member(storage, timeout=0.2)
    clock.advance(seconds=step.total_seconds())

    eventually(lambda: survivor.tick() >= 0 and bool(survivor.dead))

    assert [server.id for server in survivor.dead] == [dead.id]
    assert survivor.is_master


def test_while_clocks_stand_still_nobody_is_dead(storage: MemoryStorageProvider) -> None:
    """As in tests of applications, which turn the clock by hand."""
    one, other = a_member(storage, timeout=0.01), a_member(storage, timeout=0.01)
    eventually(lambda: one.tick() >= 0 and one._silence.of(other._record) > 0.05)
    assert one.dead == ()
