"""Looking at jobs, and what people do to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

import pytest

from jobrunr import Job, JobFilter, JobId, JobRunr, JobState
from jobrunr.errors import (
    ConcurrentJobModificationError,
    IllegalJobStateChangeError,
    JobNotFoundError,
    OptionError,
    UnreadableJobError,
)
from jobrunr.jobs import JobUpdate
from jobrunr.storage.contract import RunRecord
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
def app(changes: Changes) -> Iterator[JobRunr]:
    with JobRunr("memory://", filters=[changes]) as app:
        yield app


def test_deleting_is_told_to_filters_and_is_idempotent(app: JobRunr, changes: Changes) -> None:
    job_id = app.scheduler.enqueue(jobs.add, 1, 2)
    app.scheduler.delete(job_id, reason="not wanted")
    deleted = app.scheduler.get(job_id)
    app.scheduler.delete(job_id, reason="again")
    assert app.scheduler.get(job_id) == deleted
    assert deleted.state is JobState.DELETED
    assert deleted.history[-1].reason == "not wanted"
    assert changes.seen == [(JobState.ENQUEUED, JobState.DELETED)]


@pytest.mark.parametrize(
    ("reason", "kept"), [("a\0b", "a�b"), ("\ud800", "�"), ("x" * 100_000, "x" * 1999 + "…")], ids=["NUL", "half", "long"]
)
def test_any_reason_can_be_stored(app: JobRunr, reason: str, kept: str) -> None:
    job_id = app.scheduler.enqueue(jobs.add, 1, 2)
    app.scheduler.reschedule(job_id, timedelta(days=1), reason)
    app.scheduler.requeue(job_id, reason)
    app.scheduler.delete(job_id, reason)
    assert [change.reason for change in app.scheduler.get(job_id).history[1:]] == [kept] * 3


def test_requeueing_undoes_a_deletion_and_is_idempotent(app: JobRunr) -> None:
    job_id = app.scheduler.enqueue(jobs.add, 1, 2)
    app.scheduler.delete(job_id)
    app.scheduler.requeue(job_id, reason="wanted after all")
    requeued = app.scheduler.get(job_id)
    app.scheduler.requeue(job_id)
    assert app.scheduler.get(job_id) == requeued
    assert [change.state for change in requeued.history] == [JobState.ENQUEUED, JobState.DELETED, JobState.ENQUEUED]


def test_a_scheduled_job_can_be_run_now_or_at_another_time(app: JobRunr) -> None:
    job_id = app.scheduler.schedule(timedelta(days=1), jobs.add, 1, 2)
    app.scheduler.reschedule(job_id, timedelta(days=2), reason="not yet")
    moved = app.scheduler.get(job_id)
    assert moved.run_at is not None and moved.run_at - moved.state_at > timedelta(days=1, hours=23)
    app.scheduler.requeue(job_id)
    assert app.scheduler.get(job_id).state is JobState.ENQUEUED


@pytest.mark.parametrize("act", [lambda s, i: s.requeue(i), lambda s, i: s.reschedule(i, timedelta(1))])
def test_what_runs_is_not_requeued_under_its_feet(app: JobRunr, act: Callable[[object, JobId], None]) -> None:
    job = factories.processing(app.storage)
    with pytest.raises(IllegalJobStateChangeError, match=f"{job.id} is PROCESSING"):
        act(app.scheduler, job.id)


@pytest.mark.parametrize("act", ["get", "delete", "requeue"])
def test_an_unknown_job_is_said_to_be_unknown(app: JobRunr, act: str) -> None:
    with pytest.raises(JobNotFoundError, match="There is no job"):
        getattr(app.scheduler, act)(JobId.new())


def test_a_naive_time_is_refused(app: JobRunr) -> None:
    job_id = app.scheduler.enqueue(jobs.add, 1, 2)
    with pytest.raises(OptionError, match="time zone"):
        app.scheduler.reschedule(job_id, datetime(2030, 1, 1))  # noqa: DTZ001 - that is the point


class Contended(MemoryStorageProvider):
    """Somebody else is always a little faster, so many times."""

    faster = 0

    def update(self, updates: Sequence[JobUpdate]) -> frozenset[JobId]:
        if self.faster > 0:
            self.faster -= 1
            return frozenset()
        return super().update(updates)


@pytest.mark.parametrize(("faster", "gives_up"), [(4, False), (5, True)])
def test_a_race_with_others_is_tried_again_a_few_times(faster: int, gives_up: bool) -> None:
    storage = Contended()
    with JobRunr(storage) as app:
        job_id = app.scheduler.enqueue(jobs.add, 1, 2)
        storage.faster = faster
        if gives_up:
            with pytest.raises(ConcurrentJobModificationError, match=str(job_id)):
                app.scheduler.delete(job_id)
        else:
            app.scheduler.delete(job_id)
            assert app.scheduler.get(job_id).state is JobState.DELETED


def test_jobs_are_found_by_what_is_asked_for(app: JobRunr) -> None:
    ids = app.scheduler.options(labels=["a"], queue="q").enqueue_many(jobs.add, [(n, n) for n in range(5)])
    app.scheduler.enqueue(jobs.fail, "x")
    first = app.scheduler.find(queue="q", label="a", target="tests.server.jobs:add", state=JobState.ENQUEUED, limit=3)
    rest = app.scheduler.find(queue="q", label="a", state=JobState.ENQUEUED, limit=3, after=first.next)
    assert [job.id for job in (*first, *rest)] == ids[::-1]
    assert (len(first), len(rest), rest.next) == (3, 2, None)
    assert first[0].id == ids[-1]
    assert app.scheduler.counts()[JobState.ENQUEUED] == 6


def test_what_a_damaged_job_keeps_is_an_error_that_names_it(app: JobRunr) -> None:
    job = factories.processing(app.storage)
    kept = {"metadata.provider": "nonsense", "progress.1": "[]", "progress.first": "{}"}
    app.storage.append([RunRecord(claim=factories.claim_of(job), data=kept)])
    with pytest.raises(UnreadableJobError, match=rf"Job {job.id} cannot be read: its metadata.provider is 'nonsense'"):
        app.scheduler.metadata(job.id)
    with pytest.raises(UnreadableJobError, match=rf"Job {job.id} cannot be read: its progress.1 is"):
        app.scheduler.progress(job.id)
