from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest

from jobrunr.jobs import Job, NewJob
from jobrunr.states import JobState
from jobrunr.storage.contract import StorageProvider
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing.clock import TestClock
from jobrunr.testing.factories import (
    a_job,
    a_scheduled_job,
    a_server,
    a_stored_job,
    announced,
    awaiting,
    claim_of,
    deleted,
    enqueued,
    failed,
    present,
    processing,
    scheduled,
    succeeded,
    written,
)
from jobrunr.transitions import delete, succeed

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class TestTurningTheClock:
    def test_it_stands_still_until_it_is_turned(self) -> None:
        clock = TestClock(NOON)
        assert clock.now() == clock.now() == NOON
        assert clock.advance(timedelta(hours=1), minutes=1, seconds=-1) == NOON + timedelta(hours=1, seconds=59)
        assert clock.now() == NOON + timedelta(hours=1, seconds=59)

    def test_it_can_be_set_to_any_time_and_shows_it_in_utc(self) -> None:
        clock = TestClock()
        clock.set(datetime(2020, 7, 1, 14, tzinfo=timezone(timedelta(hours=2))))
        assert clock.now() == datetime(2020, 7, 1, 12, tzinfo=UTC)
        assert clock.now().utcoffset() == timedelta(0)

    @pytest.mark.parametrize("turn", [TestClock, TestClock().set])
    def test_a_time_without_a_zone_is_refused(self, turn: type[TestClock]) -> None:
        with pytest.raises(ValueError, match="no time zone"):
            turn(datetime(2026, 1, 1))  # noqa: DTZ001


class TestValues:
    def test_every_job_and_server_is_another(self) -> None:
        assert a_job().id != a_job().id
        assert a_server().id != a_server().id

    def test_any_field_can_be_given(self) -> None:
        assert isinstance(a_job(priority=5, queue="mail"), NewJob)
        assert (a_job(priority=5).priority, a_scheduled_job(NOON, queue="mail").queue, a_server(workers=2).workers) == (
            5,
            "mail",
            2,
        )

    def test_a_field_that_does_not_exist_is_refused(self) -> None:
        with pytest.raises(TypeError, match="colour"):
            a_job(colour="red")

    @pytest.mark.parametrize("state", [state for state in JobState if state is not JobState.PROCESSED])
    def test_a_stored_job_has_the_fields_of_its_state(self, state: JobState) -> None:
        job = a_stored_job(state, at=NOON, name="mine")
        assert (job.state, job.state_at, job.name) == (state, NOON, "mine")
        assert (job.claim_token is not None) == (state not in {JobState.AWAITING, JobState.SCHEDULED, JobState.ENQUEUED})


class TestInAStorage:
    @pytest.fixture
    def storage(self) -> Iterator[StorageProvider]:
        with MemoryStorageProvider(TestClock()) as storage:
            yield storage

    def test_each_factory_brings_a_job_into_its_state(self, storage: StorageProvider) -> None:
        factories: dict[JobState, Callable[..., Job]] = {
            JobState.PROCESSING: processing,
            JobState.SUCCEEDED: succeeded,
            JobState.FAILED: failed,
            JobState.DELETED: deleted,
            JobState.AWAITING: awaiting,
            JobState.SCHEDULED: scheduled,
            JobState.ENQUEUED: enqueued,
        }
        for state, make in factories.items():
            job = make(storage, labels=("a",))
            assert (job.state, job.labels) == (state, ("a",))
            assert storage.get(job.id) == job

    def test_a_job_can_be_claimed_by_a_server_that_is_there(self, storage: StorageProvider) -> None:
        server = announced(storage)
        assert processing(storage, server).server_id == server.id
        assert len(storage.servers()) == 1

    def test_a_job_that_would_be_claimed_behind_another_is_refused(self, storage: StorageProvider) -> None:
        ahead = enqueued(storage)
        with pytest.raises(ValueError, match=f"{ahead.id} was ahead"):
            processing(storage)

    def test_a_job_of_another_queue_is_not_ahead(self, storage: StorageProvider) -> None:
        enqueued(storage)
        assert processing(storage, queue="mail").state is JobState.PROCESSING

    def test_an_update_that_was_lost_does_not_go_unnoticed(self, storage: StorageProvider) -> None:
        job = processing(storage)
        written(storage, succeed(job, storage.now()))
        with pytest.raises(ValueError, match="was not written"):
            written(storage, delete(job, storage.now(), "too late"))
        with pytest.raises(ValueError, match="was not written"):
            written(storage, None)

    def test_a_job_that_is_gone_does_not_go_unnoticed(self, storage: StorageProvider) -> None:
        with pytest.raises(ValueError, match="There is no job"):
            present(storage, a_job())

    def test_the_claim_of_a_job_that_has_none_does_not_go_unnoticed(self, storage: StorageProvider) -> None:
        job = processing(storage)
        assert claim_of(job).token == job.claim_token
        with pytest.raises(ValueError, match="never claimed"):
            claim_of(enqueued(storage))
