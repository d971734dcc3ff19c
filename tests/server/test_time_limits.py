"""A run that takes too long is ended, or given up, and hurts no other."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from jobrunr import FixedDelays, Job, JobRunr, JobState
from jobrunr.cli.status import read_status
from jobrunr.errors import JobTimeoutError
from jobrunr.server import fetcher, interrupting, time_limits
from jobrunr.server.fetcher import Appetite
from jobrunr.server.interrupting import InterruptibleCall, JobInterrupted
from jobrunr.server.run import Run
from jobrunr.server.time_limits import TimeLimits
from jobrunr.server.workers import Workers
from tests.server import hanging_jobs, jobs
from tests.server.conftest import FAST, Watch, eventually

Finished = Callable[..., Job]
TIMEOUT = "jobrunr.errors.JobTimeoutError"


@pytest.fixture
def key(request: pytest.FixtureRequest) -> Iterator[str]:
    yield request.node.name
    jobs.gates[request.node.name].set()
    jobs.seen.pop(request.node.name, None)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be stopped is given up soon."""
    monkeypatch.setattr(time_limits, "PATIENCE", 0.1)


def failure_of(job: Job) -> tuple[str, str]:
    exception = job.history[-1].exception
    assert exception is not None
    return exception.type, exception.message


# -- ending


@pytest.mark.parametrize(
    ("function", "left"),
    [
        (hanging_jobs.spin, "tidied up"),
        (hanging_jobs.spin_and_catch_errors, "tidied up"),
        (hanging_jobs.look, True),
        (hanging_jobs.sleep, "tidied up"),
        (hanging_jobs.returns_sleeping_coroutine, "tidied up"),
    ],
)
def test_a_run_is_ended_when_its_time_is_over(
    app: JobRunr, finished: Finished, function: Callable[[str], Any], left: object, key: str
) -> None:
    with app.server(workers=1) as server:
        job = finished(app.scheduler.options(retries=0, timeout=0.1).enqueue(function, key))
        assert finished(app.scheduler.enqueue(jobs.add, 1, 2)).result == 3
        assert server._workers.stuck == ()
    assert job.state is JobState.FAILED
    assert failure_of(job) == (TIMEOUT, "The job took longer than its time limit of 100 ms.")
    assert jobs.seen[key] == [left]


def test_the_history_says_where_it_was(app: JobRunr, finished: Finished, key: str) -> None:
    with app.server():
        exception = (
            finished(app.scheduler.options(retries=0, timeout=0.05).enqueue(hanging_jobs.spin, key)).history[-1].exception
        )
    assert exception is not None
    assert exception.place.startswith("tests/server/hanging_jobs.py:") and exception.place.endswith(" in spin")
    assert "while True" in exception.traceback
    assert "jobrunr/server" not in exception.traceback


def test_it_is_retried_as_any_failure(app: JobRunr, finished: Finished, key: str) -> None:
    limited = app.scheduler.options(timeout=0.05, retries=1, retry=FixedDelays(0))
    with app.server():
        assert finished(limited.enqueue(hanging_jobs.spin, key)).attempts == 2
        assert finished(limited.options(no_retry_on=[JobTimeoutError]).enqueue(hanging_jobs.spin, key)).attempts == 1


def test_what_it_raises_when_it_is_ended_is_the_cause(app: JobRunr, finished: Finished, key: str) -> None:
    with app.server():
        job = finished(app.scheduler.options(retries=0, timeout=0.05).enqueue(hanging_jobs.spin_and_fail_otherwise, key))
    assert failure_of(job)[0] == TIMEOUT
    assert "ValueError: while tidying up" in job.history[-1].exception.traceback  # type: ignore[union-attr]


def test_a_function_that_insists_on_a_result_has_one(app: JobRunr, finished: Finished, key: str) -> None:
    with app.server():
        job = finished(app.scheduler.options(timeout=0.05).enqueue(hanging_jobs.spin_and_catch_everything, key))
    assert (job.state, job.result) == (JobState.SUCCEEDED, "JobInterrupted")


def test_a_deleted_function_that_does_not_look_ends_when_its_time_is_over(app: JobRunr, key: str) -> None:
    with app.server() as server:
        job_id = app.scheduler.options(timeout=0.7).enqueue(hanging_jobs.spin, key)
        assert jobs.gates[f"{key} began"].wait(10)
        app.scheduler.delete(job_id)
        eventually(lambda: jobs.seen[key] == ["tidied up"])
        eventually(lambda: server.busy == 0)
    assert app.scheduler.get(job_id).state is JobState.DELETED


# -- who says it


def test_the_call_goes_before_the_decorator_and_that_before_the_settings(app: JobRunr, finished: Finished, key: str) -> None:
    once = app.scheduler.options(retries=0)
    with app.server(job_timeout="70ms"):
        limits = [
            finished(once.options(timeout="60ms").enqueue(hanging_jobs.spin_as_declared, key)),
            finished(once.enqueue(hanging_jobs.spin_as_declared, key)),
            finished(once.enqueue(hanging_jobs.spin, key)),
        ]
    assert [failure_of(job)[1].rpartition(" of ")[2] for job in limits] == ["60 ms.", "50 ms.", "70 ms."]


def test_a_job_in_time_is_left_alone(app: JobRunr, finished: Finished) -> None:
    limited = app.scheduler.options(timeout="1m")
    with app.server():
        assert finished(limited.enqueue(jobs.add, 1, 2)).result == 3
        assert finished(limited.enqueue(jobs.add_async, 1, 2)).result == 3
        assert finished(limited.enqueue(jobs.returns_coroutine, 1, 2)).result == 3


# -- giving up


@pytest.mark.usefixtures("impatient")
def test_what_cannot_be_stopped_is_given_up_shown_and_replaced(
    app: JobRunr, finished: Finished, watch: Watch, key: str
) -> None:
    with app.server(workers=1) as server:
        job = finished(app.scheduler.options(retries=0, timeout=0.05).enqueue(hanging_jobs.wait_in_c, key))
        assert failure_of(job)[0] == TIMEOUT
        assert "gates[key].wait(30)" in job.history[-1].exception.traceback  # type: ignore[union-attr]
        assert finished(app.scheduler.enqueue(jobs.add, 1, 2)).result == 3, "another worker took its place"
        eventually(lambda: len(problems(app)) == 1)
        assert str(job.id) in problems(app)[0] and server.name in problems(app)[0]

        jobs.gates[key].set()
        eventually(lambda: server._workers.stuck == ())
        eventually(lambda: problems(app) == [])
        assert jobs.seen[key] == [True], "it was told, and went no further"
        assert finished(app.scheduler.enqueue(jobs.add, 3, 4)).result == 7
        assert server.busy == 0
    assert app.scheduler.get(job.id).history == job.history
    assert [change for change in watch.changes if change[0] == job.id] == [(job.id, JobState.PROCESSING, JobState.FAILED)]


def problems(app: JobRunr) -> list[str]:
    return read_status(app.storage, timedelta(seconds=10)).problems


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("function", [hanging_jobs.sleep_deaf, hanging_jobs.block_the_loop])
def test_so_is_a_coroutine(app: JobRunr, finished: Finished, function: Callable[[str], Any], key: str) -> None:
    with app.server(workers=1) as server:
        job = finished(app.scheduler.options(retries=0, timeout=0.05).enqueue(function, key))
        assert failure_of(job)[0] == TIMEOUT
        assert finished(app.scheduler.enqueue(jobs.add, 1, 2)).result == 3
        jobs.gates[key].set()
        eventually(lambda: server._workers.stuck == ())
        assert finished(app.scheduler.enqueue(jobs.add_async, 1, 2)).result == 3


@pytest.mark.usefixtures("impatient")
def test_a_thread_that_left_a_coroutine_to_the_loop_stays_whatever_becomes_of_it(
    app: JobRunr, finished: Finished, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    call = Workers._call_on_loop

    def call_and_wait(workers: Workers, start: Callable[[Any], object], what: Any, runs: list[Run]) -> None:
        call(workers, start, what, runs)
        eventually(lambda: runs[0].is_abandoned)

    monkeypatch.setattr(Workers, "_call_on_loop", call_and_wait)
    monkeypatch.setattr(fetcher, "appetite", lambda *_: Appetite(claim=2, hungry_at=0))
    app.scheduler.enqueue(jobs.add, 1, 2)
    hanging = app.scheduler.options(retry=FixedDelays(3600), timeout=0.05).enqueue(hanging_jobs.sleep_deaf, key)
    with app.server(workers=1) as server:  # its thread ends the first, and takes the second
        finished(hanging, JobState.SCHEDULED)
        eventually(lambda: server._workers._idle_threads == 1)
        assert finished(app.scheduler.enqueue(jobs.add, 1, 2)).result == 3
        jobs.gates[key].set()


@pytest.mark.usefixtures("impatient")
def test_only_so_many_are_replaced(app: JobRunr, finished: Finished, key: str) -> None:
    limited = app.scheduler.options(retries=0, timeout=0.05)
    with app.server(workers=2, max_stuck_threads=1) as server:
        finished(limited.enqueue(hanging_jobs.wait_in_c, key))
        finished(limited.enqueue(hanging_jobs.wait_in_c, key))
        assert server.busy == 1, "a worker is lost until one of them ends"
        last = finished(limited.enqueue(hanging_jobs.wait_in_c, key))
        assert last.state is JobState.FAILED
        assert server.busy == 2
        waiting = app.scheduler.enqueue(jobs.add, 1, 2)
        jobs.gates[key].set()
        assert finished(waiting).result == 3
        eventually(lambda: server._workers.stuck == () and server.busy == 0)


@pytest.mark.usefixtures("impatient")
def test_a_server_stops_without_those_that_were_given_up(app: JobRunr, finished: Finished, key: str) -> None:
    with app.server() as server:
        job = finished(app.scheduler.options(retries=0, timeout=0.05).enqueue(hanging_jobs.wait_in_c, key))
        assert server.stop() == 0
    assert app.scheduler.get(job.id).state is JobState.FAILED


def test_a_heartbeat_goes_on_while_a_coroutine_blocks_the_loop(watch: Watch, key: str) -> None:
    short = {**FAST, "heartbeat_interval": 0.05, "server_timeout": 0.3}
    with JobRunr("memory://", filters=[watch], **short) as app, app.server() as server:  # type: ignore[arg-type]
        job_id = app.scheduler.enqueue(hanging_jobs.block_the_loop, key)
        assert jobs.gates[f"{key} began"].wait(10)
        beats = set[object]()
        eventually(lambda: len(beats.add(app.storage.servers()[0].last_heartbeat) or beats) > 10)  # type: ignore[func-returns-value]
        assert server.is_healthy
        jobs.gates[key].set()
        watch.wait_for(lambda: app.scheduler.get(job_id).state is JobState.SUCCEEDED)
        assert app.scheduler.get(job_id).attempts == 1


# -- interrupting


def test_a_call_that_was_over_when_it_was_interrupted_is_not_hurt_and_neither_is_what_follows() -> None:
    """At random moments: whatever comes of the call, behind it nothing is raised."""
    for _ in range(300):
        call = InterruptibleCall(lambda: sum(range(200)))
        begun, outcome = threading.Event(), list[object]()

        def work(call: InterruptibleCall = call, begun: threading.Event = begun, outcome: list[object] = outcome) -> None:
            begun.set()
            try:
                outcome.append(call())
            except JobInterrupted as interrupted:
                outcome.append(interrupted)
            outcome.extend(number for number in range(100))

        thread = threading.Thread(target=work)
        thread.start()
        begun.wait(10)
        while not call.interrupt():
            pass
        thread.join(10)
        assert len(outcome) == 101, "what followed was not interrupted"


def test_what_was_interrupted_can_still_be_profiled_afterwards() -> None:
    """In a process of its own: where Python still looks for an exception that was taken back, a profiler never gets on."""
    program = (
        "import cProfile, threading\n"
        "from jobrunr.server.interrupting import InterruptibleCall, JobInterrupted\n"
        "def spin():\n"
        "    while True: pass\n"
        "def work():\n"
        "    try: call()\n"
        "    except JobInterrupted: pass\n"
        "call = InterruptibleCall(spin)\n"
        "thread = threading.Thread(target=work)\n"
        "thread.start()\n"
        "while not call.interrupt(): pass\n"
        "thread.join()\n"
        "print(cProfile.Profile().runcall(lambda: sum(map(abs, range(3)))))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=True)
    assert done.stdout == "3\n"


def test_a_call_is_not_interrupted_where_it_would_hurt_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupting, "_NOT_INTERRUPTED", (hanging_jobs.__name__,))
    began, ended, outcome = threading.Event(), threading.Event(), list[str]()

    def outside() -> None:
        hanging_jobs.look_around(began, ended)
        try:
            while True:
                pass
        except JobInterrupted:
            outcome.append("outside")

    call = InterruptibleCall(outside)
    thread = threading.Thread(target=call)
    thread.start()
    assert began.wait(10)
    assert not call.interrupt()
    ended.set()
    eventually(call.interrupt)
    thread.join(10)
    assert outcome == ["outside"]


# -- watching


class Ticking:
    """A clock for `TimeLimits`."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class Limited(Run):
    def __init__(self, seconds: float) -> None:
        self.limit, self.end, self.deadline = timedelta(seconds=seconds), None, 0.0
        self.cancelled: list[object] = []

    def cancel(self, end: Any) -> None:
        self.end = end
        self.cancelled.append(end)

    def interrupt(self) -> bool:
        return True


def test_it_looks_when_the_next_time_is_over_and_is_woken_for_what_is_over_sooner() -> None:
    clock, given_up, woken = Ticking(), list[Run](), list[float]()
    limits = TimeLimits(given_up.append, clock)
    limits.wake = lambda: woken.append(clock.now)
    long, short, ended = Limited(30), Limited(10), Limited(5)
    assert limits.tick() == time_limits.NOTHING_TO_DO

    limits.watch(long)
    assert limits.tick() == pytest.approx(30)
    woken.clear()
    limits.watch(ended)
    limits.watch(short)
    assert len(woken) == 1
    limits.forget(ended)
    assert limits.tick() == pytest.approx(10)
    clock.now += 10
    assert limits.tick() == pytest.approx(time_limits.PATIENCE)
    assert (len(short.cancelled), len(long.cancelled), given_up) == (1, 0, [])
    clock.now += time_limits.PATIENCE
    assert limits.tick() == pytest.approx(30 - 10 - time_limits.PATIENCE)
    assert (len(short.cancelled), given_up) == (1, [short])
    assert ended.cancelled == []
