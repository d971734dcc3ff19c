"""What each kind of change writes: `update`. What guards it is in `guarding`."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from msgspec.structs import replace

from jobrunr import transitions
from jobrunr.history import StateChange
from jobrunr.jobs import JobExtras
from jobrunr.server_record import ServerRecord
from jobrunr.states import JobState
from jobrunr.storage.contract import StorageProvider
from jobrunr.testing.clock import TestClock
from jobrunr.testing.contract.base import Contract, Maker
from jobrunr.testing.contract.decisions import hand_back, leave, rescue, retry, retry_at_once, withdraw
from jobrunr.testing.factories import (
    an_exception,
    awaiting,
    deleted,
    enqueued,
    failed,
    present,
    processing,
    scheduled,
    succeeded,
    written,
)


class Updating(Contract):
    """What a change writes, for each kind of change."""

    def test_success_writes_the_end_and_the_result(self, storage: StorageProvider, clock: TestClock) -> None:
        job = processing(storage, reason="because")
        now = clock.advance(seconds=2, microseconds=7)

        done = written(storage, transitions.succeed(job, now, '{"n":[1,"ü"]}'))

        assert done == replace(
            job,
            state=JobState.SUCCEEDED,
            version=done.version,
            state_at=now,
            finished_at=now,
            result_json='{"n":[1,"ü"]}',
        )
        assert done.version > job.version
        assert done.history == (*job.history, StateChange(state=JobState.SUCCEEDED, at=now))

    def test_success_without_a_result_has_none(self, storage: StorageProvider) -> None:
        assert succeeded(storage, result_json=None).result_json is None

    def test_a_result_of_null_is_a_result(self, storage: StorageProvider) -> None:
        assert succeeded(storage, result_json="null").result_json == "null"

    def test_success_after_a_wait_keeps_the_whole_story(
        self, storage: StorageProvider, server: ServerRecord, clock: TestClock
    ) -> None:
        due = clock.now() + timedelta(minutes=1)
        scheduled(storage, due, reason="tomorrow")
        clock.set(due)
        storage.promote(1)
        (job,) = storage.claim(server.id, server.name, 1)

        done = written(storage, transitions.succeed(job, clock.now()))

        assert done.run_at == due
        assert [change.state for change in done.history] == [
            JobState.SCHEDULED,
            JobState.ENQUEUED,
            JobState.PROCESSING,
            JobState.SUCCEEDED,
        ]

    def test_failure_moves_the_attempt_into_the_past(self, storage: StorageProvider, clock: TestClock) -> None:
        job = processing(storage)
        now = clock.advance(seconds=2)

        done = written(storage, transitions.fail(job, now, "it failed", an_exception("größe 😀\n" * 2_000)))

        assert (done.state, done.state_at, done.attempts, done.failures) == (JobState.FAILED, now, 1, 1)
        assert (done.scheduled_at, done.enqueued_at, done.started_at, done.finished_at) == (None,) * 4
        assert (done.server_id, done.server_name, done.result_json) == (None, job.server_name, None)
        assert done.history[:-1] == job.history
        assert done.history[-1] == StateChange(
            state=JobState.FAILED, at=now, reason="it failed", exception=an_exception("größe 😀\n" * 2_000)
        )

    def test_a_retry_plans_the_next_attempt_in_the_same_write(self, storage: StorageProvider, clock: TestClock) -> None:
        job = processing(storage)
        now = clock.advance(seconds=2)

        again = written(storage, retry(job, now))

        due = now + timedelta(seconds=3)
        assert (again.state, again.state_at, again.scheduled_at, again.run_at) == (JobState.SCHEDULED, now, now, due)
        assert (again.reason, again.attempts, again.failures) == ("retry 1 of 10", 1, 1)
        assert (again.enqueued_at, again.started_at, again.finished_at, again.server_id) == (None,) * 4
        assert again.server_name == job.server_name  # that had it last
        assert again.history == (
            *job.history,
            StateChange(state=JobState.FAILED, at=now, reason="it failed", exception=an_exception()),
            StateChange(state=JobState.SCHEDULED, at=now, run_at=due, reason="retry 1 of 10"),
        )

    def test_a_retry_at_once_is_enqueued_in_the_same_write(
        self, storage: StorageProvider, server: ServerRecord, clock: TestClock
    ) -> None:
        job = processing(storage, server)
        now = clock.advance(seconds=2)

        again = written(storage, retry_at_once(job, now))

        assert (again.state, again.state_at, again.enqueued_at, again.run_at) == (JobState.ENQUEUED, now, now, None)
        assert [change.state for change in again.history[-2:]] == [JobState.FAILED, JobState.ENQUEUED]
        assert [claim.id for claim in storage.claim(server.id, server.name, 1)] == [job.id]

    def test_a_job_that_is_handed_back_waits_again_unharmed(
        self, storage: StorageProvider, server: ServerRecord, clock: TestClock
    ) -> None:
        job = processing(storage, server)
        now = clock.advance(seconds=2)

        back = written(storage, hand_back(job, now))

        assert (back.state, back.enqueued_at, back.attempts, back.failures) == (JobState.ENQUEUED, now, 0, 0)
        assert (back.started_at, back.server_id, back.server_name) == (None, None, server.name)
        assert [claim.attempts for claim in storage.claim(server.id, server.name, 1)] == [1]

    def test_a_job_that_is_left_for_other_servers_is_due_later_and_unharmed(
        self, storage: StorageProvider, server: ServerRecord, clock: TestClock
    ) -> None:
        job = processing(storage, server)
        for number in range(3):
            now = clock.advance(seconds=2)

            left = written(storage, leave(job, now))

            due = now + timedelta(seconds=4)
            assert (left.state, left.scheduled_at, left.run_at) == (JobState.SCHEDULED, now, due), number
            assert (left.attempts, left.failures, left.server_id, left.server_name) == (0, 0, None, server.name)
            assert left.history == (
                StateChange(state=JobState.ENQUEUED, at=job.created_at),
                StateChange(
                    state=JobState.PROCESSING,
                    at=job.created_at,
                    server_id=server.id,
                    server_name=server.name,
                    attempt=1,
                ),
                StateChange(state=JobState.SCHEDULED, at=now, run_at=due, reason="it is unknown here"),
            )
            clock.set(due)
            assert storage.promote(1).count == 1
            (job,) = storage.claim(server.id, server.name, 1)
            assert job.attempts == 1

    def test_a_rescued_job_tells_what_became_of_its_server(self, storage: StorageProvider, clock: TestClock) -> None:
        job = processing(storage)
        rescued = written(storage, rescue(job, clock.advance(seconds=20)))
        assert rescued.history[:-2] == job.history
        assert [change.reason for change in rescued.history[-2:]] == ["its server is gone", "crash 1 of 3"]

    @pytest.mark.parametrize("make", [awaiting, scheduled, enqueued, processing, succeeded, failed])
    def test_a_person_can_delete_a_job(self, storage: StorageProvider, clock: TestClock, make: Maker) -> None:
        job = make(storage)
        now = clock.advance(seconds=2)

        gone = written(storage, withdraw(job, now))

        assert (gone.state, gone.state_at, gone.claim_token) == (JobState.DELETED, now, None)
        assert gone.history == (*job.history, StateChange(state=JobState.DELETED, at=now, reason="withdrawn"))

    @pytest.mark.parametrize("make", [awaiting, scheduled, succeeded, failed, deleted])
    def test_a_person_can_requeue_a_job(self, storage: StorageProvider, clock: TestClock, make: Maker) -> None:
        job = make(storage)
        now = clock.advance(seconds=2)

        again = written(storage, transitions.requeue(job, now, "again"))

        assert (again.state, again.state_at, again.enqueued_at, again.run_at) == (JobState.ENQUEUED, now, now, None)
        assert (again.failures, again.result_json, again.expires_at, again.finished_at) == (0, None, None, None)
        assert again.history == (*job.history, StateChange(state=JobState.ENQUEUED, at=now, reason="again"))

    @pytest.mark.parametrize("make", [awaiting, scheduled, enqueued, succeeded, failed, deleted])
    def test_a_person_can_reschedule_a_job(self, storage: StorageProvider, clock: TestClock, make: Maker) -> None:
        job = make(storage)
        now = clock.advance(seconds=2)
        due = datetime(2027, 7, 1, 12, tzinfo=timezone(timedelta(hours=-7)))

        later = written(storage, transitions.reschedule(job, now, due, "later"))

        assert (later.state, later.state_at, later.scheduled_at, later.run_at) == (JobState.SCHEDULED, now, now, due)
        assert later.run_at is not None
        assert later.run_at.utcoffset() == timedelta(0)
        assert (later.enqueued_at, later.failures) == (None, 0)
        assert later.history == (*job.history, StateChange(state=JobState.SCHEDULED, at=now, run_at=due, reason="later"))

    def test_the_time_of_keeping_is_written_with_the_end(self, storage: StorageProvider, clock: TestClock) -> None:
        job = processing(storage, extras=JobExtras(delete_succeeded_after=timedelta(hours=1, microseconds=1)))
        done = written(storage, transitions.succeed(job, clock.now()))
        assert done.expires_at == clock.now() + timedelta(hours=1, microseconds=1)

    def test_what_a_change_does_not_speak_of_stays(self, storage: StorageProvider, clock: TestClock) -> None:
        fields: dict[str, Any] = {"labels": ("a",), "queue": "q", "priority": 3, "retries": 2, "recurring_job_id": "nightly"}
        job = processing(storage, **fields, extras=JobExtras(log_context={"request": "r-17"}))

        done = written(storage, retry(job, clock.advance(seconds=1)))

        kept = (
            "id",
            "details",
            "name",
            "created_at",
            "labels",
            "queue",
            "priority",
            "retries",
            "recurring_job_id",
            "extras",
        )
        assert [getattr(done, field) for field in kept] == [getattr(job, field) for field in kept]

    def test_a_long_life_is_kept_whole(self, storage: StorageProvider, server: ServerRecord, clock: TestClock) -> None:
        job = processing(storage, server)
        for _ in range(30):
            written(storage, retry_at_once(job, clock.advance(seconds=1)))
            (job,) = storage.claim(server.id, server.name, 1)

        history = present(storage, job).history

        assert [change.attempt for change in history if change.state is JobState.PROCESSING] == list(range(1, 32))
        assert list(history) == sorted(history, key=lambda change: change.at)
