"""What a server does about jobs that it runs by what the storage says, and not by what it knows itself."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest

from jobrunr.jobs import Job
from jobrunr.server.run import Outcome
from jobrunr.server.stocktaking import Stocktaking
from jobrunr.states import JobState
from jobrunr.storage.contract import Claim
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing import TestClock
from jobrunr.testing.factories import announced, claim_of, processing, written
from jobrunr.transitions import succeed

INTERVAL, LONGEST_CALL = 30.0, 10.0


class Scene:
    """A server that runs nothing, and a storage that knows better."""

    def __init__(self) -> None:
        self.clock = TestClock()
        self.storage = MemoryStorageProvider(self.clock)
        self.storage.set_up()
        self.server = announced(self.storage)
        self.id: UUID = self.server.id
        self.known: set[Claim] = set()
        self.announced: list[Outcome] = []
        self.seconds = 100.0
        self.stocktaking = Stocktaking(
            self.storage,
            self,
            lambda: self.known,
            self.storage,
            self.announced.append,
            interval=INTERVAL,
            longest_call=LONGEST_CALL,
            monotonic=lambda: self.seconds,
        )

    def claimed(self) -> Job:
        return processing(self.storage, self.server)

    def look_after(self, seconds: float) -> float:
        self.seconds += seconds
        self.clock.advance(seconds=seconds)
        return self.stocktaking.tick()

    def state_of(self, job: Job) -> JobState:
        found = self.storage.get(job.id)
        assert found is not None
        return found.state


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.storage.close()


def test_what_nobody_knows_of_for_longer_than_a_call_takes_is_handed_back_unharmed(scene: Scene) -> None:
    job = scene.claimed()
    assert scene.look_after(0) == 15.0, "an answer may be on its way"
    assert scene.look_after(14.9) < INTERVAL
    assert scene.state_of(job) is JobState.PROCESSING

    scene.look_after(0.1)

    again = scene.storage.get(job.id)
    assert again is not None
    assert (again.state, again.attempts, again.failures, again.crashes) == (JobState.ENQUEUED, 1, 0, 0)
    assert "knows nothing of this run" in (again.reason or "")
    assert [(outcome.job.id, outcome.update.state) for outcome in scene.announced] == [(job.id, JobState.ENQUEUED)]
    assert scene.look_after(0) == INTERVAL


def test_what_is_known_at_any_look_is_left_alone(scene: Scene) -> None:
    waits, ends, is_known_late = scene.claimed(), scene.claimed(), scene.claimed()
    scene.known = {claim_of(waits)}
    scene.look_after(0)
    scene.known = {claim_of(waits), claim_of(is_known_late)}
    written(scene.storage, succeed(ends, scene.storage.now()))
    assert scene.look_after(20) == INTERVAL
    scene.known = {claim_of(waits)}
    scene.look_after(1)

    assert [scene.state_of(job) for job in (waits, is_known_late)] == [JobState.PROCESSING] * 2
    assert scene.announced == []


def test_the_jobs_of_other_servers_are_their_own_business(scene: Scene) -> None:
    job = processing(scene.storage, announced(scene.storage))
    scene.look_after(0)
    scene.look_after(100)
    assert scene.state_of(job) is JobState.PROCESSING


def test_a_job_that_moves_on_while_it_is_looked_at_is_left_alone(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    job = scene.claimed()
    scene.look_after(0)
    get = scene.storage.get

    def get_and_end(job_id: UUID) -> Job | None:
        found = get(job_id)
        scene.clock.advance(seconds=1)
        scene.storage.update([succeed(job, scene.storage.now())])
        return found

    monkeypatch.setattr(scene.storage, "get", get_and_end)
    scene.look_after(100)

    monkeypatch.undo()
    assert scene.state_of(job) is JobState.SUCCEEDED
    assert scene.announced == []
