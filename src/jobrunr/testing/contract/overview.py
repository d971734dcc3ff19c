"""What people see of all jobs together: `failures`, `totals`, `sample`, `samples`, `record_audit`, `audits`."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobrunr import transitions
from jobrunr.jobs import JobDetails
from jobrunr.states import JobState
from jobrunr.storage.contract import AuditEntry, Retention, Sample, StorageProvider, Totals
from jobrunr.testing.clock import TestClock
from jobrunr.testing.contract.base import TEXTS, Contract
from jobrunr.testing.contract.decisions import hand_back, requeue, rescue, retry, retry_at_once, succeed, withdraw
from jobrunr.testing.factories import deleted, enqueued, failed, processing, succeeded, written

TICK = timedelta(microseconds=1)


class GroupingFailures(Contract):
    """FAILED jobs that failed alike."""

    def test_there_are_no_failures_at_first(self, storage: StorageProvider) -> None:
        succeeded(storage)
        assert storage.failures(10) == []

    def test_jobs_that_failed_alike_are_one_group(self, storage: StorageProvider, clock: TestClock) -> None:
        first = failed(storage)
        clock.advance(seconds=1)
        failed(storage)
        clock.advance(seconds=1)
        last = failed(storage)
        clock.advance(seconds=1)
        other = failed(storage, details=JobDetails("shop.bills:send"))

        groups = storage.failures(10)

        assert [(group.count, group.first_at, group.last_at) for group in groups] == [
            (1, other.state_at, other.state_at),
            (3, first.state_at, last.state_at),
        ]
        assert [group.example for group in groups] == [other, last]
        assert [group.fingerprint for group in groups] == [other.fingerprint, last.fingerprint]
        assert storage.failures(1) == groups[:1]

    def test_only_failed_jobs_are_in_a_group(self, storage: StorageProvider, clock: TestClock) -> None:
        again, gone, stays = failed(storage), failed(storage), failed(storage)
        written(storage, requeue(again, clock.now()))
        written(storage, withdraw(gone, clock.now()))
        written(storage, retry(processing(storage, queue="other"), clock.now()))

        (group,) = storage.failures(10)

        assert (group.count, group.example.id) == (1, stays.id)

    def test_a_fingerprint_stays_until_another_failure(self, storage: StorageProvider, clock: TestClock) -> None:
        job = failed(storage)
        again = written(storage, requeue(job, clock.now()))
        assert again.fingerprint == job.fingerprint
        (claim,) = storage.claim(storage.servers()[0].id, "shop-1:1", 1)
        assert claim.fingerprint == job.fingerprint
        another = written(storage, transitions.fail(claim, clock.now(), "its server is gone"))
        assert another.fingerprint not in (None, job.fingerprint)


class KeepingTotals(Contract):
    """How many attempts ever ended how."""

    def test_every_attempt_that_ended_is_counted(self, storage: StorageProvider, clock: TestClock) -> None:
        assert storage.totals() == Totals(0, 0)
        for queue, decide in enumerate((succeed, hand_back, retry, retry_at_once, rescue, withdraw)):
            written(storage, decide(processing(storage, queue=str(queue)), clock.now()))
        failed(storage, queue="failed")
        assert storage.totals() == Totals(succeeded=1, failed=4)

    def test_an_update_that_is_refused_or_sent_again_is_not_counted(
        self, storage: StorageProvider, clock: TestClock
    ) -> None:
        job = processing(storage)
        update = succeed(job, clock.now())
        storage.update([update])
        storage.update([update])
        storage.update([transitions.fail(job, clock.now(), "too late")])
        assert storage.totals() == Totals(succeeded=1, failed=0)

    def test_totals_stay_when_jobs_go(self, storage: StorageProvider, clock: TestClock) -> None:
        succeeded(storage)
        failed(storage)
        now = timedelta(0)
        retention = Retention(delete_succeeded_after=now, delete_failed_after=now, purge_deleted_after=now)
        while sum(storage.counts().values()):
            clock.advance(seconds=1)
            storage.expire(retention, 10)
            storage.tidy()
        assert storage.totals() == Totals(succeeded=1, failed=1)
        assert set(storage.counts()) == set(JobState)

    def test_one_sample_is_kept_of_each_minute(self, storage: StorageProvider, clock: TestClock) -> None:
        began = clock.now()
        storage.sample()
        succeeded(storage)
        clock.advance(seconds=59)
        storage.sample()
        clock.advance(seconds=1)
        failed(storage)
        storage.sample()

        first, second = Sample(began, Totals(0, 0)), Sample(clock.now(), Totals(1, 1))
        assert storage.samples(began) == [first, second]
        assert storage.samples(began + TICK) == [second]
        assert storage.samples(clock.now() + TICK) == []

    def test_samples_are_forgotten_after_eight_days(self, storage: StorageProvider, clock: TestClock) -> None:
        began = clock.now()
        storage.sample()
        clock.advance(days=7, hours=23)
        storage.sample()
        storage.expire(Retention(), 10)
        assert len(storage.samples(began)) == 2
        clock.advance(hours=2)
        storage.expire(Retention(), 10)
        assert [sample.at for sample in storage.samples(began)] == [clock.now() - timedelta(hours=2)]


class Auditing(Contract):
    """Who did what by hand."""

    def test_an_entry_is_kept_with_its_moment(self, storage: StorageProvider, clock: TestClock) -> None:
        entry = AuditEntry(actor="ada", action="pause", subject="server:1", detail="for the night")
        storage.record_audit([entry])
        storage.record_audit([])
        (kept,) = storage.audits()
        assert kept == AuditEntry(at=clock.now(), actor="ada", action="pause", subject="server:1", detail="for the night")

    def test_the_newest_comes_first(self, storage: StorageProvider, clock: TestClock) -> None:
        for number in range(3):
            subjects = [f"{number}.{part}" for part in range(2)]
            storage.record_audit([AuditEntry(actor="ada", action="delete", subject=subject) for subject in subjects])
            clock.advance(seconds=1)
        expected = ["2.1", "2.0", "1.1", "1.0", "0.1", "0.0"]
        assert [entry.subject for entry in storage.audits()] == expected
        assert [entry.subject for entry in storage.audits(limit=2)] == expected[:2]

    def test_entries_are_found_page_by_page(self, storage: StorageProvider) -> None:
        storage.record_audit([AuditEntry(actor="ada", action="delete", subject=str(number)) for number in range(5)])
        found: list[str] = []
        before = None
        while page := storage.audits(limit=2, before=before):
            found += [entry.subject for entry in page]
            before = page[-1].at
        assert found == ["4", "3", "2", "1", "0"]

    def test_entries_are_found_by_subject_exactly(self, storage: StorageProvider) -> None:
        subjects = ["recurring:nightly", "recurring:Nightly", "recurring:nightly ", "recurring:%", "größe 😀"]
        storage.record_audit([AuditEntry(actor="ada", action="pause", subject=subject) for subject in subjects])
        for subject in subjects:
            assert [entry.subject for entry in storage.audits(subject)] == [subject]

    def test_what_is_too_long_is_cut(self, storage: StorageProvider) -> None:
        storage.record_audit([AuditEntry(actor="a" * 1000, action="b" * 1000, subject="c" * 1000, detail="d" * 100_000)])
        (entry,) = storage.audits()
        assert entry.actor.startswith("aaa")
        assert entry.subject.startswith("c" * 299)
        assert entry.detail == "d" * 100_000

    @pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
    def test_a_detail_comes_back_to_the_last_character(self, storage: StorageProvider, text: str) -> None:
        storage.record_audit([AuditEntry(actor="ada", action="note", subject="any", detail=text)])
        assert [entry.detail for entry in storage.audits("any")] == [text]

    def test_no_text_is_refused(self, storage: StorageProvider) -> None:
        storage.record_audit([AuditEntry(actor="a\x00", action="\ud800", subject="\x00", detail="\udfff")])
        assert len(storage.audits()) == 1

    def test_entries_are_forgotten_after_their_time(self, storage: StorageProvider, clock: TestClock) -> None:
        storage.record_audit([AuditEntry(actor="ada", action="delete", subject="old")])
        clock.advance(days=90)
        storage.expire(Retention(forget_audit_after=timedelta(days=91)), 10)
        assert len(storage.audits()) == 1
        storage.record_audit([AuditEntry(actor="ada", action="delete", subject="new")])
        storage.expire(Retention(), 10)
        assert [entry.subject for entry in storage.audits()] == ["new"]


class SayingByWhom(Contract):
    """Who scheduled, enqueued or deleted a job stays in its history."""

    def test_the_history_says_who_requeued_a_job(self, storage: StorageProvider, clock: TestClock) -> None:
        job = failed(storage)
        update = transitions.requeue(job, clock.now(), "the disk is back", actor="ada größe 😀")
        again = written(storage, update)
        assert (again.by, again.history[-1].by) == ("ada größe 😀", "ada größe 😀")
        (claim,) = storage.claim(storage.servers()[0].id, "shop-1:1", 1)
        done = written(storage, succeed(claim, clock.now()))
        assert [change.by for change in done.history] == [None, None, None, "ada größe 😀", None, None]
        more = written(storage, requeue(done, clock.now()))
        assert more.by is None
        assert [change.by for change in more.history] == [None, None, None, "ada größe 😀", None, None, None]

    def test_the_history_says_who_rescheduled_and_who_deleted(self, storage: StorageProvider, clock: TestClock) -> None:
        job = enqueued(storage)
        due = clock.now() + timedelta(seconds=5)
        later = written(storage, transitions.reschedule(job, clock.now(), due, "at night", actor="ada"))
        clock.advance(seconds=5)
        storage.promote(10)
        promoted = storage.get(later.id)
        assert promoted is not None
        assert [change.by for change in promoted.history] == [None, "ada", None]
        gone = written(storage, transitions.delete(promoted, clock.now(), "not at all", actor="bob"))
        assert [change.by for change in gone.history] == [None, "ada", None, "bob"]

    def test_a_job_that_nobody_steered_names_nobody(self, storage: StorageProvider) -> None:
        job = deleted(storage)
        assert (job.by, {change.by for change in job.history}) == (None, {None})
