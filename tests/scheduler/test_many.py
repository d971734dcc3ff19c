"""Finding, counting and steering many jobs at once, and servers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from jobrunr import BulkChange, Job, JobFilter, JobId, JobOrder, JobQuery, JobRunr, JobState
from jobrunr.errors import OptionError, ServerNotFoundError
from jobrunr.jobs import JobUpdate
from jobrunr.scheduler import job_steering
from jobrunr.storage.contract import JobCount, JobPage
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing import factories
from tests.server import jobs


class Changes(JobFilter):
    def __init__(self) -> None:
        self.seen: list[tuple[JobState, JobState]] = []

    def state_changed(self, job: Job, old: JobState, new: JobState) -> None:
        self.seen.append((old, new))


@pytest.fixture
def changes() -> Changes:
    return Changes()


@pytest.fixture
def app(changes: Changes, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobRunr]:
    monkeypatch.setattr(job_steering, "BATCH", 3)
    with JobRunr("memory://", filters=[changes]) as app:
        yield app


def test_all_that_match_are_deleted_and_nothing_else(app: JobRunr, changes: Changes) -> None:
    wanted = [app.scheduler.options(queue="mail").enqueue(jobs.add, 1, n) for n in range(7)]
    other = app.scheduler.enqueue(jobs.add, 1, 2)
    progress: list[BulkChange] = []

    done = app.scheduler.delete_matching(JobQuery(queue="mail"), "not wanted", progress.append, by="ada")

    assert done == BulkChange(changed=7) == progress[-1]
    assert [step.changed for step in progress] == [3, 6, 7]
    assert {app.scheduler.get(job_id).state for job_id in wanted} == {JobState.DELETED}
    change = app.scheduler.get(wanted[0]).history[-1]
    assert (change.reason, change.by) == ("not wanted", "ada")
    assert app.scheduler.get(other).state is JobState.ENQUEUED
    assert changes.seen == [(JobState.ENQUEUED, JobState.DELETED)] * 7


def test_what_may_not_move_is_skipped(app: JobRunr) -> None:
    running = [factories.processing(app.storage) for _ in range(2)]
    failed = [factories.failed(app.storage, queue="other") for _ in range(4)]
    waiting = app.scheduler.enqueue(jobs.add, 1, 2)

    assert app.scheduler.requeue_matching(JobQuery()) == BulkChange(changed=4, skipped=3)

    assert {app.scheduler.get(job.id).state for job in running} == {JobState.PROCESSING}
    assert {app.scheduler.get(job.id).state for job in failed} == {JobState.ENQUEUED}
    assert app.scheduler.get(waiting).version == 1


@pytest.mark.parametrize("order", JobOrder)
def test_jobs_that_fail_again_meanwhile_are_left_alone(
    app: JobRunr, monkeypatch: pytest.MonkeyPatch, order: JobOrder
) -> None:
    for _ in range(5):
        factories.failed(app.storage)
    update = MemoryStorageProvider.update

    def fail_again(storage: MemoryStorageProvider, updates: Sequence[JobUpdate]) -> frozenset[JobId]:
        written = update(storage, updates)
        monkeypatch.setattr(MemoryStorageProvider, "update", update)
        for _ in updates:
            factories.failed(storage, queue="new")
        monkeypatch.setattr(MemoryStorageProvider, "update", fail_again)
        return written

    monkeypatch.setattr(MemoryStorageProvider, "update", fail_again)
    query = JobQuery(state=JobState.FAILED, order=order)
    assert app.scheduler.requeue_matching(query) == BulkChange(changed=5)


def test_what_somebody_else_changes_meanwhile_is_counted(app: JobRunr, monkeypatch: pytest.MonkeyPatch) -> None:
    first = app.scheduler.enqueue(jobs.add, 1, 2)
    app.scheduler.enqueue(jobs.add, 1, 2)
    find = MemoryStorageProvider.find

    def find_and_change(storage: MemoryStorageProvider, query: JobQuery) -> JobPage:
        page = find(storage, query)
        monkeypatch.setattr(MemoryStorageProvider, "find", find)
        app.scheduler.delete(first)
        return page

    monkeypatch.setattr(MemoryStorageProvider, "find", find_and_change)
    assert app.scheduler.delete_matching(JobQuery()) == BulkChange(changed=1, failed=1)


def test_one_job_tells_who_steered_it(app: JobRunr) -> None:
    job_id = app.scheduler.enqueue(jobs.add, 1, 2)
    app.scheduler.reschedule(job_id, timedelta(days=1), by="ada")
    app.scheduler.requeue(job_id, by="bob")
    app.scheduler.delete(job_id, by="c" * 1000)
    by = [change.by for change in app.scheduler.get(job_id).history]
    assert by[:3] == [None, "ada", "bob"]
    assert by[3] is not None and len(by[3]) == 255


def test_jobs_are_found_and_counted_by_the_same_filters(app: JobRunr) -> None:
    job = factories.failed(app.storage, name="Bill 17")
    factories.failed(app.storage, name="Bill 18")
    filters: dict[str, Any] = {"state": JobState.FAILED, "text": "bill 17", "server": job.server_name}
    assert list(app.scheduler.find(**filters)) == [job]
    assert app.scheduler.count(**filters) == JobCount(1, is_exact=True)
    (group,) = app.scheduler.failures()
    assert group.count == 2


@pytest.mark.parametrize(
    ("filters", "what"),
    [
        ({"created_from": datetime(2026, 1, 1)}, "created_from cannot be"),  # noqa: DTZ001 - it has no zone, that is the point
        ({"changed_until": "yesterday"}, "changed_until cannot be 'yesterday'"),
        ({"state": "FAILED?"}, "state cannot be"),
    ],
)
def test_filters_that_cannot_be_are_refused(app: JobRunr, filters: dict[str, Any], what: str) -> None:
    for ask in (app.scheduler.find, app.scheduler.count):
        with pytest.raises(OptionError, match=what):
            ask(**filters)


def test_an_order_that_is_none_is_refused(app: JobRunr) -> None:
    with pytest.raises(OptionError, match="order cannot be 'upwards'"):
        app.scheduler.find(order="upwards")  # type: ignore[arg-type]


def test_a_server_is_paused_and_resumed(app: JobRunr) -> None:
    server = factories.announced(app.storage)
    app.scheduler.pause_server(server.id)
    assert [found.is_paused for found in app.scheduler.servers()] == [True]
    app.scheduler.resume_server(str(server.id))
    assert [found.is_paused for found in app.scheduler.servers()] == [False]


def test_a_server_that_is_gone_cannot_be_paused(app: JobRunr) -> None:
    with pytest.raises(ServerNotFoundError, match="There is no server"):
        app.scheduler.pause_server(uuid4())
    with pytest.raises(ValueError, match="badly formed"):
        app.scheduler.resume_server("nobody")
