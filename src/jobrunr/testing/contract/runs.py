"""What a run wants kept while it goes on: `append`, `held`, `logs`, `data`."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import pytest

from jobrunr.ids import JobId, new_token
from jobrunr.jobs import Job
from jobrunr.server_record import ServerRecord
from jobrunr.storage.contract import Claim, LogLine, Retention, RunRecord, StorageProvider
from jobrunr.testing.clock import TestClock
from jobrunr.testing.contract.base import TEXTS, Contract
from jobrunr.testing.contract.decisions import Decision, by_the_owner, rescue, retry_at_once, withdraw
from jobrunr.testing.factories import announced, claim_of, enqueued, present, processing, written
from jobrunr.transitions import succeed


def a_line(at: datetime, seq: int = 0, attempt: int = 1, message: str = "connecting") -> LogLine:
    return LogLine(attempt, seq, at, logging.INFO, message)


class Appending(Contract):
    """Whose log lines and data are kept, and how they come back."""

    def test_the_owners_lines_and_data_are_kept(self, storage: StorageProvider, clock: TestClock) -> None:
        job = processing(storage)
        lines = (
            LogLine(1, 0, clock.now(), logging.DEBUG, "connecting"),
            LogLine(1, 1, clock.now() + timedelta(microseconds=1), logging.ERROR, "no\nanswer"),
        )

        answer = storage.append([RunRecord(claim=claim_of(job), logs=lines, data={"metadata.n": "1", "progress.1": "{}"})])

        assert answer == {job.id}
        assert storage.logs(job.id) == lines
        assert storage.data(job.id) == {"metadata.n": "1", "progress.1": "{}"}

    def test_lines_without_data_and_data_without_lines_are_kept(self, storage: StorageProvider, clock: TestClock) -> None:
        line = a_line(clock.now())
        talks, counts = processing(storage), processing(storage)
        records = [RunRecord(claim=claim_of(talks), logs=(line,)), RunRecord(claim=claim_of(counts), data={"n": "1"})]

        assert storage.append(records) == {talks.id, counts.id}

        assert (storage.logs(talks.id), storage.data(talks.id)) == ((line,), {})
        assert (storage.logs(counts.id), storage.data(counts.id)) == ((), {"n": "1"})

    def test_a_record_of_nothing_says_whether_the_claim_holds(self, storage: StorageProvider) -> None:
        job = processing(storage)
        assert storage.append([RunRecord(claim=claim_of(job)), RunRecord(claim=Claim(JobId.new(), new_token()))]) == {job.id}

    def test_no_records_are_no_error(self, storage: StorageProvider) -> None:
        assert storage.append([]) == frozenset()

    def test_what_a_run_keeps_does_not_change_its_job(self, storage: StorageProvider, clock: TestClock) -> None:
        job = processing(storage)
        storage.append([RunRecord(claim=claim_of(job), logs=(a_line(clock.now()),), data={"n": "1"})])
        assert storage.get(job.id) == job

    def test_a_wrong_token_keeps_nothing(self, storage: StorageProvider, clock: TestClock) -> None:
        job, other = processing(storage), processing(storage)
        wrong = [Claim(job.id, new_token()), Claim(job.id, claim_of(other).token), Claim(JobId.new(), claim_of(job).token)]
        for claim in wrong:
            assert storage.append([RunRecord(claim=claim, logs=(a_line(clock.now()),), data={"n": "1"})]) == frozenset()
            assert (storage.logs(claim.job_id), storage.data(claim.job_id)) == ((), {})

    @by_the_owner
    def test_nothing_is_kept_once_the_outcome_is_written(
        self, storage: StorageProvider, clock: TestClock, decide: Decision
    ) -> None:
        self._is_refused_after(storage, clock, decide)

    @pytest.mark.parametrize("decide", [rescue, withdraw])
    def test_nothing_is_kept_of_an_owner_who_lost_the_job(
        self, storage: StorageProvider, clock: TestClock, decide: Decision
    ) -> None:
        self._is_refused_after(storage, clock, decide)

    def _is_refused_after(self, storage: StorageProvider, clock: TestClock, decide: Decision) -> None:
        job = processing(storage)
        storage.append([RunRecord(claim=claim_of(job), data={"n": "1"})])
        storage.update([decide(job, clock.now())])

        late = RunRecord(claim=claim_of(job), logs=(a_line(clock.now()),), data={"n": "2", "m": "3"})

        assert storage.append([late]) == frozenset()
        assert (storage.logs(job.id), storage.data(job.id)) == ((), {"n": "1"})

    def test_nothing_is_kept_of_an_owner_whose_job_runs_again(
        self, storage: StorageProvider, server: ServerRecord, clock: TestClock
    ) -> None:
        before = processing(storage, server)
        storage.update([retry_at_once(before, clock.now())])
        (again,) = storage.claim(server.id, server.name, 1)

        assert storage.append([RunRecord(claim=claim_of(before), data={"n": "1"})]) == frozenset()
        assert storage.append([RunRecord(claim=claim_of(again), data={"n": "2"})]) == {again.id}
        assert storage.data(again.id) == {"n": "2"}

    def test_records_that_are_refused_do_not_hold_up_the_others(self, storage: StorageProvider, clock: TestClock) -> None:
        jobs = [processing(storage) for _ in range(4)]
        storage.update([rescue(jobs[2], clock.now())])

        answer = storage.append(
            [RunRecord(claim=claim_of(job), logs=(a_line(clock.now()),), data={"n": str(n)}) for n, job in enumerate(jobs)]
        )

        assert answer == {jobs[0].id, jobs[1].id, jobs[3].id}
        assert [storage.data(job.id) for job in jobs] == [{"n": "0"}, {"n": "1"}, {}, {"n": "3"}]
        assert [len(storage.logs(job.id)) for job in jobs] == [1, 1, 0, 1]

    def test_a_record_that_is_sent_again_is_kept_once(self, storage: StorageProvider, clock: TestClock) -> None:
        job = processing(storage)
        lines = tuple(a_line(clock.now(), seq) for seq in range(3))
        record = RunRecord(claim=claim_of(job), logs=lines, data={"n": "1"})

        for _ in range(2):
            assert storage.append([record, record]) == {job.id}

        assert storage.logs(job.id) == lines
        assert storage.data(job.id) == {"n": "1"}

    def test_lines_of_which_some_are_kept_already_are_completed(self, storage: StorageProvider, clock: TestClock) -> None:
        job = processing(storage)
        lines = tuple(a_line(clock.now(), seq) for seq in range(4))
        storage.append([RunRecord(claim=claim_of(job), logs=lines[:3])])
        storage.append([RunRecord(claim=claim_of(job), logs=lines[1:])])
        assert storage.logs(job.id) == lines

    def test_a_key_that_exists_is_overwritten_and_the_others_stay(self, storage: StorageProvider) -> None:
        job = processing(storage)
        storage.append([RunRecord(claim=claim_of(job), data={"a": "1", "b": "1"})])
        storage.append([RunRecord(claim=claim_of(job), data={"b": "2", "c": "2"})])
        assert storage.data(job.id) == {"a": "1", "b": "2", "c": "2"}

    def test_several_records_of_one_run_in_a_batch_are_kept_in_their_order(
        self, storage: StorageProvider, clock: TestClock
    ) -> None:
        job = processing(storage)
        lines = tuple(a_line(clock.now(), seq) for seq in range(2))
        records = [
            RunRecord(claim=claim_of(job), logs=lines[:1], data={"a": "1", "b": "1"}),
            RunRecord(claim=claim_of(job), logs=lines[1:], data={"b": "2"}),
        ]

        assert storage.append(records) == {job.id}

        assert storage.logs(job.id) == lines
        assert storage.data(job.id) == {"a": "1", "b": "2"}

    def test_lines_and_data_outlive_the_attempt(
        self, storage: StorageProvider, server: ServerRecord, clock: TestClock
    ) -> None:
        job: Job = processing(storage, server)
        for attempt in (1, 2):
            line = a_line(clock.now(), attempt=attempt)
            storage.append([RunRecord(claim=claim_of(job), logs=(line,), data={f"of {attempt}": "1"})])
            written(storage, retry_at_once(job, clock.advance(seconds=1)))
            (job,) = storage.claim(server.id, server.name, 1)

        assert [line.attempt for line in storage.logs(job.id)] == [1, 2]
        assert storage.data(job.id) == {"of 1": "1", "of 2": "1"}

    def test_lines_come_in_the_order_of_attempt_and_number(self, storage: StorageProvider, clock: TestClock) -> None:
        job = processing(storage)
        places = [(attempt, seq) for attempt in (1, 2, 11) for seq in range(12)]
        lines = tuple(a_line(clock.now() - timedelta(seconds=n), seq, attempt) for n, (attempt, seq) in enumerate(places))

        storage.append([RunRecord(claim=claim_of(job), logs=lines[20:])])
        storage.append([RunRecord(claim=claim_of(job), logs=lines[19::-1])])

        assert storage.logs(job.id) == lines

    def test_a_log_is_read_from_a_line_on(self, storage: StorageProvider, server: ServerRecord, clock: TestClock) -> None:
        job = processing(storage, server)
        first = tuple(a_line(clock.now(), seq=seq) for seq in range(3))
        storage.append([RunRecord(claim=claim_of(job), logs=first)])
        written(storage, retry_at_once(job, clock.now()))
        (job,) = storage.claim(server.id, server.name, 1)
        second = tuple(a_line(clock.now(), attempt=2, seq=seq) for seq in range(2))
        storage.append([RunRecord(claim=claim_of(job), logs=second)])
        lines = first + second
        for number, line in enumerate(lines):
            place = (line.attempt, line.seq)
            assert storage.logs(job.id, after=place) == lines[number + 1 :]
            assert storage.logs(job.id, after=place, limit=1) == lines[number + 1 : number + 2]
        assert storage.logs(job.id, limit=4) == lines[:4]
        assert storage.logs(job.id, after=(0, 10**6)) == lines

    @pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
    def test_what_a_run_logs_and_keeps_comes_back_to_the_last_character(
        self, storage: StorageProvider, clock: TestClock, text: str
    ) -> None:
        job = processing(storage)
        line = a_line(clock.now(), message=text)
        storage.append([RunRecord(claim=claim_of(job), logs=(line,), data={text[:100]: text})])
        assert storage.logs(job.id) == (line,)
        assert storage.data(job.id) == {text[:100]: text}

    def test_an_empty_line_and_an_empty_value_are_kept(self, storage: StorageProvider, clock: TestClock) -> None:
        job = processing(storage)
        line = a_line(clock.now(), message="")
        storage.append([RunRecord(claim=claim_of(job), logs=(line,), data={"empty": ""})])
        assert storage.logs(job.id) == (line,)
        assert storage.data(job.id) == {"empty": ""}

    def test_tells_keys_apart_exactly(self, storage: StorageProvider) -> None:
        job = processing(storage)
        data = {key: key for key in ("key", "Key", "key ", " key", "kéy", "k%", "k_y")}
        storage.append([RunRecord(claim=claim_of(job), data=data)])
        assert storage.data(job.id) == data

    def test_thousands_of_lines_and_values_are_kept(self, storage: StorageProvider, clock: TestClock) -> None:
        jobs = [processing(storage) for _ in range(3)]
        lines = tuple(a_line(clock.now(), seq) for seq in range(1_500))
        data = {str(n): str(n) for n in range(1_500)}

        storage.append([RunRecord(claim=claim_of(job), logs=lines, data=data) for job in jobs])

        for job in jobs:
            assert storage.logs(job.id) == lines
            assert storage.data(job.id) == data

    def test_a_job_without_lines_and_data_has_none(self, storage: StorageProvider) -> None:
        for job_id in (enqueued(storage).id, JobId.new()):
            assert storage.logs(job_id) == ()
            assert storage.data(job_id) == {}

    def test_lines_and_data_go_with_their_job_and_no_other(self, storage: StorageProvider, clock: TestClock) -> None:
        gone, stays = processing(storage), processing(storage)
        line = a_line(clock.now())
        storage.append([RunRecord(claim=claim_of(job), logs=(line,), data={"n": "1"}) for job in (gone, stays)])
        written(storage, withdraw(gone, clock.now()))
        assert storage.logs(gone.id) == (line,)

        storage.expire(Retention(purge_deleted_after=timedelta(0)), 10)

        assert (storage.logs(gone.id), storage.data(gone.id)) == ((), {})
        assert (storage.logs(stays.id), storage.data(stays.id)) == ((line,), {"n": "1"})

    def test_a_job_made_anew_under_the_id_of_a_removed_one_starts_empty(
        self, storage: StorageProvider, clock: TestClock
    ) -> None:
        job = processing(storage)
        storage.append([RunRecord(claim=claim_of(job), logs=(a_line(clock.now()),), data={"n": "1"})])
        written(storage, withdraw(job, clock.now()))
        storage.expire(Retention(purge_deleted_after=timedelta(0)), 10)

        again = enqueued(storage, id=job.id)

        assert (storage.logs(again.id), storage.data(again.id)) == ((), {})
        assert (again.attempts, again.past) == (0, "")


class Holding(Contract):
    """Which claims `held` says still hold."""

    def test_a_claim_holds_while_the_job_runs_under_its_token(self, storage: StorageProvider) -> None:
        job, other = processing(storage), processing(storage)
        assert storage.held([claim_of(job), claim_of(other)]) == {job.id, other.id}
        assert storage.held([claim_of(job)]) == {job.id}

    def test_no_claims_are_no_error(self, storage: StorageProvider) -> None:
        assert storage.held([]) == frozenset()

    def test_a_wrong_token_does_not_hold(self, storage: StorageProvider) -> None:
        job, other = processing(storage), processing(storage)
        waits = enqueued(storage)
        wrong = [
            Claim(job.id, new_token()),
            Claim(other.id, claim_of(job).token),
            Claim(waits.id, new_token()),
            Claim(JobId.new(), new_token()),
        ]
        assert storage.held(wrong) == frozenset()
        assert storage.held([*wrong, claim_of(job)]) == {job.id}

    @by_the_owner
    def test_a_claim_does_not_hold_once_the_outcome_is_written(
        self, storage: StorageProvider, clock: TestClock, decide: Decision
    ) -> None:
        job = processing(storage)
        storage.update([decide(job, clock.now())])
        assert storage.held([claim_of(job)]) == frozenset()

    @pytest.mark.parametrize("decide", [rescue, withdraw])
    def test_a_claim_does_not_hold_once_the_job_was_taken_away(
        self, storage: StorageProvider, clock: TestClock, decide: Decision
    ) -> None:
        job = processing(storage)
        storage.update([decide(job, clock.now())])
        assert storage.held([claim_of(job)]) == frozenset()

    def test_only_the_newest_claim_of_a_job_holds(
        self, storage: StorageProvider, server: ServerRecord, clock: TestClock
    ) -> None:
        before = processing(storage, server)
        storage.update([retry_at_once(before, clock.now())])
        (again,) = storage.claim(server.id, server.name, 1)
        assert storage.held([claim_of(before)]) == frozenset()
        assert storage.held([claim_of(again)]) == {again.id}

    def test_all_claims_of_a_server_are_told_and_no_others(
        self, storage: StorageProvider, server: ServerRecord, clock: TestClock
    ) -> None:
        other = announced(storage)
        assert storage.claims_of(server.id) == frozenset()
        jobs = [processing(storage, server) for _ in range(3)]
        elsewhere = processing(storage, other)
        enqueued(storage)
        assert storage.claims_of(server.id) == {claim_of(job) for job in jobs}
        assert storage.claims_of(other.id) == {claim_of(elsewhere)}

        storage.update([rescue(jobs[0], clock.now())])
        written(storage, succeed(jobs[1], clock.now()))
        assert storage.claims_of(server.id) == {claim_of(jobs[2])}

    def test_a_thousand_claims_are_judged_at_once(self, storage: StorageProvider) -> None:
        job = processing(storage)
        claims = [Claim(JobId.new(), new_token()) for _ in range(1_500)]
        assert storage.held([*claims, claim_of(job)]) == {job.id}
        assert present(storage, job) == job
