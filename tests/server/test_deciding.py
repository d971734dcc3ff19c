"""Policies and filters of the application can do their worst: no job stays PROCESSING, no worker ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from jobrunr import Job, JobFilter, JobRunr, JobState
from jobrunr.retries import GiveUp, Retry, RetryDecision
from tests.server import jobs
from tests.server.conftest import FAST, Watch

Finished = Callable[..., Job]


@pytest.mark.parametrize("decision", [None, timedelta(seconds=5), True, "later"])
def test_a_policy_that_decides_nothing_fails_the_job(watch: Watch, decision: Any) -> None:
    with JobRunr("memory://", filters=[watch], retry=lambda *facts: decision, **FAST) as app, app.server(workers=1):
        job_id = app.scheduler.enqueue(jobs.fail, "x")
        watch.wait_for(lambda: app.scheduler.get(job_id).state is JobState.FAILED)
        after = app.scheduler.enqueue(jobs.add, 1, 2)
        watch.wait_for(lambda: app.scheduler.get(after).state is JobState.SUCCEEDED)
        job = app.scheduler.get(job_id)
    failed = job.history[-1]
    assert f"{decision!r} is no decision" in str(failed.reason)
    assert failed.exception is not None
    assert failed.exception.type.endswith("Planned"), "what the job raised is kept"


@pytest.mark.parametrize(
    ("after", "state"),
    [
        (timedelta.max, JobState.SCHEDULED),
        (timedelta.min, JobState.FAILED),
        (5, JobState.FAILED),
        (None, JobState.FAILED),
    ],
)
def test_a_wait_beyond_all_reason_hurts_no_worker(watch: Watch, after: Any, state: JobState) -> None:
    with JobRunr("memory://", filters=[watch], retry=lambda *facts: Retry(after), **FAST) as app, app.server(workers=1):
        job_id = app.scheduler.options(retries=1).enqueue(jobs.fail, "x")
        watch.wait_for(lambda: app.scheduler.get(job_id).state is state)
        after = app.scheduler.enqueue(jobs.add, 1, 2)
        watch.wait_for(lambda: app.scheduler.get(after).state is JobState.SUCCEEDED)


def test_a_reason_to_give_up_may_be_any_text(watch: Watch, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    with (
        JobRunr(url, filters=[watch], retry=lambda *facts: GiveUp("a\0b\ud800" + "c" * 10_000), **FAST) as app,
        app.server(),
    ):
        job_id = app.scheduler.enqueue(jobs.fail, "x")
        watch.wait_for(lambda: app.scheduler.get(job_id).state is JobState.FAILED)
        change = app.scheduler.get(job_id).history[-1]
    assert change.reason is not None and change.reason.startswith("a\ufffdb") and len(change.reason) <= 2000
    assert change.exception is not None and change.exception.message == "x"


class Leaves(JobFilter):
    """Every hook tries to end the process."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def processing(self, job: Job) -> None:
        raise self._error

    def succeeded(self, job: Job, result: object) -> None:
        raise self._error

    def failed(self, job: Job, exception: BaseException) -> None:
        raise self._error

    def state_changed(self, job: Job, old: JobState, new: JobState) -> None:
        raise self._error

    def failed_after_retries(self, job: Job, exception: BaseException) -> None:
        raise self._error


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit()])
def test_a_filter_that_wants_to_end_the_process_changes_nothing(watch: Watch, error: BaseException) -> None:
    with JobRunr("memory://", filters=[Leaves(error), watch], **FAST) as app, app.server(workers=1):
        for function, state in ((jobs.add, JobState.SUCCEEDED), (jobs.add_async, JobState.SUCCEEDED)):
            job_id = app.scheduler.enqueue(function, 1, 2)
            watch.wait_for(lambda: app.scheduler.get(job_id).state is state)  # noqa: B023 - it is called at once
        job_id = app.scheduler.options(retries=0).enqueue(jobs.fail, "x")
        watch.wait_for(lambda: app.scheduler.get(job_id).state is JobState.FAILED)
        assert app.scheduler.get(job_id).history[-1].reason == "it is not to be retried"


class ElectsByForce(JobFilter):
    def elect_state(self, job: Job, exception: BaseException, decision: RetryDecision) -> RetryDecision:
        raise SystemExit(1)


def test_a_filter_that_ends_the_process_instead_of_electing_fails_the_job(watch: Watch) -> None:
    with JobRunr("memory://", filters=[watch, ElectsByForce()], **FAST) as app, app.server(workers=1):
        job_id = app.scheduler.enqueue(jobs.fail, "x")
        watch.wait_for(lambda: app.scheduler.get(job_id).state is JobState.FAILED)
        assert "SystemExit" in (app.scheduler.get(job_id).history[-1].reason or "")


def test_ctrl_c_in_a_filter_of_the_caller_is_the_callers(watch: Watch) -> None:
    class Interrupted(JobFilter):
        def created(self, job: Any) -> None:
            raise KeyboardInterrupt

    with JobRunr("memory://", filters=[Interrupted()]) as app, pytest.raises(KeyboardInterrupt):
        app.scheduler.enqueue(jobs.add, 1, 2)
