"""When the supervisor speaks in the storage for a server, and what it leaves behind for one that died."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from types import SimpleNamespace
from uuid import UUID

import pytest

from jobrunr.errors import StorageUnavailableError
from jobrunr.server.lookout import SECOND_LOOK
from jobrunr.server.server_ends import NOTE, ServerEnds
from jobrunr.server.supervisor.messages import Rescue, quiet_for
from jobrunr.server.supervisor.voice import Voice
from jobrunr.server_record import ServerRecord
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing.clock import TestClock
from jobrunr.testing.factories import announced

INTERVAL = 3.0


class Watched(MemoryStorageProvider):
    """Writes down what it was asked to do, and can be away."""

    def __init__(self, clock: TestClock) -> None:
        super().__init__(clock)
        self.done: list[str] = []
        self.is_away = False
        self.last_words: ServerRecord | None = None
        """A server whose heartbeat arrives just before somebody is removed."""

    def heartbeat(self, server: ServerRecord) -> list[ServerRecord]:
        self._do("heartbeat")
        return super().heartbeat(server)

    def put_metadata(self, name: str, value: str, owner: str = "cluster", *, overwrite: bool = True) -> str:
        self._do("note")
        return super().put_metadata(name, value, owner, overwrite=overwrite)

    def remove_dead(self, servers: Sequence[ServerRecord]) -> list[ServerRecord]:
        self._do("remove")
        if self.last_words is not None:
            super().heartbeat(self.last_words)
            self.last_words = None
        return super().remove_dead(servers)

    def _do(self, what: str) -> None:
        if self.is_away:
            raise StorageUnavailableError("memory://", "it is away")
        self.done.append(what)


class Process(SimpleNamespace):
    """A child that was heard a while ago."""

    def __init__(self, server: ServerRecord | None, heard_at: float) -> None:
        super().__init__(server=server, heard_at=heard_at, spoken_at=float("-inf"), told=[], has_place=True)

    def send(self, message: object) -> bool:
        if self.has_place:
            self.told.append(message)
        return self.has_place


class Scene:
    """A voice, two servers, and a clock that is turned by hand."""

    def __init__(self) -> None:
        self.clock = TestClock()
        self.storage = Watched(self.clock)
        self.now = 100.0
        self.processes = [Process(announced(self.storage, name=name), self.now) for name in ("one", "other")]
        self.voice = Voice(self.storage, lambda: self.processes, quiet_for(INTERVAL), monotonic=lambda: self.now)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.clock.advance(seconds=seconds)

    def dies(self, process: Process, how: str = "its process was killed") -> UUID:
        self.processes.remove(process)
        self.voice.died(process.server, how)
        server_id: UUID = process.server.id
        return server_id

    def registered(self) -> set[str]:
        return {server.name for server in self.storage.servers()}


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_nothing_is_said_for_servers_that_say_it_themselves(scene: Scene) -> None:
    for _ in range(100):
        scene.pass_time(scene.voice.tick())
        for process in scene.processes:
            process.heard_at = scene.now
    assert scene.storage.done == []


def test_the_heartbeats_of_a_server_that_says_nothing_are_sent_and_no_others(scene: Scene) -> None:
    silent, heard = scene.processes
    scene.pass_time(0.4)
    heard.heard_at = scene.now

    scene.voice.tick()

    beaten = {server.name: server.last_heartbeat for server in scene.storage.servers()}
    assert beaten[silent.server.name] == scene.clock.now()
    assert beaten[heard.server.name] == scene.clock.now() - timedelta(seconds=0.4)


@pytest.mark.parametrize(("interval", "longest"), [(3.0, SECOND_LOOK), (60.0, SECOND_LOOK), (0.1, 0.1)])
def test_from_its_last_word_on_nobody_has_the_time_to_take_it_for_gone(interval: float, longest: float) -> None:
    """Not even if its lock is lost the moment it falls silent, or if the time-out is three heartbeats of a moment each."""
    scene = Scene()
    scene.voice = Voice(scene.storage, lambda: scene.processes[:1], quiet_for(interval), monotonic=lambda: scene.now)
    heard = [scene.now]
    for _ in range(100):
        scene.pass_time(scene.voice.tick())
        if len(scene.storage.done) >= len(heard):
            heard.append(scene.now)
    assert len(heard) > 30
    gaps = [later - earlier for earlier, later in pairwise(heard)]
    assert max(gaps) < longest
    assert min(gaps) >= quiet_for(interval) - 1e-6, "and no more is said than is needed"


def test_one_that_was_taken_for_dead_after_all_is_left_alone_until_it_joins_anew(scene: Scene) -> None:
    silent = scene.processes[0]
    scene.storage.sign_off(silent.server.id)
    scene.pass_time(1)
    scene.voice.tick()
    assert silent.server is None
    scene.pass_time(1)
    scene.voice.tick()
    assert scene.storage.done.count("heartbeat") == 3


def test_how_a_server_died_is_noted_before_it_is_removed_and_another_rescues_its_jobs(scene: Scene) -> None:
    dead, other = scene.processes
    server_id = scene.dies(dead, "its process ended with exit code 3")

    scene.voice.tick()

    assert scene.storage.done == ["note", "remove"]
    assert ServerEnds(scene.storage).known() == {str(server_id): "its process ended with exit code 3"}
    assert scene.registered() == {"other"}
    assert other.told == [Rescue()]
    scene.voice.tick()
    assert other.told == [Rescue()]


def test_a_server_that_says_nothing_or_is_not_up_is_not_asked_to_rescue(scene: Scene) -> None:
    dead, other = scene.processes
    scene.dies(dead)
    scene.pass_time(1)
    scene.voice.tick()
    assert other.told == []

    fresh = Process(None, scene.now)
    scene.processes.append(fresh)
    scene.voice.tick()
    assert fresh.told == []
    fresh.server, fresh.has_place = announced(scene.storage), False
    scene.voice.tick()
    fresh.has_place = True
    scene.voice.tick()
    assert (fresh.told, other.told) == ([Rescue()], [])


def test_a_last_heartbeat_that_arrives_late_saves_nobody(scene: Scene) -> None:
    dead = scene.processes[0]
    scene.storage.last_words = dead.server
    scene.pass_time(0.1)
    scene.dies(dead)
    scene.voice.tick()
    assert scene.registered() == {"one", "other"}
    scene.voice.tick()
    assert scene.registered() == {"other"}


def test_while_the_storage_is_away_the_dead_are_remembered(scene: Scene) -> None:
    scene.dies(scene.processes[0])
    scene.storage.is_away = True
    with pytest.raises(StorageUnavailableError):
        scene.voice.tick()
    scene.storage.is_away = False
    scene.voice.tick()
    assert scene.registered() == {"other"}


def test_what_is_known_of_ends_is_forgotten_after_an_hour_and_nonsense_at_once(scene: Scene) -> None:
    ends = ServerEnds(scene.storage)
    old, new = scene.processes
    ends.note(old.server.id, "old")
    scene.pass_time(3601)
    ends.note(new.server.id, "new")
    scene.storage.put_metadata(NOTE, json.dumps({"how": 17}), "somebody")
    assert ends.known() == {str(old.server.id): "old", str(new.server.id): "new"}

    ends.tidy()

    assert scene.storage.find_metadata(NOTE).keys() == {str(new.server.id)}
