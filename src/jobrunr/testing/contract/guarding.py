"""Who may write about a job: the guards of `update`."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from jobrunr.ids import JobId, new_token
from jobrunr.jobs import Job, JobUpdate
from jobrunr.server_record import ServerRecord
from jobrunr.states import JobState
from jobrunr.storage.contract import Retention, StorageProvider
from jobrunr.testing.clock import TestClock
from jobrunr.testing.contract.base import Contract
from jobrunr.testing.contract.decisions import (
    Decision,
    by_the_owner,
    fail,
    hand_back,
    requeue,
    rescue,
    retry,
    retry_at_once,
    succeed,
    withdraw,
)
from jobrunr.testing.factories import (
    a_job,
    announced,
    deleted,
    enqueued,
    present,
    processing,
    scheduled,
    succeeded,
    written,
)


def is_refused(storage: StorageProvider, update: JobUpdate) -> bool:
    """Whether an update is answered with a lost race, and changes nothing."""
    before = storage.get(update.job_id)
    answer = storage.update([update])
    assert storage.get(update.job_id) == before
    return update.job_id not in answer


class GuardingByToken(Contract):
    """The owner of a run writes about it, and nobody else does in its name."""

    @by_the_owner
    def test_the_owner_writes_once_per_run(self, storage: StorageProvider, clock: TestClock, decide: Decision) -> None:
        job = processing(storage)

        assert storage.update([decide(job, clock.now())]) == {job.id}

        assert present(storage, job).version == job.version + 1
        assert present(storage, job).state is decide(job, clock.now()).state

    @by_the_owner
    def test_a_wrong_token_changes_nothing(self, storage: StorageProvider, clock: TestClock, decide: Decision) -> None:
        job = processing(storage)
        assert is_refused(storage, replace(decide(job, clock.now()), token=new_token()))

    def test_the_token_of_another_job_changes_nothing(self, storage: StorageProvider, clock: TestClock) -> None:
        job, other = processing(storage), processing(storage)
        assert is_refused(storage, replace(succeed(job, clock.now()), token=other.claim_token))

    def test_an_update_without_a_guard_changes_nothing(self, storage: StorageProvider, clock: TestClock) -> None:
        job = processing(storage)
        assert is_refused(storage, replace(succeed(job, clock.now()), token=None))

    def test_an_update_without_a_guard_does_not_match_a_job_without_a_token(
        self, storage: StorageProvider, clock: TestClock
    ) -> None:
        job = enqueued(storage)
        assert is_refused(storage, replace(withdraw(job, clock.now()), version=None))

    @by_the_owner
    def test_an_update_of_the_owner_is_recognised_when_it_is_sent_again(
        self, storage: StorageProvider, clock: TestClock, decide: Decision
    ) -> None:
        job = processing(storage)
        update = decide(job, clock.now())
        storage.update([update])
        before = storage.get(job.id)
        clock.advance(seconds=5)

        assert storage.update([update]) == {job.id}

        assert storage.get(job.id) == before

    def test_a_success_is_recognised_after_its_time_of_keeping(self, storage: StorageProvider, clock: TestClock) -> None:
        job = processing(storage)
        update = succeed(job, clock.now())
        storage.update([update])
        storage.expire(Retention(delete_succeeded_after=timedelta(0)), 10)
        assert storage.update([update]) == {job.id}
        assert present(storage, job).state is JobState.DELETED

    def test_a_retry_is_recognised_after_it_was_promoted(self, storage: StorageProvider, clock: TestClock) -> None:
        job = processing(storage)
        update = retry(job, clock.now())
        storage.update([update])
        clock.advance(minutes=1)
        storage.promote(10)
        assert storage.update([update]) == {job.id}
        assert present(storage, job).state is JobState.ENQUEUED

    @pytest.mark.parametrize(("first", "then"), [(hand_back, succeed), (succeed, fail), (retry, succeed), (fail, retry)])
    def test_a_second_and_different_outcome_of_one_run_is_refused(
        self, storage: StorageProvider, clock: TestClock, first: Decision, then: Decision
    ) -> None:
        job = processing(storage)
        storage.update([first(job, clock.now())])
        assert is_refused(storage, then(job, clock.advance(seconds=1)))

    @by_the_owner
    def test_an_owner_whose_job_was_rescued_is_refused(
        self, storage: StorageProvider, clock: TestClock, decide: Decision
    ) -> None:
        job = processing(storage)
        assert storage.update([rescue(job, clock.now())]) == {job.id}
        assert present(storage, job).claim_token is None
        assert is_refused(storage, decide(job, clock.now()))

    @by_the_owner
    def test_an_owner_whose_job_runs_elsewhere_is_refused(
        self, storage: StorageProvider, clock: TestClock, decide: Decision
    ) -> None:
        job = processing(storage)
        storage.update([rescue(job, clock.now())])
        other = announced(storage)
        (again,) = storage.claim(other.id, other.name, 1)

        assert is_refused(storage, decide(job, clock.now()))
        assert storage.update([decide(again, clock.now())]) == {job.id}

    def test_an_owner_whose_job_runs_on_the_same_server_again_is_refused(
        self, storage: StorageProvider, server: ServerRecord, clock: TestClock
    ) -> None:
        job = processing(storage, server)
        storage.update([retry_at_once(job, clock.now())])
        storage.claim(server.id, server.name, 1)
        assert is_refused(storage, succeed(job, clock.now()))

    @by_the_owner
    def test_an_owner_whose_job_was_deleted_is_refused(
        self, storage: StorageProvider, clock: TestClock, decide: Decision
    ) -> None:
        job = processing(storage)
        written(storage, withdraw(job, clock.now()))
        assert is_refused(storage, decide(job, clock.now()))

    def test_an_owner_whose_job_was_deleted_and_requeued_is_refused(
        self, storage: StorageProvider, clock: TestClock
    ) -> None:
        job = processing(storage)
        written(storage, requeue(written(storage, withdraw(job, clock.now())), clock.now()))
        assert is_refused(storage, succeed(job, clock.now()))

    def test_an_owner_whose_job_is_removed_is_refused(self, storage: StorageProvider, clock: TestClock) -> None:
        job = processing(storage)
        written(storage, withdraw(job, clock.now()))
        storage.expire(Retention(purge_deleted_after=timedelta(0)), 10)
        assert storage.update([succeed(job, clock.now())]) == frozenset()
        assert storage.get(job.id) is None

    def test_a_rescuer_that_comes_after_the_owner_is_refused(self, storage: StorageProvider, clock: TestClock) -> None:
        job = processing(storage)
        storage.update([succeed(job, clock.now())])
        assert is_refused(storage, rescue(job, clock.advance(seconds=1)))

    def test_of_two_rescuers_the_second_is_refused(self, storage: StorageProvider, clock: TestClock) -> None:
        job = processing(storage)
        storage.update([rescue(job, clock.now())])
        assert is_refused(storage, rescue(job, clock.advance(seconds=1)))


class GuardingByVersion(Contract):
    """A person changes what the person saw, and nothing that has changed since."""

    def test_the_version_that_was_read_holds(self, storage: StorageProvider, clock: TestClock) -> None:
        job = enqueued(storage)
        assert storage.update([withdraw(job, clock.now())]) == {job.id}
        assert present(storage, job).version == job.version + 1

    @pytest.mark.parametrize("off_by", [-1, 1, 1_000])
    def test_a_stale_version_changes_nothing(self, storage: StorageProvider, clock: TestClock, off_by: int) -> None:
        job = enqueued(storage)
        assert is_refused(storage, replace(withdraw(job, clock.now()), version=job.version + off_by))

    def test_a_claim_makes_the_version_stale(self, storage: StorageProvider, server: ServerRecord, clock: TestClock) -> None:
        job = enqueued(storage)
        storage.claim(server.id, server.name, 1)
        assert is_refused(storage, withdraw(job, clock.now()))

    def test_a_promotion_makes_the_version_stale(self, storage: StorageProvider, clock: TestClock) -> None:
        job = scheduled(storage, clock.now())
        storage.promote(1)
        assert is_refused(storage, withdraw(job, clock.now()))

    def test_an_expiry_makes_the_version_stale(self, storage: StorageProvider, clock: TestClock) -> None:
        job = succeeded(storage)
        storage.expire(Retention(delete_succeeded_after=timedelta(0)), 1)
        assert is_refused(storage, requeue(job, clock.now()))

    @by_the_owner
    def test_an_outcome_makes_the_version_stale(self, storage: StorageProvider, clock: TestClock, decide: Decision) -> None:
        job = processing(storage)
        storage.update([decide(job, clock.now())])
        assert is_refused(storage, withdraw(job, clock.now()))

    def test_a_change_of_a_person_is_written_once_however_often_it_is_sent(
        self, storage: StorageProvider, clock: TestClock
    ) -> None:
        update = withdraw(enqueued(storage), clock.now())
        storage.update([update])
        before = storage.get(update.job_id)

        storage.update([update])
        storage.update([update, update])

        assert storage.get(update.job_id) == before

    def test_a_job_that_is_removed_is_no_error(self, storage: StorageProvider, clock: TestClock) -> None:
        job = deleted(storage)
        storage.expire(Retention(purge_deleted_after=timedelta(0)), 1)
        assert storage.update([requeue(job, clock.now())]) == frozenset()
        assert storage.get(job.id) is None


class GuardingBatches(Contract):
    """Every update of a batch stands for itself."""

    def test_no_updates_are_no_error(self, storage: StorageProvider) -> None:
        assert storage.update([]) == frozenset()

    def test_updates_that_lose_do_not_hold_up_the_others(self, storage: StorageProvider, clock: TestClock) -> None:
        jobs = [processing(storage) for _ in range(6)]
        lost = [jobs[0], jobs[3], jobs[5]]
        for job in lost:
            storage.update([rescue(job, clock.now())])
        nobody = replace(succeed(jobs[1], clock.now()), job_id=JobId.new())

        answer = storage.update([nobody, *(succeed(job, clock.now()) for job in jobs)])

        assert answer == {job.id for job in jobs if job not in lost}
        assert {job.id for job in jobs if present(storage, job).state is JobState.SUCCEEDED} == answer

    def test_a_batch_that_is_sent_again_is_recognised_whole(self, storage: StorageProvider, clock: TestClock) -> None:
        batch = [decide(processing(storage), clock.now()) for decide in (succeed, fail, retry, hand_back)]
        assert storage.update(batch) == {update.job_id for update in batch}
        before = [present(storage, update) for update in batch]

        assert storage.update(batch[::-1]) == {update.job_id for update in batch}

        assert [present(storage, update) for update in batch] == before

    def test_a_batch_can_hold_changes_of_every_kind(self, storage: StorageProvider, clock: TestClock) -> None:
        decisions = [succeed, fail, retry, retry_at_once, hand_back, rescue, withdraw]
        jobs: list[Job] = [processing(storage, queue=str(n)) for n, _ in enumerate(decisions)]
        wanted = [decide(job, clock.now()) for decide, job in zip(decisions, jobs, strict=True)]

        assert storage.update(wanted) == {job.id for job in jobs}

        assert [present(storage, job).state for job in jobs] == [update.state for update in wanted]
        assert [present(storage, job).past for job in jobs] == [update.past for update in wanted]

    def test_of_two_changes_for_one_job_in_a_batch_the_first_is_written(
        self, storage: StorageProvider, clock: TestClock
    ) -> None:
        job = processing(storage)

        assert storage.update([succeed(job, clock.now()), fail(job, clock.now())]) == {job.id}

        assert present(storage, job).state is JobState.SUCCEEDED
        assert present(storage, job).version == job.version + 1

    def test_the_same_change_twice_in_a_batch_is_written_once(self, storage: StorageProvider, clock: TestClock) -> None:
        job = processing(storage)
        update = fail(job, clock.now())

        assert storage.update([update, update]) == {job.id}

        assert present(storage, job).version == job.version + 1
        assert present(storage, job).past == update.past

    def test_a_batch_of_a_thousand_is_written(
        self, storage: StorageProvider, server: ServerRecord, clock: TestClock
    ) -> None:
        storage.insert([a_job() for _ in range(1_000)])
        jobs = storage.claim(server.id, server.name, 1_000)

        assert len(storage.update([succeed(job, clock.now()) for job in jobs])) == 1_000

        assert storage.counts()[JobState.SUCCEEDED] == 1_000
