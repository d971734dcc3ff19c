"""A job runs, once, with what it was given, and what it did is kept."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from jobrunr import FixedDelays, Job, JobRunr, JobState, log_context
from tests.server import jobs
from tests.server.conftest import FAST, Watch

Finished = Callable[..., Job]


@pytest.mark.parametrize("function", [jobs.add, jobs.add_async, jobs.returns_coroutine])
def test_a_function_runs_and_its_result_is_kept(app: JobRunr, finished: Finished, function: Callable[..., int]) -> None:
    with app.server() as server:
        job = finished(app.scheduler.enqueue(function, 2, b=3))
    assert job.state is JobState.SUCCEEDED
    assert job.result == 5
    assert job.result_as(int) == 5
    assert [change.state for change in job.history] == [JobState.ENQUEUED, JobState.PROCESSING, JobState.SUCCEEDED]
    assert job.history[1].server_name == server.name
    assert job.history[1].attempt == 1
    assert [change.at for change in job.history] == sorted(change.at for change in job.history)


def test_methods_run_on_what_the_activator_makes(watch: Watch, finished: Finished, app: JobRunr) -> None:
    app = JobRunr("memory://", filters=[watch], activator=lambda cls: cls("smtp-2"), **FAST)
    calls = {
        app.scheduler.enqueue(jobs.Mailer.send, "ada"): "ada via smtp-2",
        app.scheduler.enqueue(jobs.Mailer("not stored").send, "bob"): "bob via smtp-2",
        app.scheduler.enqueue(jobs.Mailer.send_async, "cy"): "cy via smtp-2",
        app.scheduler.enqueue(jobs.Mailer.check, "no address"): False,
        app.scheduler.enqueue(jobs.Mailer.kind): "Mailer",
    }
    with app, app.server():
        watch.wait_for(lambda: app.scheduler.counts()[JobState.SUCCEEDED] == len(calls))
        assert {job_id: app.scheduler.get(job_id).result for job_id in calls} == calls


def test_many_jobs_of_both_kinds_each_run_once(app: JobRunr, watch: Watch) -> None:
    app.scheduler.enqueue_many(jobs.note, [("many", number) for number in range(1000)])
    asynchronous = app.scheduler.enqueue_many(jobs.add_async, [(number, 1) for number in range(1000)])
    with app.server():
        watch.wait_for(lambda: app.scheduler.counts()[JobState.SUCCEEDED] == 2000)
    assert sorted(jobs.seen.pop("many")) == list(range(1000))
    assert sorted(app.scheduler.get(job_id).result for job_id in asynchronous) == list(range(1, 1001))


def test_no_more_jobs_run_at_a_time_than_there_are_workers(app: JobRunr, watch: Watch) -> None:
    app.scheduler.enqueue_many(jobs.wait_for, ["busy"] * 6)
    with app.server(workers=2) as server:
        assert jobs.gates["busy began"].wait(10)
        watch.wait_for(lambda: server.busy == 2) if server.busy != 2 else None
        assert server.busy == 2
        jobs.gates["busy"].set()
        watch.wait_for(lambda: app.scheduler.counts()[JobState.SUCCEEDED] == 6)


def test_logs_of_both_kinds_are_kept_in_order(app: JobRunr, finished: Finished) -> None:
    with app.server():
        job = finished(app.scheduler.enqueue(jobs.chatty, 3))
    lines = app.scheduler.logs(job.id)
    assert [line.message for line in lines] == ["from the standard library: 3", "line 0", "line 1", "line 2"]
    assert [line.level for line in lines] == [logging.WARNING, logging.INFO, logging.INFO, logging.INFO]


def test_a_log_that_is_too_long_ends_with_a_note(app: JobRunr, finished: Finished) -> None:
    with app.server(max_log_lines=10):
        job = finished(app.scheduler.enqueue(jobs.chatty, 1000))
    lines = app.scheduler.logs(job.id)
    assert len(lines) == 11
    assert "10 lines" in lines[-1].message


def test_metadata_survives_retries(app: JobRunr, finished: Finished) -> None:
    with app.server(), log_context():
        job_id = app.scheduler.options(retry=FixedDelays(0, 0, 0)).enqueue(jobs.counts_in_metadata, 3)
        job = finished(job_id)
    assert job.result == 3
    assert app.scheduler.metadata(job_id) == {"count": 3}


def test_progress_is_kept(app: JobRunr, finished: Finished) -> None:
    with app.server():
        job = finished(app.scheduler.enqueue(jobs.progresses, 7))
    progress = app.scheduler.progress(job.id)
    assert progress is not None
    assert (progress.done, progress.total, progress.share) == (7, 7, 1.0)


def test_the_log_context_of_the_caller_is_there_again(app: JobRunr, finished: Finished) -> None:
    with app.server():
        with log_context(tenant="a", request=17):
            inside = app.scheduler.enqueue(jobs.context_of, "x")
        outside = app.scheduler.enqueue(jobs.context_of, "x")
        assert finished(inside).result == {"tenant": "a", "request": 17}
        assert finished(outside).result == {}


def test_queues_that_a_server_does_not_serve_are_left_alone(app: JobRunr, finished: Finished) -> None:
    other = app.scheduler.options(queue="other").enqueue(jobs.add, 1, 1)
    with app.server(queues=["reports"]):
        served = finished(app.scheduler.options(queue="reports").enqueue(jobs.add, 1, 1))
    assert served.state is JobState.SUCCEEDED
    assert app.scheduler.get(other).state is JobState.ENQUEUED
