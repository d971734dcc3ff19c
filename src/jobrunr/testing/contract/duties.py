"""The duties of the master: `promote`, `orphans`, `expire`, `tidy`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from jobrunr.history import StateChange
from jobrunr.jobs import EXPIRED, JobExtras
from jobrunr.server_record import ServerRecord
from jobrunr.states import JobState
from jobrunr.storage.contract import Promotion, Retention, StorageProvider
from jobrunr.testing.clock import TestClock
from jobrunr.testing.contract.base import MANY, Contract, Maker
from jobrunr.testing.contract.decisions import BY_THE_OWNER, fail, requeue, rescue, succeed, withdraw
from jobrunr.testing.factories import (
    a_scheduled_job,
    announced,
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

TICK = timedelta(microseconds=1)
KEEP = timedelta(hours=1)
NEVER = Retention(delete_succeeded_after=None, delete_failed_after=None, purge_deleted_after=None)


class Promoting(Contract):
    """When a scheduled job is enqueued."""

    def test_a_job_is_promoted_when_it_is_due_and_not_before(self, storage: StorageProvider, clock: TestClock) -> None:
        due = clock.now() + KEEP
        job = scheduled(storage, due)

        clock.set(due - TICK)
        assert storage.promote(MANY) == Promotion(0, due)
        assert storage.get(job.id) == job

        clock.set(due)
        assert storage.promote(MANY) == Promotion(1, None)
        assert present(storage, job).state is JobState.ENQUEUED

    def test_it_tells_whether_jobs_wait_for_a_better_time(self, storage: StorageProvider, clock: TestClock) -> None:
        awaiting(storage)  # this one waits for something else
        assert not storage.promote(MANY).is_awaited

        awaiting(storage, run_at=clock.now() + KEEP)
        assert storage.promote(MANY) == Promotion(0, None, is_awaited=True)
        scheduled(storage, clock.now())
        assert storage.promote(MANY) == Promotion(1, None, is_awaited=True)

    def test_a_promoted_job_is_enqueued_from_now_on(self, storage: StorageProvider, clock: TestClock) -> None:
        job = scheduled(storage, clock.now() - TICK, reason="tomorrow")
        now = clock.advance(seconds=1)

        storage.promote(MANY)

        promoted = present(storage, job)
        assert promoted.version > job.version
        assert promoted == replace(job, state=JobState.ENQUEUED, version=promoted.version, state_at=now, enqueued_at=now)
        assert promoted.history == (*job.history, StateChange(state=JobState.ENQUEUED, at=now))

    def test_promotes_the_longest_overdue_first_and_no_more_than_the_limit(
        self, storage: StorageProvider, clock: TestClock
    ) -> None:
        now = clock.now()
        jobs = [scheduled(storage, now - timedelta(seconds=overdue)) for overdue in (2, 4, 1, 3)]
        later = scheduled(storage, now + KEEP).run_at

        assert storage.promote(2) == Promotion(2, now - timedelta(seconds=2))
        assert [present(storage, job).state for job in jobs] == [
            JobState.SCHEDULED,
            JobState.ENQUEUED,
            JobState.SCHEDULED,
            JobState.ENQUEUED,
        ]
        assert storage.promote(2) == Promotion(2, later)
        assert storage.promote(2) == Promotion(0, later)

    def test_says_when_the_next_job_is_due(self, storage: StorageProvider, clock: TestClock) -> None:
        assert storage.promote(MANY) == Promotion(0, None)
        for hours in (3, 1, 2):
            scheduled(storage, clock.now() + timedelta(hours=hours))
        assert storage.promote(MANY) == Promotion(0, clock.now() + timedelta(hours=1))

    def test_a_scheduled_job_without_a_time_is_never_due(self, storage: StorageProvider, clock: TestClock) -> None:
        job = enqueued(storage, state=JobState.SCHEDULED, run_at=None)
        other = scheduled(storage, clock.now() + KEEP)
        assert storage.promote(MANY) == Promotion(0, other.run_at)
        clock.advance(days=10_000)
        assert storage.promote(MANY) == Promotion(1, None)
        assert storage.get(job.id) == job

    @pytest.mark.parametrize("make", [awaiting, enqueued, processing, succeeded, failed, deleted])
    def test_promotes_nothing_that_is_not_scheduled(self, storage: StorageProvider, clock: TestClock, make: Maker) -> None:
        job = make(storage)
        clock.advance(days=10_000)
        assert storage.promote(MANY) == Promotion(0, None)
        assert storage.get(job.id) == job

    def test_a_job_that_left_scheduled_is_not_promoted_at_its_old_time(
        self, storage: StorageProvider, server: ServerRecord, clock: TestClock
    ) -> None:
        due = clock.now() + KEEP
        withdrawn = written(storage, withdraw(scheduled(storage, due), clock.now()))
        hurried = written(storage, requeue(scheduled(storage, due), clock.now()))
        awaits = awaiting(storage, run_at=due)

        clock.advance(days=1)

        assert storage.promote(MANY) == Promotion(0, None, is_awaited=True)
        assert [storage.get(job.id) for job in (withdrawn, hurried, awaits)] == [withdrawn, hurried, awaits]

    def test_promotes_thousands_in_pieces(self, storage: StorageProvider, clock: TestClock) -> None:
        storage.insert([a_scheduled_job(clock.now()) for _ in range(2_500)])
        assert [storage.promote(1_000).count for _ in range(4)] == [1_000, 1_000, 500, 0]
        assert storage.counts()[JobState.ENQUEUED] == 2_500


class Awaiting(Contract):
    """Which jobs wait for a better time."""

    def test_those_are_found_that_have_a_time_the_earliest_first(
        self, storage: StorageProvider, server: ServerRecord, clock: TestClock
    ) -> None:
        now = clock.now()
        later, sooner, third = (awaiting(storage, run_at=now + hours * KEEP) for hours in (2, 1, 3))
        awaiting(storage)
        for other in (failed, succeeded, deleted, enqueued):
            other(storage, run_at=now)
        scheduled(storage, now)

        assert storage.awaiting(MANY) == [sooner, later, third]
        assert storage.awaiting(2) == [sooner, later]

    def test_those_behind_one_are_found_page_by_page_whatever_became_of_it(
        self, storage: StorageProvider, server: ServerRecord, clock: TestClock
    ) -> None:
        now = clock.now()
        made = [awaiting(storage, run_at=now + hours * KEEP) for hours in (1, 2, 2, 2, 2, 3)]
        first = storage.awaiting(3)
        assert storage.update([withdraw(first[-1], now)])
        second = storage.awaiting(2, after=first[-1])
        third = storage.awaiting(2, after=second[-1])

        assert [job.run_at for job in (*first, *second, *third)] == [job.run_at for job in made]
        assert {job.id for job in (*first, *second, *third)} == {job.id for job in made}
        assert storage.awaiting(2, after=third[-1]) == []


class Rescuing(Contract):
    """Which jobs are orphans."""

    def test_a_job_whose_server_is_registered_is_no_orphan(self, storage: StorageProvider, clock: TestClock) -> None:
        processing(storage)
        clock.advance(days=1)
        assert storage.orphans(MANY) == []

    def test_a_job_whose_server_was_taken_for_dead_is_an_orphan(self, storage: StorageProvider) -> None:
        orphan = processing(storage)
        dead = storage.servers()
        processing(storage)
        storage.remove_dead(dead)
        assert storage.orphans(MANY) == [orphan]

    def test_a_job_whose_server_signed_off_is_an_orphan(self, storage: StorageProvider, server: ServerRecord) -> None:
        orphan = processing(storage, server)
        storage.sign_off(server.id)
        assert storage.orphans(MANY) == [orphan]

    def test_a_job_whose_server_came_back_is_no_orphan(self, storage: StorageProvider, server: ServerRecord) -> None:
        processing(storage, server)
        storage.sign_off(server.id)
        storage.announce(server)
        assert storage.orphans(MANY) == []

    def test_jobs_that_do_not_run_are_no_orphans(
        self, storage: StorageProvider, server: ServerRecord, clock: TestClock
    ) -> None:
        for decide in BY_THE_OWNER:
            storage.update([decide(processing(storage, server, queue=decide.__name__), clock.now())])
        for make in (awaiting, scheduled, enqueued, deleted):
            make(storage)
        storage.sign_off(server.id)
        assert storage.orphans(MANY) == []

    def test_finds_no_more_orphans_than_the_limit(self, storage: StorageProvider, server: ServerRecord) -> None:
        orphans = [processing(storage, server) for _ in range(3)]
        storage.sign_off(server.id)

        assert len(storage.orphans(2)) == 2
        assert sorted(job.id for job in storage.orphans(MANY)) == [job.id for job in orphans]

    def test_an_orphan_can_be_rescued_once(self, storage: StorageProvider, server: ServerRecord, clock: TestClock) -> None:
        processing(storage, server)
        storage.sign_off(server.id)
        (orphan,) = storage.orphans(1)

        assert storage.update([rescue(orphan, clock.now())]) == {orphan.id}

        assert storage.orphans(MANY) == []
        other = announced(storage)
        assert [job.id for job in storage.claim(other.id, other.name, MANY)] == [orphan.id]


class Expiring(Contract):
    """When finished jobs are deleted, and deleted ones removed."""

    @pytest.mark.parametrize(("make", "setting"), [(succeeded, "delete_succeeded_after"), (failed, "delete_failed_after")])
    def test_a_finished_job_is_deleted_when_its_time_is_over(
        self, storage: StorageProvider, clock: TestClock, make: Maker, setting: str
    ) -> None:
        job, retention = make(storage), replace(NEVER, **{setting: KEEP})

        clock.advance(KEEP - TICK)
        assert storage.expire(retention, MANY) == 0
        assert storage.get(job.id) == job

        now = clock.advance(TICK)
        assert storage.expire(retention, MANY) == 1
        gone = present(storage, job)
        assert (gone.state, gone.state_at, gone.expires_at) == (JobState.DELETED, now, None)
        assert gone.version > job.version
        assert gone.history == (*job.history, StateChange(state=JobState.DELETED, at=now, reason=EXPIRED))

    def test_a_deleted_job_is_removed_when_its_time_is_over(self, storage: StorageProvider, clock: TestClock) -> None:
        job, retention = deleted(storage), replace(NEVER, purge_deleted_after=KEEP)

        clock.advance(KEEP - TICK)
        assert storage.expire(retention, MANY) == 0
        assert storage.get(job.id) == job

        clock.advance(TICK)
        assert storage.expire(retention, MANY) == 1
        assert storage.get(job.id) is None

    @pytest.mark.parametrize("make", [succeeded, failed, deleted])
    def test_what_is_to_be_kept_for_ever_is(self, storage: StorageProvider, clock: TestClock, make: Maker) -> None:
        job = make(storage)
        clock.advance(days=100_000)
        assert storage.expire(NEVER, MANY) == 0
        assert storage.get(job.id) == job

    @pytest.mark.parametrize("make", [awaiting, scheduled, enqueued, processing])
    def test_a_job_that_is_not_finished_never_expires(self, storage: StorageProvider, clock: TestClock, make: Maker) -> None:
        job = make(storage)
        clock.advance(days=100_000)
        at_once = Retention(
            delete_succeeded_after=timedelta(0), delete_failed_after=timedelta(0), purge_deleted_after=timedelta(0)
        )
        assert storage.expire(at_once, MANY) == 0
        assert storage.get(job.id) == job

    @pytest.mark.parametrize("setting", [None, timedelta(0), timedelta(days=365)])
    @pytest.mark.parametrize(
        ("make", "rule", "name"),
        [
            (succeeded, JobExtras(delete_succeeded_after=KEEP), "delete_succeeded_after"),
            (failed, JobExtras(delete_failed_after=KEEP), "delete_failed_after"),
            (deleted, JobExtras(purge_deleted_after=KEEP), "purge_deleted_after"),
        ],
    )
    def test_a_rule_of_the_job_goes_before_the_setting(
        self,
        storage: StorageProvider,
        clock: TestClock,
        make: Any,
        rule: JobExtras,
        name: str,
        setting: timedelta | None,
    ) -> None:
        job, retention = make(storage, extras=rule), replace(NEVER, **{name: setting})

        clock.advance(KEEP - TICK)
        assert storage.expire(retention, MANY) == 0
        assert storage.get(job.id) == job

        clock.advance(TICK)
        assert storage.expire(retention, MANY) == 1
        assert storage.get(job.id) != job

    @pytest.mark.parametrize("make", [succeeded, failed])
    def test_a_job_that_expired_is_removed_by_its_own_rule(
        self, storage: StorageProvider, clock: TestClock, make: Any
    ) -> None:
        at_once = Retention(delete_succeeded_after=timedelta(0), delete_failed_after=timedelta(0), purge_deleted_after=KEEP)
        sooner = make(storage, queue="1", extras=JobExtras(purge_deleted_after=KEEP / 2))
        plain = make(storage, queue="2")
        later = make(storage, queue="3", extras=JobExtras(purge_deleted_after=KEEP * 2))
        now = clock.now()
        assert storage.expire(at_once, MANY) == 3

        def left() -> list[bool]:
            return [storage.get(job.id) is not None for job in (sooner, plain, later)]

        for passed, expected in [
            (KEEP / 2 - TICK, [True, True, True]),
            (KEEP / 2, [False, True, True]),
            (KEEP - TICK, [False, True, True]),
            (KEEP, [False, False, True]),
            (KEEP * 2 - TICK, [False, False, True]),
            (KEEP * 2, [False, False, False]),
        ]:
            clock.set(now + passed)
            storage.expire(at_once, MANY)
            assert left() == expected

    def test_a_job_that_lost_its_rule_by_a_new_start_is_kept_by_the_setting(
        self, storage: StorageProvider, clock: TestClock
    ) -> None:
        job = succeeded(storage, extras=JobExtras(delete_succeeded_after=KEEP))
        again = written(storage, requeue(job, clock.now()))
        clock.advance(KEEP * 2)
        assert storage.expire(NEVER, MANY) == 0
        assert storage.get(job.id) == again
        assert again.expires_at is None

    def test_deletes_and_removes_no_more_than_the_limit(self, storage: StorageProvider, clock: TestClock) -> None:
        for make in (succeeded, failed, deleted):
            for _ in range(3):
                make(storage)
        clock.advance(KEEP)
        retention = Retention(delete_succeeded_after=KEEP, delete_failed_after=KEEP, purge_deleted_after=KEEP)

        assert [storage.expire(retention, 4) for _ in range(3)] == [4, 4, 1]

        assert storage.expire(retention, 4) == 0
        assert storage.counts()[JobState.DELETED] == 6

    def test_what_is_deleted_now_is_not_removed_in_the_same_breath(self, storage: StorageProvider) -> None:
        job = succeeded(storage)
        at_once = Retention(delete_succeeded_after=timedelta(0), purge_deleted_after=timedelta(0))
        assert storage.expire(at_once, MANY) == 1
        assert present(storage, job).state is JobState.DELETED
        assert storage.expire(at_once, MANY) == 1
        assert storage.get(job.id) is None

    def test_an_expired_job_keeps_its_result_and_can_be_requeued(self, storage: StorageProvider, clock: TestClock) -> None:
        job = succeeded(storage)
        storage.expire(replace(NEVER, delete_succeeded_after=timedelta(0)), MANY)
        gone = present(storage, job)
        assert gone == replace(job, state=JobState.DELETED, version=gone.version)

        again = written(storage, requeue(gone, clock.advance(seconds=1)))

        assert again.history[:-1] == gone.history
        assert again.history[-1].state is JobState.ENQUEUED

    def test_removes_hundreds_at_once(self, storage: StorageProvider, server: ServerRecord, clock: TestClock) -> None:
        storage.insert([a_scheduled_job(clock.now()) for _ in range(600)])
        storage.promote(MANY)
        jobs = storage.claim(server.id, server.name, MANY)
        storage.update([succeed(job, clock.now()) if n % 2 else fail(job, clock.now()) for n, job in enumerate(jobs)])
        at_once = Retention(
            delete_succeeded_after=timedelta(0), delete_failed_after=timedelta(0), purge_deleted_after=timedelta(0)
        )
        assert sum(storage.expire(at_once, 500) for _ in range(4)) == 1_200
        assert set(storage.counts().values()) == {0}


class Tidying(Contract):
    """`tidy` changes nothing that anybody sees."""

    def test_the_same_jobs_and_counts_are_there_afterwards(self, storage: StorageProvider) -> None:
        jobs = [make(storage) for make in (succeeded, failed, deleted, processing, awaiting, scheduled, enqueued)]
        counts = storage.counts()

        storage.tidy()
        storage.tidy()

        assert [storage.get(job.id) for job in jobs] == jobs
        assert storage.counts() == counts
