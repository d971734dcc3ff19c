"""Making jobs: `insert`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from jobrunr.history import StateChange
from jobrunr.ids import JobId
from jobrunr.jobs import Job, JobDetails, JobExtras, NewJob
from jobrunr.server_record import ServerRecord
from jobrunr.states import JobState
from jobrunr.storage.contract import JobQuery, StorageProvider
from jobrunr.testing.clock import TestClock
from jobrunr.testing.contract.base import TEXTS, Contract, Maker
from jobrunr.testing.factories import (
    a_job,
    a_scheduled_job,
    awaiting,
    deleted,
    enqueued,
    present,
    processing,
    scheduled,
    succeeded,
)

MOMENTS = [
    datetime(1000, 1, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2026, 2, 28, 23, 59, 59, 1, tzinfo=UTC),
    datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
    datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
]

EVERYTHING = {
    "queue": "reports",
    "priority": 7,
    "labels": ("tenant-a", "mail", "tenant-a "),
    "retries": 3,
    "reason": "because",
    "recurring_job_id": "nightly",
    "extras": JobExtras(
        retry={"type": "fixed", "seconds": [1.5, 2]},
        retry_on=("builtins.OSError",),
        no_retry_on=("builtins.ValueError", "builtins.TypeError"),
        delete_succeeded_after=timedelta(minutes=1, microseconds=1),
        delete_failed_after=timedelta(days=400),
        purge_deleted_after=timedelta(0),
        timeout=timedelta(minutes=1, microseconds=1),
        execution="process",
        log_context={"request": "r-17", "n": 1, "deep": {"list": [None, True]}},
    ),
}


def asked_for(job: Job) -> NewJob:
    """The part of a stored job that was asked for."""
    return NewJob(
        id=job.id,
        details=job.details,
        name=job.name,
        state=job.state,
        run_at=job.run_at,
        reason=job.reason,
        queue=job.queue,
        priority=job.priority,
        labels=job.labels,
        retries=job.retries,
        recurring_job_id=job.recurring_job_id,
        extras=job.extras,
    )


class Creating(Contract):
    """What `insert` stores, and what it leaves alone."""

    def test_a_new_job_comes_back_as_it_was_given(self, storage: StorageProvider) -> None:
        job = a_job()

        assert storage.insert([job]) == {job.id}

        assert asked_for(present(storage, job)) == job

    def test_every_field_comes_back_as_it_was_given(self, storage: StorageProvider, clock: TestClock) -> None:
        job = a_scheduled_job(clock.now() + timedelta(days=1), **EVERYTHING)

        storage.insert([job])

        assert asked_for(present(storage, job)) == job

    def test_jobs_of_one_bulk_keep_their_own_fields(self, storage: StorageProvider, clock: TestClock) -> None:
        jobs = [
            a_scheduled_job(clock.now(), **EVERYTHING),
            a_job(),
            a_job(state=JobState.AWAITING, reason="for the other"),
            a_job(labels=("x",), retries=0),
            a_job(details=JobDetails("shop.mail:send_reminder", "{}"), name="remind"),
        ]

        storage.insert(jobs)

        assert [asked_for(present(storage, job)) for job in jobs] == jobs

    def test_an_id_comes_back_as_a_job_id(self, storage: StorageProvider) -> None:
        job = enqueued(storage)
        assert type(job.id) is JobId

    def test_an_enqueued_job_is_enqueued_from_now_on(self, storage: StorageProvider, clock: TestClock) -> None:
        clock.advance(microseconds=123_457)
        job = enqueued(storage, reason="because")

        assert (job.created_at, job.state_at, job.enqueued_at) == (clock.now(),) * 3
        assert (job.scheduled_at, job.started_at, job.finished_at, job.expires_at) == (None,) * 4
        assert job.history == (StateChange(state=JobState.ENQUEUED, at=clock.now(), reason="because"),)

    def test_a_scheduled_job_is_scheduled_from_now_on(self, storage: StorageProvider, clock: TestClock) -> None:
        due = clock.now() + timedelta(hours=1)
        job = scheduled(storage, due, reason="because")

        assert (job.created_at, job.state_at, job.scheduled_at, job.run_at) == (clock.now(), clock.now(), clock.now(), due)
        assert (job.enqueued_at, job.started_at, job.finished_at, job.expires_at) == (None,) * 4
        assert job.history == (StateChange(state=JobState.SCHEDULED, at=clock.now(), run_at=due, reason="because"),)

    def test_an_awaiting_job_waits_from_now_on(self, storage: StorageProvider, clock: TestClock) -> None:
        job = awaiting(storage, reason="because")

        assert (job.created_at, job.state_at) == (clock.now(),) * 2
        assert (job.scheduled_at, job.enqueued_at, job.started_at, job.finished_at, job.expires_at) == (None,) * 5
        assert job.history == (StateChange(state=JobState.AWAITING, at=clock.now(), reason="because"),)

    def test_a_new_job_was_never_run(self, storage: StorageProvider) -> None:
        job = enqueued(storage)
        assert (job.attempts, job.failures, job.past) == (0, 0, "")
        assert (job.claim_token, job.server_id, job.server_name, job.result_json, job.unreadable) == (None,) * 5

    @pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
    def test_the_text_of_a_job_comes_back_to_the_last_character(self, storage: StorageProvider, text: str) -> None:
        short = text[:100]
        job = a_job(
            name=text[:500],
            reason=text[:500],
            labels=(short,),
            queue=short,
            details=JobDetails("shop.mail:größe", text),
            extras=JobExtras(log_context={short: text}),
        )

        storage.insert([job])

        assert asked_for(present(storage, job)) == job

    def test_a_mebibyte_of_arguments_comes_back(self, storage: StorageProvider) -> None:
        job = a_job(details=JobDetails("shop.mail:send", '{"text":"' + "x" * 2**20 + '"}'))
        storage.insert([job])
        assert present(storage, job).details == job.details

    def test_nothing_and_an_empty_text_are_not_the_same(self, storage: StorageProvider) -> None:
        nothing, empty = a_job(reason=None, recurring_job_id=None), a_job(reason="", recurring_job_id="")

        storage.insert([nothing, empty])

        assert asked_for(present(storage, nothing)) == nothing
        assert asked_for(present(storage, empty)) == empty

    @pytest.mark.parametrize("moment", MOMENTS, ids=str)
    def test_a_moment_comes_back_to_the_microsecond(self, storage: StorageProvider, moment: datetime) -> None:
        run_at = scheduled(storage, moment).run_at
        assert run_at == moment
        assert run_at is not None
        assert run_at.utcoffset() == timedelta(0)

    def test_the_moment_of_another_zone_is_the_same_moment(self, storage: StorageProvider) -> None:
        here = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=5, minutes=45)))
        run_at = scheduled(storage, here).run_at
        assert run_at == here
        assert run_at is not None
        assert run_at.utcoffset() == timedelta(0)

    @pytest.mark.parametrize("priority", [-32768, -1, 0, 32767])
    def test_a_priority_comes_back(self, storage: StorageProvider, priority: int) -> None:
        assert enqueued(storage, priority=priority).priority == priority

    def test_an_empty_bulk_is_no_error(self, storage: StorageProvider) -> None:
        assert storage.insert([]) == frozenset()

    def test_a_bulk_of_thousands_is_stored(self, storage: StorageProvider) -> None:
        jobs = [a_job() for _ in range(2_500)]

        assert storage.insert(jobs) == {job.id for job in jobs}

        assert storage.counts()[JobState.ENQUEUED] == 2_500
        assert asked_for(present(storage, jobs[-1])) == jobs[-1]

    def test_an_id_that_exists_is_left_as_it_is(self, storage: StorageProvider, clock: TestClock) -> None:
        before = enqueued(storage)
        clock.advance(minutes=1)

        assert storage.insert([a_job(id=before.id, name="another", queue="another", labels=("another",))]) == frozenset()

        assert storage.get(before.id) == before

    @pytest.mark.parametrize("make", [scheduled, awaiting, processing, succeeded, deleted])
    def test_an_id_that_exists_is_left_as_it_is_whatever_its_state(self, storage: StorageProvider, make: Maker) -> None:
        before = make(storage)
        assert storage.insert([a_job(id=before.id)]) == frozenset()
        assert storage.get(before.id) == before

    def test_a_bulk_with_ids_that_exist_stores_the_others(self, storage: StorageProvider) -> None:
        old = enqueued(storage)
        first, last = a_job(), a_job()

        assert storage.insert([first, a_job(id=old.id, name="another"), last]) == {first.id, last.id}

        assert storage.get(old.id) == old
        assert asked_for(present(storage, first)) == first
        assert asked_for(present(storage, last)) == last

    def test_of_two_with_one_id_in_a_bulk_the_first_is_stored(self, storage: StorageProvider) -> None:
        first = a_job(name="first")
        assert storage.insert([first, a_job(id=first.id, name="second")]) == {first.id}
        assert present(storage, first).name == "first"

    def test_the_same_bulk_again_changes_nothing(self, storage: StorageProvider) -> None:
        jobs = [a_job() for _ in range(3)]
        storage.insert(jobs)
        before = [present(storage, job) for job in jobs]

        assert storage.insert(jobs) == frozenset()

        assert [present(storage, job) for job in jobs] == before

    def test_a_job_that_is_refused_takes_its_whole_bulk_with_it(self, storage: StorageProvider) -> None:
        if self.takes_any_text is not None:
            pytest.skip(self.takes_any_text)

        with pytest.raises(Exception):  # noqa: B017, PT011 - which error it is, the driver decides
            storage.insert([*(a_job() for _ in range(1_000)), a_job(name="\ud800"), a_job()])

        assert len(storage.find(JobQuery())) == 0

    def test_a_job_can_be_claimed_as_soon_as_it_is_stored(self, storage: StorageProvider, server: ServerRecord) -> None:
        job = a_job()
        storage.insert([job])
        assert [claim.id for claim in storage.claim(server.id, server.name, 1)] == [job.id]
