"""Searching among many jobs: the further filters of `find`, its order and its patience; `count`."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import chain
from typing import Any

import pytest

from jobrunr import transitions
from jobrunr.history import ExceptionRecord
from jobrunr.ids import JobId
from jobrunr.jobs import Job, JobDetails
from jobrunr.states import JobState
from jobrunr.storage.contract import JobCount, JobOrder, JobQuery, StorageProvider
from jobrunr.testing.clock import TestClock
from jobrunr.testing.contract.base import MANY, Contract, all_jobs
from jobrunr.testing.contract.decisions import requeue, withdraw
from jobrunr.testing.factories import announced, deleted, enqueued, failed, processing, succeeded, written

NO_PATIENCE = timedelta(0)
TICK = timedelta(microseconds=1)

orders = pytest.mark.parametrize("order", JobOrder)


def all_pages(storage: StorageProvider, limit: int, **filters: Any) -> list[JobId]:
    """The ids on all pages of a query, in their order."""
    found: list[list[JobId]] = []
    cursor: str | None = None
    while True:
        page = storage.find(JobQuery(limit=limit, after=cursor, **filters))
        assert len(page) <= limit
        found.append([job.id for job in page])
        if page.next is None:
            return list(chain(*found))
        assert page.next != cursor, "the search does not go on"
        cursor = page.next


def failed_with(storage: StorageProvider, exception: ExceptionRecord) -> Job:
    job = processing(storage)
    return written(storage, transitions.fail(job, storage.now(), "it failed", exception))


class Searching(Contract):
    """Finding by what is not where a job stands, but what it is."""

    @orders
    def test_shows_the_newest_or_the_oldest_first(self, storage: StorageProvider, clock: TestClock, order: JobOrder) -> None:
        jobs = []
        for _ in range(9):
            jobs.append(enqueued(storage).id)
            clock.advance(TICK)
        expected = jobs if order is JobOrder.OLDEST else jobs[::-1]
        assert all_pages(storage, 2, order=order) == expected
        assert all_pages(storage, 4, order=order, state=JobState.ENQUEUED) == expected
        assert all_pages(storage, 3, order=order, queue="default") == expected

    @orders
    def test_jobs_of_one_moment_are_found_once_in_either_order(self, storage: StorageProvider, order: JobOrder) -> None:
        jobs = sorted(enqueued(storage).id for _ in range(9))
        assert all_pages(storage, 2, order=order) == (jobs if order is JobOrder.OLDEST else jobs[::-1])
        assert all_pages(storage, 2, order=order, text="send") == (jobs if order is JobOrder.OLDEST else jobs[::-1])

    def test_finds_by_the_server_that_has_a_job_or_had_it_last(self, storage: StorageProvider, clock: TestClock) -> None:
        one, two = announced(storage, name="shop-1:1"), announced(storage, name="shop-2:2")
        running, done, given_up = (processing(storage, one, queue=queue) for queue in "abc")
        done = written(storage, transitions.succeed(done, clock.now()))
        given_up = written(storage, transitions.fail(given_up, clock.now(), "it failed"))
        elsewhere = processing(storage, two, queue="d")
        enqueued(storage, queue="e")

        found = {job.id for job in all_jobs(storage, JobQuery(server="shop-1:1"))}

        assert found == {running.id, done.id, given_up.id}
        assert all_jobs(storage, JobQuery(server="shop-2:2")) == [elsewhere]
        assert all_jobs(storage, JobQuery(server="SHOP-2:2")) == []

    @pytest.mark.parametrize("text", ["ada@", "ADA@Example", "Größe 😀", "gRö", "100%", "_b", "a_b", "\\n", '"so"', "it's"])
    def test_finds_a_text_in_the_name_in_upper_or_lower_case(self, storage: StorageProvider, text: str) -> None:
        for other in ("", "send", "100", "aXb", "grosse", "\n", "so"):
            enqueued(storage, name=other, details=JobDetails("x:y"))
        name = """mail to Ada@example.org: größe 😀, 100%, a_b, \\n, it's "so" """
        job = enqueued(storage, name=name, details=JobDetails("x:y"))
        assert all_jobs(storage, JobQuery(text=text)) == [job]

    def test_finds_a_text_beyond_ascii_in_upper_or_lower_case(self, storage: StorageProvider) -> None:
        job = enqueued(storage, name="ÄÖ ñandú żółć")
        enqueued(storage, name="AO nandu zolc")
        for text in ("äö", "Ä", "ö", "ÑANDÚ", "ŻÓŁĆ", "ż"):
            assert all_jobs(storage, JobQuery(text=text)) == [job]

    def test_finds_a_text_in_the_target(self, storage: StorageProvider) -> None:
        job = enqueued(storage, name="", details=JobDetails("shop.mail:MailService.send"))
        enqueued(storage, name="", details=JobDetails("shop.bills:send"))
        assert all_jobs(storage, JobQuery(text="mailservice")) == [job]

    @pytest.mark.parametrize(
        "text", ["smtplib.SMTPException", "Mailbox FULL", 'said "no"', "line 3\n", "relay \\\\mail", "größe", "%s"]
    )
    def test_finds_a_text_in_an_exception_of_the_history(
        self, storage: StorageProvider, clock: TestClock, text: str
    ) -> None:
        failed_with(storage, ExceptionRecord("builtins.OSError", "disk full", "Traceback\nOSError: disk full"))
        message = 'mailbox full, it said "no" to größe and %s'
        job = failed_with(storage, ExceptionRecord("smtplib.SMTPException", message, "line 3\nrelay \\\\mail"))
        job = written(storage, requeue(job, clock.now()))
        assert all_jobs(storage, JobQuery(text=text)) == [job]

    @pytest.mark.parametrize("text", ["traceback", "exception", "FAILED", "it failed", "shop-1", "2026-"])
    def test_finds_no_text_in_what_else_the_history_says(self, storage: StorageProvider, text: str) -> None:
        failed_with(storage, ExceptionRecord("builtins.OSError", "disk full", "disk full"))
        assert all_jobs(storage, JobQuery(text=text)) == []
        assert storage.count(JobQuery(text=text)) == JobCount(0, is_exact=True)

    def test_an_empty_text_stands_everywhere(self, storage: StorageProvider) -> None:
        job = enqueued(storage, name="")
        assert all_jobs(storage, JobQuery(text="")) == [job]

    def test_finds_by_the_fingerprint_of_the_last_failure(self, storage: StorageProvider, clock: TestClock) -> None:
        first, again = failed(storage), failed(storage)
        other = failed(storage, details=JobDetails("shop.bills:send"))
        again = written(storage, requeue(again, clock.now()))
        assert first.fingerprint is not None
        assert first.fingerprint == again.fingerprint != other.fingerprint

        assert {job.id for job in all_jobs(storage, JobQuery(fingerprint=first.fingerprint))} == {first.id, again.id}
        assert all_jobs(storage, JobQuery(fingerprint=first.fingerprint, state=JobState.FAILED)) == [first]
        assert all_jobs(storage, JobQuery(fingerprint="0" * 16)) == []

    @orders
    def test_failures_that_are_alike_are_found_page_by_page(
        self, storage: StorageProvider, clock: TestClock, order: JobOrder
    ) -> None:
        jobs = []
        for _ in range(5):
            jobs.append(failed(storage))
            failed(storage, details=JobDetails("shop.bills:send"))
            clock.advance(TICK)
        ids = [job.id for job in (jobs if order is JobOrder.OLDEST else reversed(jobs))]
        filters = {"fingerprint": jobs[0].fingerprint, "state": JobState.FAILED, "order": order}
        assert all_pages(storage, 2, **filters) == ids

    def test_finds_what_was_made_in_a_time(self, storage: StorageProvider, clock: TestClock) -> None:
        before, first, last, after = self._one_each_second(storage, clock)
        times = {"created_from": first.created_at, "created_until": after.created_at}
        assert all_pages(storage, 1, **times) == [last.id, first.id]
        assert all_pages(storage, 1, created_until=first.created_at + TICK) == [first.id, before.id]
        assert all_pages(storage, 1, **times, state=JobState.ENQUEUED) == [last.id, first.id]
        assert all_pages(storage, 1, **times, state=JobState.FAILED) == []

    def test_finds_what_changed_in_a_time_whatever_its_state(self, storage: StorageProvider, clock: TestClock) -> None:
        before, first, last, after = self._one_each_second(storage, clock)
        gone = written(storage, withdraw(before, clock.now()))
        clock.advance(seconds=1)
        done = succeeded(storage, queue="another")

        found = all_pages(storage, 1, changed_from=last.created_at)
        assert found == [done.id, gone.id, after.id, last.id]
        assert all_pages(storage, 3, changed_from=last.created_at, changed_until=gone.state_at) == [after.id, last.id]
        upwards = all_pages(storage, 2, changed_from=last.created_at, order=JobOrder.OLDEST)
        assert upwards == found[::-1]
        assert all_pages(storage, 2, changed_from=last.created_at, state=JobState.DELETED) == [gone.id]
        assert all_pages(storage, 2, changed_from=gone.state_at, created_until=first.created_at) == [gone.id]

    def _one_each_second(self, storage: StorageProvider, clock: TestClock) -> tuple[Job, Job, Job, Job]:
        jobs = []
        for _ in range(4):
            jobs.append(enqueued(storage))
            clock.advance(seconds=1)
        return jobs[0], jobs[1], jobs[2], jobs[3]

    def test_all_filters_hold_together(self, storage: StorageProvider, clock: TestClock) -> None:
        wanted: dict[str, Any] = {"labels": ("a",), "queue": "q", "name": "Bill 17"}
        start: datetime = clock.now()
        job = failed(storage, **wanted)
        for name, other in (("labels", ()), ("queue", "p"), ("name", "Bill 18")):
            failed(storage, **(wanted | {name: other}))
        clock.advance(seconds=1)
        failed(storage, **wanted)

        query = JobQuery(
            state=JobState.FAILED,
            label="a",
            queue="q",
            text="bill 17",
            server=job.server_name,
            fingerprint=job.fingerprint,
            created_from=start,
            created_until=clock.now(),
            changed_from=start,
            changed_until=clock.now(),
        )

        assert all_jobs(storage, query) == [job]
        assert storage.count(query) == JobCount(1, is_exact=True)

    @pytest.mark.parametrize("limit", [1, 3, 50])
    @orders
    def test_whoever_has_no_patience_gets_everything_in_the_end(
        self, storage: StorageProvider, clock: TestClock, limit: int, order: JobOrder
    ) -> None:
        wanted = []
        for number in range(20):
            job = enqueued(storage, name="rare" if number % 7 == 0 else "frequent")
            if number % 7 == 0:
                wanted.append(job.id)
            clock.advance(microseconds=number % 3)
        found = all_pages(storage, limit, text="RARE", patience=NO_PATIENCE, order=order)
        assert sorted(found) == sorted(wanted)
        assert found == all_pages(storage, MANY, text="RARE", order=order)

    def test_a_label_that_many_have_and_one_that_few_have(self, storage: StorageProvider) -> None:
        many = [enqueued(storage, labels=("many", "few") if number == 3 else ("many",)).id for number in range(8)]
        assert all_pages(storage, 3, label="many") == sorted(many, reverse=True)
        assert all_pages(storage, 3, label="few") == [many[3]]
        assert all_pages(storage, 3, label="few", order=JobOrder.OLDEST, queue="other") == []

    def test_a_label_is_found_as_long_as_the_job_is_there(self, storage: StorageProvider, clock: TestClock) -> None:
        label = "x" * 300
        job = deleted(storage, labels=(label, "short"))
        assert all_jobs(storage, JobQuery(label=label)) == [job]
        assert all_jobs(storage, JobQuery(label=label[:-1])) == []


class CountingMatches(Contract):
    """How many jobs a query asks for."""

    def test_counts_all_and_by_state(self, storage: StorageProvider) -> None:
        failed(storage)
        succeeded(storage)
        enqueued(storage)
        assert storage.count(JobQuery()) == JobCount(3, is_exact=True)
        assert storage.count(JobQuery(state=JobState.FAILED)) == JobCount(1, is_exact=True)
        assert storage.count(JobQuery(state=JobState.PROCESSED)) == JobCount(0, is_exact=True)

    @pytest.mark.parametrize(
        ("filters", "number"),
        [
            ({"queue": "a"}, 4),
            ({"label": "x"}, 3),
            ({"label": "x", "queue": "a"}, 2),
            ({"text": "NUMBER 1"}, 1),
            ({"text": "number"}, 8),
            ({"state": JobState.ENQUEUED, "queue": "b"}, 4),
            ({"state": JobState.FAILED, "queue": "b"}, 0),
        ],
    )
    def test_counts_what_fits_whatever_the_page(
        self, storage: StorageProvider, filters: dict[str, Any], number: int
    ) -> None:
        for n in range(8):
            enqueued(storage, queue="ab"[n % 2], labels=("x",) if n % 3 == 0 else (), name=f"number {n}")
        cursor = storage.find(JobQuery(limit=1)).next
        assert storage.count(JobQuery(limit=1, after=cursor, **filters)) == JobCount(number, is_exact=True)

    def test_counts_what_changed_in_a_time(self, storage: StorageProvider, clock: TestClock) -> None:
        enqueued(storage)
        since = clock.advance(seconds=1)
        failed(storage, queue="another")
        enqueued(storage)
        assert storage.count(JobQuery(changed_from=since)) == JobCount(2, is_exact=True)
        assert storage.count(JobQuery(created_until=since)) == JobCount(1, is_exact=True)
        assert storage.count(JobQuery(changed_until=since, state=JobState.ENQUEUED)) == JobCount(1, is_exact=True)

    def test_whoever_has_no_patience_gets_no_number_that_is_too_high(self, storage: StorageProvider) -> None:
        for _ in range(9):
            enqueued(storage, queue="q")
        count = storage.count(JobQuery(queue="q", patience=NO_PATIENCE))
        assert count.number == 9 if count.is_exact else count.number <= 9
