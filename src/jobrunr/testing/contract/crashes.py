"""Runs that are marked as begun, and crashes that are counted: `begin`, and what `update` keeps."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobrunr.ids import JobId, new_token
from jobrunr.jobs import Job
from jobrunr.server_record import ServerRecord
from jobrunr.storage.contract import Claim, StorageProvider
from jobrunr.testing.clock import TestClock
from jobrunr.testing.contract.base import Contract
from jobrunr.testing.contract.decisions import (
    Decision,
    bury,
    by_the_owner,
    fail,
    hand_back,
    hand_back_unbegun,
    requeue,
    rescue,
    retry,
    retry_at_once,
    succeed,
    withdraw,
)
from jobrunr.testing.factories import an_exception, claim_of, enqueued, present, processing, written
from jobrunr.transitions import run_again_after_crash


class Beginning(Contract):
    """Which runs are marked as begun."""

    def test_a_run_is_begun_when_it_is_marked_and_not_before(self, storage: StorageProvider, clock: TestClock) -> None:
        job, other = processing(storage), processing(storage)
        assert not present(storage, job).is_begun
        clock.advance(seconds=1)

        assert storage.begin([claim_of(job)]) == {job.id}

        begun = present(storage, job)
        assert begun.is_begun
        assert (begun.version, begun.state_at, begun.claim_token) == (job.version, job.state_at, job.claim_token)
        assert present(storage, other) == other

    def test_marking_nothing_is_no_error(self, storage: StorageProvider) -> None:
        assert storage.begin([]) == frozenset()

    def test_marking_again_changes_nothing(self, storage: StorageProvider) -> None:
        job = processing(storage)
        claim = claim_of(job)
        assert storage.begin([claim, claim]) == {job.id}
        begun = present(storage, job)
        assert storage.begin([claim]) == {job.id}
        assert present(storage, job) == begun

    def test_runs_of_one_claim_and_of_several_are_marked_together(
        self, storage: StorageProvider, server: ServerRecord
    ) -> None:
        for _ in range(3):
            enqueued(storage)
        together = storage.claim(server.id, server.name, 3)
        alone = processing(storage, server)

        marked = [together[0], together[2], alone]
        assert storage.begin([claim_of(job) for job in marked]) == {job.id for job in marked}

        assert [present(storage, job).is_begun for job in (*together, alone)] == [True, False, True, True]

    def test_a_wrong_token_marks_nothing(self, storage: StorageProvider) -> None:
        job, other = processing(storage), processing(storage)
        wrong = [Claim(job.id, new_token()), Claim(JobId.new(), claim_of(job).token), Claim(job.id, claim_of(other).token)]
        assert storage.begin([*wrong, claim_of(other)]) == {other.id}
        assert not present(storage, job).is_begun
        assert present(storage, other).is_begun

    @by_the_owner
    def test_a_run_that_is_over_is_not_marked(self, storage: StorageProvider, clock: TestClock, decide: Decision) -> None:
        self._is_refused_after(storage, clock, decide)

    @pytest.mark.parametrize("decide", [rescue, withdraw])
    def test_a_run_that_was_taken_away_is_not_marked(
        self, storage: StorageProvider, clock: TestClock, decide: Decision
    ) -> None:
        self._is_refused_after(storage, clock, decide)

    def _is_refused_after(self, storage: StorageProvider, clock: TestClock, decide: Decision) -> None:
        job = processing(storage)
        after = written(storage, decide(job, clock.now()))
        assert storage.begin([claim_of(job)]) == frozenset()
        assert present(storage, job) == after

    def test_the_next_run_is_not_begun_because_this_one_was(
        self, storage: StorageProvider, server: ServerRecord, clock: TestClock
    ) -> None:
        before = processing(storage, server)
        storage.begin([claim_of(before)])
        storage.update([rescue(present(storage, before), clock.now())])
        (again,) = storage.claim(server.id, server.name, 1)
        assert not again.is_begun
        assert storage.begin([claim_of(before)]) == frozenset()
        assert not present(storage, again).is_begun

    def test_a_thousand_runs_are_marked_at_once(self, storage: StorageProvider, server: ServerRecord) -> None:
        for _ in range(10):
            enqueued(storage)
        jobs = storage.claim(server.id, server.name, 10)
        strangers = [Claim(JobId.new(), new_token()) for _ in range(1_000)]
        assert storage.begin([*strangers, *map(claim_of, jobs)]) == {job.id for job in jobs}


def crashed(storage: StorageProvider, server: ServerRecord, clock: TestClock, times: int) -> Job:
    """A job that runs, after its server was lost so many times."""
    job = processing(storage, server)
    for _ in range(times):
        storage.update([rescue(job, clock.now())])
        (job,) = storage.claim(server.id, server.name, 1)
    return job


class CountingCrashes(Contract):
    """How long crashes are remembered."""

    def test_a_new_job_is_no_suspect(self, storage: StorageProvider) -> None:
        job = processing(storage)
        assert (job.crashes, job.is_suspect) == (0, False)

    def test_each_crash_is_counted_and_no_retry_is_used_up(
        self, storage: StorageProvider, server: ServerRecord, clock: TestClock
    ) -> None:
        job = crashed(storage, server, clock, times=2)
        assert job == present(storage, job)
        assert (job.crashes, job.is_suspect, job.failures, job.attempts) == (2, True, 0, 3)
        assert (buried := written(storage, bury(job, clock.now()))).crashes == 3
        assert buried.failures == 0

    @pytest.mark.parametrize("decide", [hand_back, hand_back_unbegun])
    def test_a_job_that_is_handed_back_keeps_its_crashes(
        self, storage: StorageProvider, server: ServerRecord, clock: TestClock, decide: Decision
    ) -> None:
        job = crashed(storage, server, clock, times=1)
        after = written(storage, decide(job, clock.now()))
        assert (after.crashes, after.attempts) == (1, job.attempts - 1)

    @pytest.mark.parametrize("decide", [succeed, fail, retry, retry_at_once])
    def test_a_run_that_ends_properly_ends_the_suspicion(
        self, storage: StorageProvider, server: ServerRecord, clock: TestClock, decide: Decision
    ) -> None:
        innocent, beside = crashed(storage, server, clock, times=2), processing(storage, server, queue="beside")
        updates = [decide(innocent, clock.now()), rescue(beside, clock.now())]
        assert storage.update(updates) == {innocent.id, beside.id}
        assert (present(storage, innocent).crashes, present(storage, beside).crashes) == (0, 1)

    def test_a_person_who_requeues_a_job_begins_a_new_count(
        self, storage: StorageProvider, server: ServerRecord, clock: TestClock
    ) -> None:
        buried = written(storage, bury(crashed(storage, server, clock, times=1), clock.now()))
        assert written(storage, requeue(buried, clock.now())).crashes == 0

    def test_a_promoted_job_keeps_its_crashes(
        self, storage: StorageProvider, server: ServerRecord, clock: TestClock
    ) -> None:
        job = processing(storage, server)
        wait = timedelta(seconds=9)
        written(storage, run_again_after_crash(job, clock.now(), "lost", an_exception(), delay=wait, again_reason="later"))
        clock.advance(seconds=10)
        assert storage.promote(1).count == 1
        assert present(storage, job).crashes == 1
