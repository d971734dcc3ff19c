"""Jobs are found by an index, in its order, and without a look at all the others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from msgspec.structs import replace

from jobrunr import transitions
from jobrunr.jobs import Job, JobUpdate
from jobrunr.states import JobState
from jobrunr.storage.contract import Claim, JobOrder, JobQuery, Retention, RunRecord
from jobrunr.storage.sql import SqlStorageProvider
from jobrunr.testing.factories import announced
from tests.plans.explaining import Plans


def claims(storage: SqlStorageProvider, queues: tuple[str, ...] = ()) -> None:
    server = announced(storage)
    assert storage.claim(server.id, server.name, 10, queues)


def second_page(storage: SqlStorageProvider, query: JobQuery) -> None:
    first = storage.find(query)
    assert storage.find(replace(query, after=first.next)).jobs


def an_hour_ago(storage: SqlStorageProvider) -> datetime:
    return storage.now() - timedelta(hours=1)


def completes(storage: SqlStorageProvider) -> None:
    server = announced(storage)
    jobs = storage.claim(server.id, server.name, 10)
    record = RunRecord(claim=Claim(jobs[0].id, jobs[0].claim_token or uuid4()), data={"a": "1"})
    assert storage.append([record]) == storage.held([record.claim]) == {jobs[0].id}
    assert len(storage.update([transitions.succeed(job, storage.now()) for job in jobs])) == 10


def expires(storage: SqlStorageProvider) -> None:
    hour = timedelta(hours=1)
    assert storage.expire(Retention(delete_succeeded_after=hour, delete_failed_after=hour, purge_deleted_after=hour), 100)


CASES: dict[str, tuple[Callable[[SqlStorageProvider], object], set[str]]] = {
    "a claim from all queues": (claims, {"jobs_enqueued", "jobs_pkey"}),
    "a claim from some queues": (
        lambda storage: claims(storage, ("queue-1", "queue-3")),
        {"jobs_enqueued_by_queue", "jobs_pkey"},
    ),
    "completing": (completes, {"jobs_enqueued", "jobs_pkey"}),
    "promoting": (lambda storage: storage.promote(50), {"jobs_scheduled", "jobs_awaiting", "jobs_pkey"}),
    "expiring": (expires, {"jobs_expiring", "jobs_by_state", "jobs_pkey"}),
    "one job": (lambda storage: storage.get(uuid4()), {"jobs_pkey"}),
    "the newest of a state": (lambda storage: second_page(storage, JobQuery(state=JobState.SUCCEEDED)), {"jobs_by_state"}),
    "the newest that wait": (lambda storage: second_page(storage, JobQuery(state=JobState.ENQUEUED)), {"jobs_by_state"}),
    "the newest of all": (lambda storage: second_page(storage, JobQuery()), {"jobs_by_creation"}),
    "the oldest of a state": (
        lambda storage: second_page(storage, JobQuery(state=JobState.SUCCEEDED, order=JobOrder.OLDEST)),
        {"jobs_by_state"},
    ),
    "what was made in a time": (
        lambda storage: second_page(storage, JobQuery(created_from=an_hour_ago(storage), state=JobState.SUCCEEDED)),
        {"jobs_by_creation"},
    ),
    "a queue that many are in": (
        lambda storage: second_page(storage, JobQuery(queue="queue-3")),
        {"jobs_by_creation", "jobs_of_queue"},
    ),
    "a text": (
        lambda storage: second_page(storage, JobQuery(text="SEND", state=JobState.SUCCEEDED)),
        {"jobs_by_state"},
    ),
    "a label that few have": (lambda storage: storage.find(JobQuery(label="rare")), set()),
    "a queue that few are in": (lambda storage: storage.find(JobQuery(queue="rare")), {"jobs_of_queue"}),
    "a server that ran few": (lambda storage: storage.find(JobQuery(server="rare")), {"jobs_of_server"}),
    "failures that are alike": (
        lambda storage: storage.find(JobQuery(state=JobState.FAILED, fingerprint="0" * 16)),
        {"jobs_failed"},
    ),
    "the longest wait": (lambda storage: storage.oldest_enqueued_at(), {"jobs_by_state"}),
}


@pytest.mark.parametrize(("call", "indexes"), CASES.values(), ids=CASES.keys())
def test_jobs_are_found_by_their_index(
    plans: Plans, call: Callable[[SqlStorageProvider], object], indexes: set[str]
) -> None:
    plan = plans.of(call)

    # Whether any job is ENQUEUED at all is asked first, and any index that begins with the state can tell.
    assert indexes <= plan.indexes <= indexes | {"jobs_enqueued", "jobs_by_state"}
    assert not plan.goes_through_the_table
    assert not plan.sorts_many


@pytest.mark.parametrize("what", ["a claim from all queues", "a claim from some queues", "promoting"])
def test_a_burst_that_the_database_does_not_know_of_is_read_in_the_order_of_an_index(what: str, burst: Plans) -> None:
    """To sort all that waits for each batch costs a hundred times as much."""
    plan = burst.of(CASES[what][0])

    assert plan.indexes - {"jobs_pkey", "jobs_by_state"}
    assert not plan.sorts_jobs
    assert not plan.goes_through_the_table


def succeeds(job: Job, now: datetime) -> JobUpdate:
    return transitions.succeed(job, now)


def fails(job: Job, now: datetime) -> JobUpdate:
    return transitions.fail(job, now, "no such mailbox")


@pytest.mark.parametrize("end", [succeeds, fails])
def test_ends_of_jobs_are_written_by_id_in_a_burst_that_the_database_does_not_know_of(
    end: Callable[[Job, datetime], JobUpdate], burst: Plans
) -> None:
    """To go through all that is PROCESSING for each of them costs five times as much for a few hundred."""
    server = announced(burst.storage)
    ends = [end(job, burst.storage.now()) for job in burst.caller.claim(server.id, server.name, 10)]

    plan = burst.of(lambda storage: storage.update(ends))

    assert plan.indexes == {"jobs_pkey"}
    assert not plan.goes_through_the_table


@pytest.mark.parametrize("end", [succeeds, fails])
def test_ends_of_jobs_are_written_by_id_on_mariadb(end: Callable[[Job, datetime], JobUpdate], on_mariadb: Plans) -> None:
    server = announced(on_mariadb.storage)
    ends = [end(job, on_mariadb.storage.now()) for job in on_mariadb.caller.claim(server.id, server.name, 10)]

    plan = on_mariadb.of(lambda storage: storage.update(ends))

    assert plan.indexes == {"jobs_pkey"}
    assert not plan.goes_through_the_table


def test_orphans_are_found_among_the_jobs_that_run(plans: Plans) -> None:
    plan = plans.of(lambda storage: storage.orphans(50))

    assert plan.indexes in ({"jobs_processing"}, {"jobs_by_state"})
    assert not plan.goes_through_the_table


def test_the_claims_of_a_server_are_found_among_the_jobs_that_run(plans: Plans) -> None:
    plan = plans.of(lambda storage: storage.claims_of(uuid4()))

    assert plan.indexes <= {"jobs_processing", "jobs_by_state"}
    assert not plan.goes_through_the_table


def test_what_changed_in_a_time_is_found_state_by_state(plans: Plans) -> None:
    plan = plans.of(lambda storage: second_page(storage, JobQuery(changed_from=an_hour_ago(storage))))

    assert "jobs_by_state" in plan.indexes
    assert not plan.goes_through_the_table
    assert not plan.sorts_many


def test_failures_are_grouped_by_their_index(plans: Plans) -> None:
    plan = plans.of(lambda storage: storage.failures(10))

    assert plan.indexes == {"jobs_failed"}
    assert not plan.goes_through_the_table


def test_what_is_nowhere_is_looked_for_slice_by_slice(plans: Plans) -> None:
    """The last slices are most of so small a table, and may be found by going through it."""
    for call in (
        lambda storage: storage.find(JobQuery(text="nowhere", patience=timedelta(0))),
        lambda storage: storage.count(JobQuery(target="nowhere", patience=timedelta(0))),
    ):
        plan = plans.of(call)
        assert plan.indexes == {"jobs_by_creation"}
        assert not plan.goes_through_the_table
        assert not plan.sorts_many


def test_counting_looks_at_no_job(plans: Plans) -> None:
    assert plans.of(lambda storage: storage.counts()).indexes == set()
    assert not plans.of(lambda storage: storage.counts()).goes_through_the_table
    assert plans.of(lambda storage: storage.count(JobQuery(state=JobState.FAILED))).indexes == set()
    assert plans.of(lambda storage: storage.totals()).indexes == set()
