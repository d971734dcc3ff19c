"""Whatever a job raises, returns or does in its thread: the history says so, and the next job runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobrunr import Job, JobRunr, JobState, current_job
from jobrunr.ids import JobId
from tests.server import bad_jobs, jobs
from tests.server.conftest import Watch, eventually

Finished = Callable[..., Job]


@pytest.mark.parametrize(
    ("how", "type", "says"),
    [
        ("base", "tests.server.bad_jobs.Base", "of all"),
        ("nasty", "tests.server.bad_jobs.Nasty", "(its message cannot be shown: str() raised SystemExit)"),
        ("group", "builtins.BaseExceptionGroup", "several (2 sub-exceptions)"),
        ("memory", "builtins.MemoryError", ""),
        ("recursion", "builtins.RecursionError", "maximum recursion depth exceeded"),
        ("circle", "builtins.ValueError", "first"),
        ("huge", "builtins.ValueError", "x" * 1999 + "…"),
        ("class", "a�b.Odd", "��"),
        ("warning", "builtins.UserWarning", "as errors"),
    ],
)
def test_whatever_it_raises(app: JobRunr, finished: Finished, how: str, type: str, says: str) -> None:
    with app.server(workers=1):
        job = finished(app.scheduler.options(retries=0).enqueue(bad_jobs.raise_what, how))
        assert finished(app.scheduler.enqueue(jobs.add, 1, 2)).result == 3
    exception = job.history[-1].exception
    assert exception is not None
    assert (job.state, exception.type, exception.message) == (JobState.FAILED, type, says)
    assert len(exception.traceback) <= app.settings.max_traceback_size


@pytest.mark.parametrize("how", ["object", "lambda", "nan", "nul", "half", "circle", "deep", "keys"])
def test_whatever_it_returns(app: JobRunr, finished: Finished, how: str) -> None:
    with app.server(workers=1):
        job = finished(app.scheduler.enqueue(bad_jobs.return_what, how))
        assert finished(app.scheduler.enqueue(jobs.add, 1, 2)).result == 3
    exception = job.history[-1].exception
    assert exception is not None
    assert (job.state, job.attempts) == (JobState.FAILED, 1), "it is not run again and again"
    assert exception.type == "jobrunr.errors.ResultNotStorableError"
    assert "bad_jobs:return_what ran to its end, but its result is not storable" in exception.message


@pytest.mark.parametrize("function", [bad_jobs.fork_and_return, bad_jobs.fork_and_return_async])
def test_what_it_forks_ends_with_it_and_runs_no_other_job(
    app: JobRunr, finished: Finished, function: Callable[[str], Any], tmp_path: Path
) -> None:
    file = tmp_path / "fork"
    app.scheduler.enqueue(function, str(file))
    waiting = app.scheduler.enqueue(process_that_runs)
    with app.server(workers=1):
        assert finished(waiting).result == os.getpid()
    eventually(lambda: file.exists() and file.read_text() != "")
    pid = int(file.read_text())
    eventually(lambda: os.waitpid(pid, os.WNOHANG) == (pid, 0))
    assert app.scheduler.counts()[JobState.SUCCEEDED] == 2


def process_that_runs() -> int:
    return os.getpid()


def test_one_that_blocks_the_event_loop_delays_other_coroutines_and_nothing_else(app: JobRunr, finished: Finished) -> None:
    with app.server() as server:
        ticking = app.scheduler.enqueue(bad_jobs.tick, 30)
        eventually(lambda: server.busy == 1)
        blocking = app.scheduler.enqueue(bad_jobs.block, 0.4)
        assert finished(app.scheduler.enqueue(jobs.add, 1, 2)).result == 3
        assert finished(blocking).state is JobState.SUCCEEDED
        assert finished(ticking).state is JobState.SUCCEEDED


def test_one_that_withdraws_itself_ends_without_an_outcome(app: JobRunr, watch: Watch) -> None:
    with app.server() as server:
        job_id = app.scheduler.options(id=JobId.from_key("withdraws")).enqueue(withdraws_itself)
        eventually(lambda: app.scheduler.get(job_id).state is JobState.DELETED)
        eventually(lambda: server.busy == 0)
    assert [change[2] for change in watch.changes] == [JobState.DELETED]
    assert app.scheduler.get(job_id).state is JobState.DELETED


applications: list[JobRunr] = []


@pytest.fixture(autouse=True)
def _known_to_jobs(app: JobRunr) -> None:
    applications[:] = [app]


def withdraws_itself() -> str:
    applications[0].scheduler.delete(current_job().id)
    return "done all the same"
