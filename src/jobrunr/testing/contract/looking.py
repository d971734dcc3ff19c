"""Looking at jobs: `get`, `find`, `counts`, `oldest_enqueued_at`."""

from __future__ import annotations

from datetime import timedelta
from itertools import chain
from typing import Any
from uuid import UUID

import pytest

from jobrunr.errors import OptionError
from jobrunr.ids import JobId
from jobrunr.jobs import JobDetails
from jobrunr.server_record import ServerRecord
from jobrunr.states import JobState
from jobrunr.storage.contract import JobQuery, Retention, StorageProvider
from jobrunr.testing.clock import TestClock
from jobrunr.testing.contract.base import MANY, Contract, all_jobs
from jobrunr.testing.contract.decisions import requeue, succeed, withdraw
from jobrunr.testing.factories import (
    a_job,
    a_scheduled_job,
    awaiting,
    deleted,
    enqueued,
    failed,
    processing,
    scheduled,
    succeeded,
    written,
)


def pages(storage: StorageProvider, limit: int, **filters: Any) -> list[list[JobId]]:
    """The ids on all pages of a query."""
    found = []
    cursor: str | None = None
    while True:
        page = storage.find(JobQuery(limit=limit, after=cursor, **filters))
        found.append([job.id for job in page])
        if page.next is None:
            return found
        cursor = page.next


class Getting(Contract):
    """One job by its id."""

    def test_a_job_is_found_by_its_id(self, storage: StorageProvider) -> None:
        job, other = enqueued(storage), enqueued(storage)
        assert storage.get(job.id) == job
        assert storage.get(UUID(int=other.id.int)) == other

    def test_there_is_no_job_under_an_unknown_id(self, storage: StorageProvider) -> None:
        enqueued(storage)
        assert storage.get(JobId.new()) is None


class Finding(Contract):
    """Pages of jobs, newest first."""

    def test_finds_nothing_where_nothing_is(self, storage: StorageProvider) -> None:
        page = storage.find(JobQuery())
        assert (len(page), page.next) == (0, None)

    def test_finds_whole_jobs(self, storage: StorageProvider) -> None:
        jobs = {job.id: job for job in (succeeded(storage, labels=("a",)), failed(storage), processing(storage))}
        assert {job.id: job for job in storage.find(JobQuery())} == jobs

    def test_shows_the_newest_first(self, storage: StorageProvider, clock: TestClock) -> None:
        jobs = []
        for _ in range(4):
            jobs.append(enqueued(storage))
            clock.advance(microseconds=1)
        written(storage, withdraw(jobs[0], clock.now()))
        assert pages(storage, 10) == [[job.id for job in reversed(jobs)]]

    def test_shows_the_newest_in_a_state_first(self, storage: StorageProvider, clock: TestClock) -> None:
        old, new = enqueued(storage), enqueued(storage)
        clock.advance(seconds=1)
        written(storage, withdraw(new, clock.now()))
        clock.advance(seconds=1)
        written(storage, withdraw(old, clock.now()))
        assert pages(storage, 10, state=JobState.DELETED) == [[old.id, new.id]]

    def test_finds_by_state(self, storage: StorageProvider) -> None:
        makers = {
            JobState.SUCCEEDED: succeeded,
            JobState.FAILED: failed,
            JobState.PROCESSING: processing,
            JobState.DELETED: deleted,
            JobState.SCHEDULED: scheduled,
            JobState.AWAITING: awaiting,
            JobState.ENQUEUED: enqueued,
        }
        jobs = {state: make(storage) for state, make in makers.items()}
        for state, job in jobs.items():
            assert all_jobs(storage, JobQuery(state=state)) == [job]
        assert all_jobs(storage, JobQuery(state=JobState.PROCESSED)) == []

    @pytest.mark.parametrize("other", ["Mail", "mail ", "mails", "mai", "máil", "%", "m_il", ""])
    def test_finds_by_queue_exactly(self, storage: StorageProvider, other: str) -> None:
        mail, like_it = enqueued(storage, queue="mail"), enqueued(storage, queue=other)
        assert all_jobs(storage, JobQuery(queue="mail")) == [mail]
        assert all_jobs(storage, JobQuery(queue=other)) == [like_it]

    @pytest.mark.parametrize("other", ["SHOP:send", "shop:send ", "shop:sen", "shop:send2", "shop:s%", "shop_send"])
    def test_finds_by_target_exactly(self, storage: StorageProvider, other: str) -> None:
        send = enqueued(storage, details=JobDetails("shop:send"))
        like_it = enqueued(storage, details=JobDetails(other))
        assert all_jobs(storage, JobQuery(target="shop:send")) == [send]
        assert all_jobs(storage, JobQuery(target=other)) == [like_it]

    def test_finds_by_recurring_job_exactly(self, storage: StorageProvider) -> None:
        enqueued(storage, recurring_job_id=None)
        ids = ["nightly", "Nightly", "nightl", "nightly ", "night%", ""]
        jobs = {id: enqueued(storage, recurring_job_id=id) for id in ids}
        for id, job in jobs.items():
            assert all_jobs(storage, JobQuery(recurring_job_id=id)) == [job]

    def test_finds_by_label_wherever_it_stands(self, storage: StorageProvider) -> None:
        enqueued(storage)
        enqueued(storage, labels=("other",))
        only, first, last = (enqueued(storage, labels=labels) for labels in (("a",), ("a", "b", "c"), ("c", "b", "a")))
        assert {job.id for job in storage.find(JobQuery(label="a"))} == {only.id, first.id, last.id}
        assert {job.id for job in storage.find(JobQuery(label="b"))} == {first.id, last.id}
        assert len(storage.find(JobQuery(label="d"))) == 0

    @pytest.mark.parametrize(
        "label", ["mail", 'say "mail"', "ma\\il", "m%", "m_il", "mail,bill", "[mail]", "größe 😀", "null", "1", "/", "é"]
    )
    def test_finds_by_label_exactly(self, storage: StorageProvider, label: str) -> None:
        others = {f"{label}s", f"x{label}", label.upper() + "!", "mxil", "ma", '"', "\\", "mail\\", "e\u0301", "bill"} - {
            label
        }
        for other in others:
            enqueued(storage, labels=(other,))
        job = enqueued(storage, labels=("first", label))
        assert all_jobs(storage, JobQuery(label=label)) == [job]

    def test_finds_what_fits_all_filters(self, storage: StorageProvider, clock: TestClock) -> None:
        fits: dict[str, Any] = {
            "queue": "q",
            "details": JobDetails("shop:send"),
            "labels": ("a",),
            "recurring_job_id": "nightly",
        }
        job = enqueued(storage, **fits)
        scheduled(storage, clock.now(), **fits)
        for name, other in [("queue", "p"), ("details", JobDetails("shop:x")), ("labels", ()), ("recurring_job_id", None)]:
            enqueued(storage, **(fits | {name: other}))

        query = JobQuery(state=JobState.ENQUEUED, queue="q", target="shop:send", label="a", recurring_job_id="nightly")

        assert all_jobs(storage, query) == [job]

    def test_the_last_page_has_no_next(self, storage: StorageProvider) -> None:
        for _ in range(4):
            enqueued(storage)
        assert [len(page) for page in pages(storage, 3)] == [3, 1]
        assert [len(page) for page in pages(storage, 2)] == [2, 2]
        assert [len(page) for page in pages(storage, 4)] == [4]
        assert [len(page) for page in pages(storage, 5)] == [4]

    @pytest.mark.parametrize("state", [None, JobState.ENQUEUED])
    def test_pages_show_every_job_once(self, storage: StorageProvider, clock: TestClock, state: JobState | None) -> None:
        jobs = []
        for _ in range(15):
            jobs.append(enqueued(storage))
            clock.advance(microseconds=1)

        found = pages(storage, 4, state=state)

        assert [len(page) for page in found] == [4, 4, 4, 3]
        assert list(chain(*found)) == [job.id for job in reversed(jobs)]

    @pytest.mark.parametrize("state", [None, JobState.SCHEDULED])
    def test_pages_show_every_job_once_though_all_are_of_one_moment(
        self, storage: StorageProvider, clock: TestClock, state: JobState | None
    ) -> None:
        jobs = [a_scheduled_job(clock.now()) for _ in range(30)]
        storage.insert(jobs)

        found = list(chain(*pages(storage, 7, state=state)))

        assert len(found) == 30
        assert set(found) == {job.id for job in jobs}

    @pytest.mark.parametrize("limit", [1, 2, 3])
    def test_pages_keep_to_their_filter(self, storage: StorageProvider, clock: TestClock, limit: int) -> None:
        wanted = []
        for n in range(6):
            job = enqueued(storage, queue="ab"[n % 2], labels=("x",) if n % 3 else ())
            if n % 2 and n % 3:
                wanted.append(job.id)
            clock.advance(microseconds=n % 2)
        assert sorted(chain(*pages(storage, limit, queue="b", label="x"))) == sorted(wanted)

    def test_jobs_made_between_two_pages_do_no_harm(self, storage: StorageProvider, clock: TestClock) -> None:
        old = [enqueued(storage).id for _ in range(6)]
        first = storage.find(JobQuery(limit=3))
        clock.advance(microseconds=1)
        enqueued(storage)

        rest = storage.find(JobQuery(limit=3, after=first.next))

        assert {job.id for job in first} | {job.id for job in rest} == set(old)
        assert rest.next is None

    def test_jobs_gone_between_two_pages_do_no_harm(self, storage: StorageProvider, clock: TestClock) -> None:
        old = [enqueued(storage) for _ in range(6)]
        first = storage.find(JobQuery(state=JobState.ENQUEUED, limit=3))
        seen = {job.id for job in first}
        unseen = [job for job in old if job.id not in seen]
        for gone in (first[2], unseen[0]):
            written(storage, withdraw(gone, clock.now()))
        storage.expire(Retention(purge_deleted_after=timedelta(0)), MANY)

        rest = storage.find(JobQuery(state=JobState.ENQUEUED, limit=3, after=first.next))

        assert {job.id for job in rest} == {job.id for job in unseen[1:]}

    @pytest.mark.parametrize("cursor", ["", "nonsense", "2026-01-01", "/", "0", "'; drop table jobs; --", "\x00", "é" * 100])
    def test_a_cursor_that_is_none_is_refused(self, storage: StorageProvider, cursor: str) -> None:
        enqueued(storage)
        with pytest.raises(OptionError, match="after"):
            storage.find(JobQuery(after=cursor))


class Counting(Contract):
    """How many jobs are in each state. After every single test, of whatever chapter, they are compared with a search."""

    def test_every_state_has_a_count(self, storage: StorageProvider) -> None:
        assert storage.counts() == dict.fromkeys(JobState, 0)

    def test_counts_each_state(self, storage: StorageProvider) -> None:
        for make, times in [(succeeded, 1), (failed, 2), (deleted, 3), (scheduled, 4), (awaiting, 5), (enqueued, 6)]:
            for _ in range(times):
                make(storage)
        assert storage.counts() == {
            JobState.AWAITING: 5,
            JobState.SCHEDULED: 4,
            JobState.ENQUEUED: 6,
            JobState.PROCESSING: 0,
            JobState.PROCESSED: 0,
            JobState.SUCCEEDED: 1,
            JobState.FAILED: 2,
            JobState.DELETED: 3,
        }

    def test_a_job_is_counted_once_wherever_it_goes(
        self, storage: StorageProvider, server: ServerRecord, clock: TestClock
    ) -> None:
        def states() -> set[JobState]:
            counts = storage.counts()
            assert sum(counts.values()) == 1
            return {state for state, count in counts.items() if count}

        scheduled(storage, clock.now())
        assert states() == {JobState.SCHEDULED}
        storage.promote(MANY)
        assert states() == {JobState.ENQUEUED}
        (job,) = storage.claim(server.id, server.name, MANY)
        assert states() == {JobState.PROCESSING}
        done = written(storage, succeed(job, clock.now()))
        assert states() == {JobState.SUCCEEDED}
        gone = written(storage, withdraw(done, clock.now()))
        assert states() == {JobState.DELETED}
        written(storage, requeue(gone, clock.now()))
        assert states() == {JobState.ENQUEUED}

    def test_what_was_not_written_is_not_counted(self, storage: StorageProvider, clock: TestClock) -> None:
        job = processing(storage)
        done = succeed(job, clock.now())
        storage.insert([a_job(id=job.id)])
        storage.update([done, done])
        storage.update([done])
        storage.update([withdraw(job, clock.now())])
        assert storage.counts() == dict.fromkeys(JobState, 0) | {JobState.SUCCEEDED: 1}

    def test_no_count_is_ever_below_nothing(self, storage: StorageProvider, clock: TestClock) -> None:
        at_once = Retention(delete_succeeded_after=timedelta(0), purge_deleted_after=timedelta(0))
        for _ in range(3):
            succeeded(storage)
            storage.expire(at_once, MANY)
            storage.tidy()
            storage.expire(at_once, MANY)
            assert storage.counts() == dict.fromkeys(JobState, 0)


class Backlog(Contract):
    """Since when the job that has been ENQUEUED longest is waiting."""

    def test_nobody_waits_where_nothing_is_enqueued(self, storage: StorageProvider) -> None:
        for make in (succeeded, failed, deleted, processing, awaiting, scheduled):
            make(storage)
        assert storage.oldest_enqueued_at() is None

    def test_the_longest_wait_counts_whatever_its_priority_and_queue(
        self, storage: StorageProvider, server: ServerRecord, clock: TestClock
    ) -> None:
        first = enqueued(storage, priority=-5, queue="slow").state_at
        clock.advance(seconds=1)
        second = enqueued(storage, priority=5).state_at

        assert storage.oldest_enqueued_at() == first
        storage.claim(server.id, server.name, 1, ["slow"])
        assert storage.oldest_enqueued_at() == second
        storage.claim(server.id, server.name, 1)
        assert storage.oldest_enqueued_at() is None

    def test_the_wait_begins_when_a_job_is_enqueued_not_when_it_is_made(
        self, storage: StorageProvider, clock: TestClock
    ) -> None:
        job = scheduled(storage, clock.now())
        now = clock.advance(seconds=1)
        storage.promote(MANY)
        assert storage.oldest_enqueued_at() == now
        written(storage, withdraw(storage.find(JobQuery())[0], clock.now()))
        assert storage.oldest_enqueued_at() is None
        assert job.created_at < now
