"""`drain` runs what is due, in this thread, as a server would."""

from __future__ import annotations

import asyncio
import logging
import threading
from datetime import timedelta

import pytest

from jobrunr import FixedDelays, Job, JobFilter, JobRunr, JobState, log_context
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing import TestClock, drain
from tests.testing import jobs


def test_nothing_due_is_nothing_done(app: JobRunr) -> None:
    app.scheduler.schedule(timedelta(seconds=1), jobs.note, "later")

    assert drain(app) == []


def test_jobs_run_in_the_order_of_a_server(app: JobRunr) -> None:
    app.scheduler.enqueue(jobs.note, "first")
    app.scheduler.enqueue(jobs.note, "second")
    app.scheduler.options(priority=1).enqueue(jobs.note, "urgent")

    done = drain(app)

    assert jobs.order == ["urgent", "first", "second"]
    assert [job.state for job in done] == [JobState.SUCCEEDED] * 3
    assert [job.details.arguments for job in done] == ['{"name":"urgent"}', '{"name":"first"}', '{"name":"second"}']


def test_every_queue_is_drained(app: JobRunr) -> None:
    app.scheduler.enqueue(jobs.report, 2026)

    assert [job.result for job in drain(app)] == [2026]


def test_jobs_that_jobs_make_run_too(app: JobRunr) -> None:
    app.scheduler.enqueue(jobs.split, 3)

    assert len(drain(app)) == 4
    assert jobs.order == ["part 0", "part 1", "part 2"]


def test_what_is_scheduled_runs_when_the_clock_is_turned_to_it_and_not_before(app: JobRunr, clock: TestClock) -> None:
    app.scheduler.schedule(timedelta(hours=1), jobs.note, "in an hour")

    clock.advance(minutes=59, seconds=59)
    assert drain(app) == []

    clock.advance(seconds=1)
    assert [job.state for job in drain(app)] == [JobState.SUCCEEDED]


def test_a_retry_waits_for_the_clock(app: JobRunr, clock: TestClock) -> None:
    job_id = app.scheduler.enqueue(jobs.fail_once)

    (failed,) = drain(app)
    assert failed.state is JobState.SCHEDULED
    assert failed.run_at == clock.now() + timedelta(seconds=3)
    assert failed.last_exception is not None

    assert drain(app) == []
    clock.advance(seconds=3)
    (job,) = drain(app)

    assert job.id == job_id
    assert job.result == "at last"
    assert [change.state for change in job.history] == [
        JobState.ENQUEUED,
        JobState.PROCESSING,
        JobState.FAILED,
        JobState.SCHEDULED,
        JobState.ENQUEUED,
        JobState.PROCESSING,
        JobState.SUCCEEDED,
    ]


def test_a_retry_at_once_runs_in_the_same_drain_and_the_job_is_told_of_once_at_its_last_place(app: JobRunr) -> None:
    job_id = app.scheduler.options(retry=FixedDelays(0)).enqueue(jobs.fail_once_and_let_another_go_first)

    other, again = drain(app)

    assert again.id == job_id
    assert again.attempts == 2
    assert other.details.arguments == '{"name":"the other"}'


def test_a_job_that_fails_for_good_is_no_error_and_its_traceback_is_logged(
    app: JobRunr, caplog: pytest.LogCaptureFixture
) -> None:
    app.scheduler.options(retries=0).enqueue(jobs.fail)

    (job,) = drain(app)

    assert job.state is JobState.FAILED
    (record,) = [record for record in caplog.records if record.name == "jobrunr.testing"]
    assert str(job.id) in record.getMessage()
    assert "raise ValueError(message)\nValueError: no such mailbox" in record.getMessage()
    assert "draining.py" not in record.getMessage()


def test_the_traceback_of_a_job_that_succeeded_in_the_end_is_logged_once(
    app: JobRunr, caplog: pytest.LogCaptureFixture
) -> None:
    app.scheduler.options(retry=FixedDelays(0)).enqueue(jobs.fail_once)

    drain(app)

    assert [record.levelname for record in caplog.records if record.name == "jobrunr.testing"] == ["WARNING"]


def test_a_job_that_exits_fails(app: JobRunr) -> None:
    app.scheduler.options(retries=0).enqueue(jobs.leave)

    assert [job.state for job in drain(app)] == [JobState.FAILED]


@pytest.mark.parametrize(
    ("function", "verdict"), [(jobs.end_the_test, jobs.Verdict), (jobs.end_the_test_async, KeyboardInterrupt)]
)
def test_what_ends_a_test_ends_it_from_inside_a_job(app: JobRunr, function: object, verdict: type[BaseException]) -> None:
    app.scheduler.enqueue(function)  # type: ignore[call-overload]

    with pytest.raises(verdict):
        drain(app)

    assert app.storage.servers() == []


def test_coroutines_run(app: JobRunr) -> None:
    job_id = app.scheduler.enqueue(jobs.fetch, "https://example.org")

    assert [job.result for job in drain(app)] == [f"https://example.org by job {job_id}"]


def test_coroutines_run_beside_a_loop_that_runs_here_already(app: JobRunr) -> None:
    job_id = app.scheduler.enqueue(jobs.fetch, "https://example.org")

    async def test() -> list[Job]:
        return drain(app)

    assert [job.result for job in asyncio.run(test())] == [f"https://example.org by job {job_id}"]


def test_a_coroutine_leaves_the_loop_of_the_thread_alone(app: JobRunr) -> None:
    app.scheduler.enqueue(jobs.fetch, "https://example.org")
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        drain(app)
        assert asyncio.get_event_loop_policy().get_event_loop() is loop
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def test_a_job_sees_the_context_in_which_it_was_made_and_not_that_of_the_test(app: JobRunr) -> None:
    with log_context(tenant="a"):
        app.scheduler.enqueue(jobs.surroundings)
    app.scheduler.enqueue(jobs.surroundings)

    token = jobs.request.set("that of the test")
    with log_context(tenant="test"):
        done = drain(app)
    jobs.request.reset(token)

    assert [job.result for job in done] == [
        {"request": "none", "log context": {"tenant": "a"}},
        {"request": "none", "log context": {}},
    ]


def test_logs_metadata_and_progress_are_kept(app: JobRunr) -> None:
    job_id = app.scheduler.enqueue(jobs.chat, "hello")

    drain(app)

    assert [(line.level, line.message) for line in app.scheduler.logs(job_id)] == [
        (logging.WARNING, "hello"),
        (logging.INFO, "more of hello"),
    ]
    assert app.scheduler.metadata(job_id) == {"said": "hello"}
    progress = app.scheduler.progress(job_id)
    assert progress is not None
    assert (progress.done, progress.total) == (3, 3)


def test_a_job_can_drain(app: JobRunr) -> None:
    job_id = app.scheduler.enqueue(jobs.drain_inside)

    (job,) = drain(app)

    assert job.result == ["chat"]
    assert [line.message for line in app.scheduler.logs(job_id)] == ["before", "after"]
    (inside,) = app.scheduler.find(target="tests.testing.jobs:chat")
    assert [line.message for line in app.scheduler.logs(inside.id)] == ["inside", "more of inside"]


def test_a_job_that_withdraws_itself_stays_withdrawn(app: JobRunr) -> None:
    app.scheduler.enqueue(jobs.withdraw_oneself)

    assert [job.state for job in drain(app)] == [JobState.DELETED]


def test_jobs_without_end_are_told_of(app: JobRunr) -> None:
    app.scheduler.enqueue(jobs.again)

    with pytest.raises(AssertionError, match="20 jobs ran and more are due"):
        drain(app, most=20)

    assert app.scheduler.counts()[JobState.SUCCEEDED] == 20


def test_as_many_jobs_as_allowed_are_no_error(app: JobRunr) -> None:
    app.scheduler.enqueue_many(jobs.note, ["a", "b"])

    assert len(drain(app, most=2)) == 2


def test_filters_are_called(clock: TestClock) -> None:
    class Watch(JobFilter):
        def __init__(self) -> None:
            self.changes: list[tuple[JobState, JobState]] = []

        def state_changed(self, job: Job, old: JobState, new: JobState) -> None:
            self.changes.append((old, new))

    watch = Watch()
    with JobRunr(MemoryStorageProvider(clock), filters=[watch]) as app:
        app.scheduler.enqueue(jobs.fail)
        drain(app)

    assert watch.changes == [(JobState.PROCESSING, JobState.FAILED), (JobState.FAILED, JobState.SCHEDULED)]


def test_a_job_that_wants_a_process_and_has_a_time_limit_runs_here_and_takes_its_time(app: JobRunr) -> None:
    app.scheduler.options(execution="process", timeout=0.001).enqueue(jobs.take_time_and_say_where, 0.01)

    assert [job.result for job in drain(app)] == [threading.get_ident()]


def test_nothing_is_left_behind(app: JobRunr) -> None:
    handlers = list(logging.getLogger().handlers)
    threads = set(threading.enumerate())
    app.scheduler.enqueue(jobs.fetch, "https://example.org")

    drain(app)

    assert app.storage.servers() == []
    assert logging.getLogger().handlers == handlers
    assert set(threading.enumerate()) <= threads
