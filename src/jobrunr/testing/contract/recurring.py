"""Storing recurring jobs: `save_recurring`, `delete_recurring`, `declare`, and finding them again."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from msgspec.structs import replace

from jobrunr import transitions
from jobrunr.jobs import Job, JobDetails, JobExtras, JobUpdate
from jobrunr.recurring_job import JobTemplate, Misfire, RecurringJob, SkipReason, Skips
from jobrunr.server_record import ServerRecord
from jobrunr.states import JobState
from jobrunr.storage.contract import StorageProvider
from jobrunr.testing.clock import TestClock
from jobrunr.testing.contract.base import MANY, TEXTS, Contract, in_parallel
from jobrunr.testing.factories import (
    a_recurring_job,
    enqueued,
    present,
    registered,
    scheduled,
)

HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)
CALLERS = 8


def withdrawal(storage: StorageProvider, job: Job) -> JobUpdate:
    """What withdraws a job that did not start."""
    update = transitions.delete(job, storage.now(), "not wanted any more")
    assert update is not None
    return update


def skips(job: RecurringJob, reason: SkipReason = SkipReason.MISSED, count: int = 3) -> Skips:
    """So many runs that were left out, from the next one on."""
    assert job.next_run_at is not None
    return Skips(reason=reason, first=job.next_run_at, last=job.next_run_at + HOUR, count=count)


class SavingRecurring(Contract):
    """Recurring jobs are stored by compare-and-set on their version."""

    def test_a_recurring_job_comes_back_as_it_was_stored(self, storage: StorageProvider, clock: TestClock) -> None:
        now = clock.now()
        full = a_recurring_job(
            now,
            schedule="0 3 * * *",
            zone="Europe/Brussels",
            template=JobTemplate(
                details=JobDetails("shop.mail:Service.send", '{"a":"ä"}'),
                name="näme",
                queue="q",
                priority=-3,
                labels=("a", "b"),
                retries=2,
                extras=JobExtras(delete_succeeded_after=HOUR),
            ),
            misfire=Misfire.ALL,
            max_concurrent=3,
            until=now + HOUR,
            last_run_at=now,
            skips=Skips(reason=SkipReason.PAUSED, first=now, last=now + HOUR, count=2),
            paused_at=now,
            pause_reason="the disk is full",
            problem="it does not say when",
            declared_at=now,
        )
        plain = a_recurring_job(now)
        for job in (full, plain):
            assert storage.save_recurring(job)
            assert storage.get_recurring(job.id) == job
        assert storage.get_recurring("another") is None

    @pytest.mark.parametrize("text", [text[:200] for text in TEXTS.values()], ids=list(TEXTS))
    def test_ids_may_be_any_text_and_no_other_is_found_by_them(self, storage: StorageProvider, text: str) -> None:
        job = registered(storage, id=text)
        assert storage.get_recurring(text) == job
        assert storage.get_recurring(text + " ") is None
        assert storage.get_recurring(text.upper() if text.upper() != text else text.lower() + "x") is None

    def test_a_new_one_is_stored_once(self, storage: StorageProvider) -> None:
        job = registered(storage)
        other = replace(job, schedule="PT1H")
        assert not storage.save_recurring(other)
        assert storage.get_recurring(job.id) == job

    def test_storing_the_same_again_is_no_other_answer(self, storage: StorageProvider) -> None:
        job = registered(storage)
        changed = replace(job, schedule="PT1H", version=2)
        for _ in range(2):
            assert storage.save_recurring(changed)
        assert storage.get_recurring(job.id) == changed

    @pytest.mark.parametrize("version", [1, 3, 4])
    def test_a_change_of_another_version_changes_nothing(self, storage: StorageProvider, version: int) -> None:
        job = registered(storage)
        current = replace(job, schedule="PT1H", version=2)
        assert storage.save_recurring(current)
        assert not storage.save_recurring(replace(job, schedule="PT2H", version=version)) or version == 3
        expected = replace(job, schedule="PT2H", version=3) if version == 3 else current
        assert storage.get_recurring(job.id) == expected

    def test_what_is_not_there_is_not_changed(self, storage: StorageProvider, clock: TestClock) -> None:
        job = a_recurring_job(clock.now(), version=2)
        assert not storage.save_recurring(job)
        assert storage.get_recurring(job.id) is None

    def test_it_is_removed_in_its_version_only(self, storage: StorageProvider) -> None:
        job, other = registered(storage), registered(storage)
        assert not storage.delete_recurring(job.id, 2)
        assert storage.get_recurring(job.id) == job
        assert storage.delete_recurring(job.id, 1)
        assert storage.get_recurring(job.id) is None
        assert not storage.delete_recurring(job.id, 1)
        assert storage.get_recurring(other.id) == other

    def test_they_are_listed_by_id_page_by_page(self, storage: StorageProvider) -> None:
        names = ["B", "a", "_", "ä", "z", "Z", "\U0001f600"]
        jobs = {name: registered(storage, id=name) for name in names}
        expected = [jobs[name] for name in sorted(names)]
        assert storage.find_recurring(MANY) == expected
        assert storage.find_recurring(3) == expected[:3]
        assert storage.find_recurring(3, after=expected[2].id) == expected[3:6]
        assert storage.find_recurring(3, after=expected[-1].id) == []

    def test_jobs_are_withdrawn_with_the_change_and_only_with_it(self, storage: StorageProvider) -> None:
        job = registered(storage)
        ahead, other = (scheduled(storage, storage.now() + HOUR, recurring_job_id=job.id) for _ in range(2))
        changed = replace(job, schedule="PT1H", version=2)

        assert not storage.save_recurring(replace(changed, version=5), [withdrawal(storage, ahead)])
        assert present(storage, ahead) == ahead
        assert storage.save_recurring(changed, [withdrawal(storage, ahead)])

        assert present(storage, ahead).state is JobState.DELETED
        assert present(storage, other) == other

    def test_jobs_are_withdrawn_with_their_recurring_job(self, storage: StorageProvider) -> None:
        job = registered(storage)
        ahead = scheduled(storage, storage.now() + HOUR, recurring_job_id=job.id)
        assert not storage.delete_recurring(job.id, 7, [withdrawal(storage, ahead)])
        assert present(storage, ahead) == ahead
        assert storage.delete_recurring(job.id, 1, [withdrawal(storage, ahead)])
        assert present(storage, ahead).state is JobState.DELETED

    def test_a_job_that_was_started_meanwhile_is_not_withdrawn(self, storage: StorageProvider, server: ServerRecord) -> None:
        job = registered(storage)
        waiting = enqueued(storage, recurring_job_id=job.id)
        update = withdrawal(storage, waiting)
        (started,) = storage.claim(server.id, server.name, 1)
        assert storage.delete_recurring(job.id, 1, [update])
        assert present(storage, waiting) == started

    def test_of_many_who_register_the_same_one_wins(self, storage: StorageProvider, second: StorageProvider) -> None:
        jobs = [a_recurring_job(storage.now(), id="nightly", schedule=f"PT{n + 1}H") for n in range(CALLERS)]
        storages = [storage, second]
        won = in_parallel([partial(storages[n % 2].save_recurring, job) for n, job in enumerate(jobs)])
        assert won.count(True) == 1
        assert storage.get_recurring("nightly") == jobs[won.index(True)]

    def test_of_many_who_change_the_same_one_wins(self, storage: StorageProvider, second: StorageProvider) -> None:
        job = registered(storage)
        changes = [replace(job, schedule=f"PT{n + 1}H", version=2) for n in range(CALLERS)]
        storages = [storage, second]
        won = in_parallel([partial(storages[n % 2].save_recurring, change) for n, change in enumerate(changes)])
        assert won.count(True) == 1
        assert storage.get_recurring(job.id) == changes[won.index(True)]


class Declaring(Contract):
    """Those that stand in the code are kept as long as somebody declares them."""

    def test_declaring_is_noted_for_declared_ones_only(self, storage: StorageProvider, clock: TestClock) -> None:
        declared, by_call = registered(storage, declared_at=clock.now()), registered(storage)
        now = clock.advance(seconds=5)
        assert storage.declare([declared.id, by_call.id, "gone"]) == {declared.id}
        assert storage.declare([]) == frozenset()
        assert storage.get_recurring(declared.id) == replace(declared, declared_at=now)
        assert storage.get_recurring(by_call.id) == by_call

    def test_those_are_undeclared_that_were_not_declared_for_longer_than_the_grace(
        self, storage: StorageProvider, clock: TestClock
    ) -> None:
        old = registered(storage, declared_at=clock.now())
        registered(storage)
        clock.advance(seconds=1)
        registered(storage, declared_at=clock.now())
        clock.set(clock.now() + HOUR - timedelta(seconds=1))
        assert storage.undeclared(HOUR) == []
        clock.set(clock.now() + TICK)
        assert storage.undeclared(HOUR) == [old]
