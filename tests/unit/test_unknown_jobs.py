"""How long a job waits for a server that knows it, and since when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobrunr.jobs import Job
from jobrunr.retries import GiveUp
from jobrunr.states import JobState
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing import TestClock
from jobrunr.testing.contract.decisions import fail, requeue, retry_at_once
from jobrunr.testing.factories import a_stored_job, announced, processing, written
from jobrunr.transitions import hand_back, leave, reschedule
from jobrunr.unknown_jobs import Leave, decide_about_unknown, left_since

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


class Cluster:
    """One job, and servers that take it again and again."""

    def __init__(self) -> None:
        self.clock = TestClock(NOON)
        self.storage = MemoryStorageProvider(self.clock)
        self._server = announced(self.storage)
        self.job = processing(self.storage, self._server)

    def decides(self, grace: timedelta = HOUR) -> Leave | GiveUp:
        return decide_about_unknown(self.job, self.clock.now(), grace)

    def leaves(self, delay: timedelta = SECOND) -> None:
        """And when it is due, a server takes it."""
        self.job = written(self.storage, leave(self.job, self.clock.now(), "it is unknown here", delay=delay))
        self.clock.advance(delay)
        self.takes()

    def takes(self) -> None:
        self.storage.promote(1)
        (self.job,) = self.storage.claim(self._server.id, self._server.name, 1)

    def by(self, *changes: Callable[[Job, datetime], object]) -> None:
        """Something else happens to it, and a server takes it."""
        for change in changes:
            update = change(self.job, self.clock.advance(SECOND))
            self.job = written(self.storage, update)  # type: ignore[arg-type]
        self.takes()


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def test_the_waits_grow_up_to_a_minute_and_end_with_the_grace(cluster: Cluster) -> None:
    waits = []
    while isinstance(decision := cluster.decides(timedelta(minutes=5)), Leave):
        assert decision.until == NOON + timedelta(minutes=5)
        waits.append(decision.delay.total_seconds())
        cluster.leaves(decision.delay)
    assert waits == [1, 1, 2, 4, 8, 16, 32, 60, 60, 60, 56]
    assert decision == GiveUp("no server that took it in 5 min knew it")
    assert len(cluster.job.history) == 5, "however often it was left"


@given(
    waited=st.timedeltas(timedelta(seconds=-5), 2 * HOUR),
    grace=st.timedeltas(timedelta(microseconds=1), timedelta(days=1)),
)
def test_a_job_is_left_as_long_as_the_grace_lasts_and_not_longer(waited: timedelta, grace: timedelta) -> None:
    decision = decide_about_unknown(a_stored_job(JobState.PROCESSING, NOON), NOON + waited, grace)
    assert isinstance(decision, GiveUp) is (waited >= grace)
    if isinstance(decision, Leave):
        assert timedelta() < decision.delay <= timedelta(minutes=1)
        assert NOON + waited + decision.delay <= decision.until


def test_the_first_server_that_does_not_know_it_begins(cluster: Cluster) -> None:
    assert left_since(cluster.job) is None
    cluster.leaves()
    cluster.leaves()
    assert left_since(cluster.job) == NOON


def handed_back(*, begun: bool) -> Callable[[Job, datetime], object]:
    return lambda job, now: hand_back(job, now, "it stops", begun=begun)


def test_being_handed_back_unbegun_ends_no_waiting(cluster: Cluster) -> None:
    cluster.leaves()
    cluster.by(handed_back(begun=False))
    assert left_since(cluster.job) == NOON
    cluster.leaves()
    cluster.leaves()
    assert left_since(cluster.job) == NOON


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param([handed_back(begun=True)], id="a server knew it"),
        pytest.param([retry_at_once], id="it failed"),
        pytest.param([lambda job, now: leave(job, now, "why", delay=HOUR), requeue], id="somebody requeued it"),
        pytest.param([fail, requeue], id="it failed for good"),
        pytest.param(
            [
                lambda job, now: leave(job, now, "why", delay=HOUR),
                lambda job, now: reschedule(job, now, now, "by hand"),
            ],
            id="somebody rescheduled it",
        ),
    ],
)
def test_whatever_else_happens_begins_anew(cluster: Cluster, changes: list[Callable[[Job, datetime], object]]) -> None:
    cluster.leaves()
    assert left_since(cluster.job) == NOON
    cluster.by(*changes)
    assert left_since(cluster.job) is None
    anew = cluster.clock.now()
    cluster.leaves()
    assert left_since(cluster.job) == anew
