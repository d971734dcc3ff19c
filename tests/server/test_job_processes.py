"""A job in a process of its own is like any other; it can be killed, and when it dies, nothing dies with it."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from jobrunr import FixedDelays, Job, JobFilter, JobRunr, JobState, Retry, log_context
from jobrunr.scheduler.job_scheduler import JobScheduler
from jobrunr.server.background_job_server import BackgroundJobServer
from jobrunr.server.processes import child, process
from jobrunr.server.processes.ends import oom_kills
from jobrunr.states import FINISHED
from tests.server import jobs, process_jobs
from tests.server.conftest import FAST, Watch, eventually

Finished = Callable[..., Job]


@pytest.fixture(scope="module")
def watch() -> Watch:
    return Watch()


@pytest.fixture(scope="module")
def app(watch: Watch) -> Iterator[JobRunr]:
    """One for most tests, with a server that runs: to start a process takes a while."""
    with JobRunr("memory://", filters=[watch], **FAST) as app:
        yield app


@pytest.fixture(scope="module")
def server(app: JobRunr) -> Iterator[BackgroundJobServer]:
    with app.server(workers=2, job_processes=1) as server:
        yield server


@pytest.fixture
def alone() -> Iterator[JobRunr]:
    """Another, for a test that starts servers of its own."""
    with JobRunr("memory://", filters=[Watch()], **FAST) as app:
        yield app


def outcome(app: JobRunr, job_id: UUID) -> Job:
    eventually(lambda: app.scheduler.get(job_id).state in FINISHED)
    return app.scheduler.get(job_id)


@pytest.fixture
def once(app: JobRunr) -> JobScheduler:
    """Makes jobs that run in a process, and are not retried."""
    return app.scheduler.options(execution="process", retries=0)


def exception_of(job: Job) -> Any:
    assert job.history[-1].exception is not None, job.history
    return job.history[-1].exception


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


# -- a job as any other


@pytest.mark.usefixtures("server")
def test_it_runs_in_another_process_which_is_kept(app: JobRunr, once: JobScheduler, finished: Finished) -> None:
    here = finished(app.scheduler.enqueue(process_jobs.pid)).result
    others = {
        finished(once.enqueue(process_jobs.pid)).result,
        finished(once.enqueue(process_jobs.pid, "x" * 100_000)).result,
        finished(once.enqueue(process_jobs.pid_async)).result,
        finished(once.enqueue(process_jobs.returns_coroutine)).result,
        finished(app.scheduler.enqueue(process_jobs.pid_as_declared)).result,
    }
    assert here == os.getpid()
    assert len(others) == 1 and others != {here}
    assert finished(app.scheduler.options(execution="thread").enqueue(process_jobs.pid_as_declared)).result == here


def test_there_are_as_many_as_may_be_and_none_when_the_server_is_down(alone: JobRunr) -> None:
    with alone.server(workers=4, job_processes=2):
        ids = alone.scheduler.options(execution="process").enqueue_many(process_jobs.pid, range(8))
        eventually(lambda: alone.scheduler.counts()[JobState.SUCCEEDED] == 8)
    pids = {alone.scheduler.get(job_id).result for job_id in ids}
    assert 1 <= len(pids) <= 2
    assert not any(map(is_alive, pids))


@pytest.mark.usefixtures("server")
def test_it_has_the_context_and_keeps_what_it_says(
    app: JobRunr, finished: Finished, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = app.scheduler.options(execution="process", labels=["a"], name="Report", retry=FixedDelays(0))
    with log_context(tenant="t-1"):
        job = finished(jobs.enqueue(process_jobs.tell_everything, 2))
    assert job.result == {
        "id": str(job.id),
        "name": "Report",
        "labels": ["a"],
        "attempt": 2,
        "failures": 1,
        "log context": {"tenant": "t-1"},
        "count": 2,
    }
    lines = app.scheduler.logs(job.id)
    assert [(line.attempt, line.level, line.message.split("\n")[0]) for line in lines] == [
        (attempt, level, text)
        for attempt in (1, 2)
        for level, text in (
            (logging.INFO, f"from the context: {attempt}"),
            (logging.WARNING, "from the standard library"),
            (logging.ERROR, "went wrong"),
        )
    ]
    assert "ValueError: handled" in lines[-1].message
    assert app.scheduler.metadata(job.id) == {"count": 2}
    progress = app.scheduler.progress(job.id)
    assert progress is not None and (progress.done, progress.total) == (2, 2)
    assert [record.order for record in caplog.records if record.name == "shop.reports" and hasattr(record, "order")] == [
        17,
        17,
    ]


@pytest.mark.usefixtures("server")
def test_its_failure_is_kept_as_it_was_there(once: JobScheduler, finished: Finished) -> None:
    exception = exception_of(finished(once.enqueue(process_jobs.fail, 5)))
    assert exception.type == "tests.server.process_jobs.Planned"
    assert exception.message == "as planned"
    assert exception.place.startswith("tests/server/process_jobs.py:") and exception.place.endswith(" in fail")
    assert 'raise Planned("as planned", seconds=seconds)' in exception.traceback
    assert "jobrunr/server" not in exception.traceback


class Told(JobFilter):
    def __init__(self) -> None:
        self.told: list[object] = []

    def processing(self, job: Job) -> None:
        self.told.append(os.getpid())

    def succeeded(self, job: Job, result: object) -> None:
        self.told.append(result)

    def failed(self, job: Job, exception: BaseException) -> None:
        self.told.append(exception)


def by_the_exception(job: Job, exception: BaseException, attempt: int) -> Retry:
    assert isinstance(exception, process_jobs.Planned)
    return Retry(timedelta(seconds=exception.seconds))


def test_filters_and_retry_policies_are_asked_in_the_server(watch: Watch) -> None:
    told = Told()
    with JobRunr("memory://", filters=[watch, told], retry=by_the_exception, **FAST) as app, app.server():
        jobs = app.scheduler.options(execution="process", retries=1)
        good = jobs.enqueue(process_jobs.return_much, 3)
        watch.wait_for(lambda: app.scheduler.get(good).state is JobState.SUCCEEDED)
        bad = jobs.enqueue(process_jobs.fail, 3600)
        watch.wait_for(lambda: app.scheduler.get(bad).state is JobState.SCHEDULED)
        failed, again = app.scheduler.get(bad).history[-2:]
    assert told.told[:3] == [os.getpid(), "xxx", os.getpid()]
    assert again.run_at is not None and again.run_at - failed.at == timedelta(hours=1)
    (failure,) = told.told[3:]
    assert isinstance(failure, process_jobs.Planned)
    assert (str(failure), failure.args, failure.seconds) == ("as planned", ("as planned",), 3600)
    assert not hasattr(failure, "callback"), "what is not plain stays behind"
    assert "raise Planned" in failure.__notes__[0]


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("function", "name", "reason"),
    [
        (process_jobs.never_again, "jobrunr.errors.DoNotRetry", "the job said not to retry"),
        (process_jobs.return_something_unstorable, "jobrunr.errors.ResultNotStorableError", "a retry would not help"),
        (process_jobs.fail_stubbornly, "tests.server.process_jobs.Stubborn", "no retry is left"),
        (process_jobs.fail_locally, "tests.server.process_jobs.Local", "tests.server.process_jobs.Local is not retried"),
    ],
)
def test_exceptions_keep_their_meaning(
    app: JobRunr, finished: Finished, function: Callable[[], None], name: str, reason: str
) -> None:
    jobs = app.scheduler.options(execution="process", retries=1, retry=FixedDelays(0), no_retry_on=[process_jobs.Planned])
    job = finished(jobs.enqueue(function))
    assert (job.state, exception_of(job).type, job.history[-1].reason) == (JobState.FAILED, name, reason)


@pytest.mark.usefixtures("server")
def test_a_large_result_leaves_a_note(app: JobRunr, once: JobScheduler, finished: Finished) -> None:
    assert finished(once.enqueue(process_jobs.return_much, 1_000_000)).result == "x" * 1_000_000
    assert "max_result_size" in str(finished(once.enqueue(process_jobs.return_much, 5_000_000)).result)


def test_a_method_gets_its_instance_from_an_activator_that_can_be_found(watch: Watch) -> None:
    for activator in (process_jobs.make, lambda cls: cls("of a lambda")):
        with JobRunr("memory://", filters=[watch], activator=activator, **FAST) as app, app.server():
            job_id = app.scheduler.options(execution="process").enqueue(process_jobs.Report.write)
            watch.wait_for(
                lambda app=app, job_id=job_id: app.scheduler.get(job_id).finished_at or app.scheduler.get(job_id).failures
            )  # type: ignore[misc]
            job = app.scheduler.get(job_id)
        if activator is process_jobs.make:
            assert str(job.result).startswith("annual by ")
        else:
            assert (job.state, job.attempts) == (JobState.FAILED, 1)
            assert "Let the activator be a function at the top level of a module" in exception_of(job).message


class Raising(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        raise OSError("a filter of the application")


@pytest.mark.usefixtures("server")
def test_a_log_filter_that_raises_in_the_server_does_not_hurt_it(once: JobScheduler, finished: Finished) -> None:
    logger, raising = logging.getLogger("shop.reports"), Raising()
    logger.addFilter(raising)
    try:
        assert finished(once.enqueue(process_jobs.look)).state is JobState.SUCCEEDED
    finally:
        logger.removeFilter(raising)


# -- dying


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("segfault", "killed by signal 11 (SIGSEGV)"),
        ("abort", "killed by signal 6 (SIGABRT)"),
        ("kill", "killed by signal 9 (SIGKILL)"),
        ("os._exit", "exit code 3"),
        ("os._exit(0)", "exit code 0"),
        ("garbage", "it said what nobody understands"),
        ("too much", "it said what nobody understands"),
        ("closerange", "it lost its connection to the server"),
    ],
)
def test_when_its_process_dies_only_this_job_fails(
    app: JobRunr, once: JobScheduler, finished: Finished, how: str, says: str
) -> None:
    beside = app.scheduler.enqueue(jobs.wait_for, how)
    try:
        job = finished(once.options(retries=1, retry=FixedDelays(0)).enqueue(process_jobs.die, how))
        assert (job.state, job.attempts) == (JobState.FAILED, 2), "it is retried like any other"
        exception = exception_of(job)
        assert exception.type == "jobrunr.errors.JobProcessDiedError"
        assert says in exception.message
        if how == "segfault":
            assert 'process_jobs.py", line' in exception.traceback, "it says what Python was doing"
        assert finished(once.enqueue(process_jobs.pid)).state is JobState.SUCCEEDED
    finally:
        jobs.gates[how].set()
    assert finished(beside).state is JobState.SUCCEEDED


@pytest.mark.usefixtures("server")
def test_it_is_noticed_although_another_process_holds_what_it_held(
    once: JobScheduler, finished: Finished, tmp_path: Path
) -> None:
    try:
        job = finished(once.enqueue(process_jobs.die_with_heirs, str(tmp_path)))
        assert "exit code 3" in exception_of(job).message
    finally:
        os.kill(int((tmp_path / "heir").read_text()), signal.SIGKILL)


@pytest.mark.usefixtures("server")
def test_what_a_job_forks_has_no_say(app: JobRunr, once: JobScheduler, finished: Finished, tmp_path: Path) -> None:
    job = finished(once.enqueue(process_jobs.fork, str(tmp_path)))
    assert job.result == "the job"
    assert finished(once.enqueue(process_jobs.pid)).state is JobState.SUCCEEDED
    assert app.scheduler.logs(job.id) == ()
    eventually(lambda: (tmp_path / "fork").exists() and not is_alive(int((tmp_path / "fork").read_text() or os.getpid())))


@pytest.mark.usefixtures("server")
def test_an_idle_process_that_was_killed_is_replaced(once: JobScheduler, finished: Finished) -> None:
    first = finished(once.enqueue(process_jobs.pid)).result
    os.kill(first, signal.SIGKILL)
    eventually(lambda: not is_alive(first))
    assert finished(once.enqueue(process_jobs.pid)).result not in (first, os.getpid())


def test_a_process_that_cannot_start_fails_its_job(alone: JobRunr, monkeypatch: pytest.MonkeyPatch) -> None:
    once = alone.scheduler.options(execution="process", retries=0)
    with alone.server():
        monkeypatch.setattr(process, "get_executable", lambda: "/nowhere/python")
        assert exception_of(outcome(alone, once.enqueue(process_jobs.pid))).type == "builtins.FileNotFoundError"
        monkeypatch.setattr(process, "get_executable", lambda: "/bin/false")
        assert "exit code 1" in exception_of(outcome(alone, once.enqueue(process_jobs.pid))).message
        monkeypatch.undo()
        assert outcome(alone, once.enqueue(process_jobs.pid)).state is JobState.SUCCEEDED


@pytest.mark.parametrize(
    ("groups", "file"),
    [
        ("0::/app.slice\n", "app.slice/memory.events"),
        ("0::/of/the/host\n", "memory.events"),
        ("5:cpu,memory:/docker/1\n0::/\n", "memory/docker/1/memory.oom_control"),
    ],
)
def test_the_kernel_tells_of_kills_for_want_of_memory(groups: str, file: str, tmp_path: Path) -> None:
    own, counts = tmp_path / "cgroup", tmp_path / "fs" / file
    own.write_text(groups)
    assert oom_kills(own, tmp_path / "fs") is None
    counts.parent.mkdir(parents=True)
    counts.write_text("oom 5\noom_kill 2\n")
    assert oom_kills(own, tmp_path / "fs") == 2


@pytest.mark.usefixtures("server")
def test_a_kill_for_want_of_memory_is_told(once: JobScheduler, finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = iter(range(100))
    monkeypatch.setattr(process, "oom_kills", lambda: next(counts))
    finished(once.enqueue(process_jobs.die, "kill"))  # one that was started before
    message = exception_of(finished(once.enqueue(process_jobs.die, "kill"))).message
    assert message.endswith("killed by signal 9 (SIGKILL), out of memory.")
    assert "memory" not in exception_of(finished(once.enqueue(process_jobs.die, "abort"))).message


# -- being ended


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("function", [process_jobs.wait, process_jobs.wait_async])
def test_it_is_ended_when_its_time_is_over(
    once: JobScheduler, finished: Finished, function: Callable[[str], Any], tmp_path: Path
) -> None:
    job = finished(once.options(timeout=0.2).enqueue(function, str(tmp_path)))
    exception = exception_of(job)
    assert (exception.type, exception.message) == (
        "jobrunr.errors.JobTimeoutError",
        "The job took longer than its time limit of 200 ms.",
    )
    assert "sleep(30)" in exception.traceback
    assert (tmp_path / "tidied up").read_text() == "True"
    assert finished(once.enqueue(process_jobs.pid)).result != int((tmp_path / "began").read_text())


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("function", [process_jobs.wait_deaf, process_jobs.hold_the_interpreter])
def test_what_does_not_end_is_killed_with_all_that_it_has_started(
    once: JobScheduler,
    finished: Finished,
    function: Callable[[str], Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "LAST_MOMENT", 0.2)
    job = finished(once.options(timeout=0.2).enqueue(function, str(tmp_path)))
    assert exception_of(job).type == "jobrunr.errors.JobTimeoutError"
    for name in ("began", "other"):
        if (tmp_path / name).exists():
            eventually(lambda name=name: not is_alive(int((tmp_path / name).read_text())))  # type: ignore[misc]
    assert finished(once.enqueue(process_jobs.pid)).state is JobState.SUCCEEDED


def test_a_deleted_job_is_ended(app: JobRunr, once: JobScheduler, server: BackgroundJobServer, tmp_path: Path) -> None:
    job_id = once.enqueue(process_jobs.wait, str(tmp_path))
    eventually((tmp_path / "began").exists)
    app.scheduler.delete(job_id)
    eventually(lambda: server.busy == 0)
    assert (tmp_path / "tidied up").read_text() == "True"
    assert app.scheduler.get(job_id).state is JobState.DELETED


@pytest.mark.parametrize("function", [process_jobs.wait, process_jobs.wait_async, process_jobs.wait_deaf])
def test_a_server_that_stops_hands_it_back(alone: JobRunr, function: Callable[[str], Any], tmp_path: Path) -> None:
    with alone.server() as server:
        job_id = alone.scheduler.options(execution="process").enqueue(function, str(tmp_path))
        eventually(lambda: (tmp_path / "began").exists() and (tmp_path / "began").read_text() != "")
        server.stop(grace=0)
    job = alone.scheduler.get(job_id)
    assert (job.state, job.failures) == (JobState.ENQUEUED, 0)
    eventually(lambda: not is_alive(int((tmp_path / "began").read_text())))


class IsAlive(JobFilter):
    """Looks whether the process of a job lives at the moment when others may have the job."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.found: list[bool] = []

    def state_changed(self, job: Job, old: JobState, new: JobState) -> None:
        if new is JobState.ENQUEUED:
            self.found.append(is_alive(int(self.file.read_text())))


def test_it_is_dead_before_it_is_handed_back(tmp_path: Path) -> None:
    looking = IsAlive(tmp_path / "began")
    with JobRunr("memory://", filters=[looking], **FAST) as app, app.server() as server:
        app.scheduler.options(execution="process").enqueue(process_jobs.wait_deaf, str(tmp_path))
        eventually(lambda: looking.file.exists() and looking.file.read_text() != "")
        server.stop(grace=0)
    assert looking.found == [False]


def test_one_that_waits_for_a_process_is_handed_back_too(alone: JobRunr, tmp_path: Path) -> None:
    jobs = alone.scheduler.options(execution="process")
    with alone.server(workers=2, job_processes=1) as server:
        running = jobs.enqueue(process_jobs.wait, str(tmp_path))
        eventually((tmp_path / "began").exists)
        waiting = jobs.options(timeout=0.1).enqueue(process_jobs.pid)
        eventually(lambda: server.busy == 2)
        server.stop(grace=0.3)
    assert [alone.scheduler.get(job_id).state for job_id in (running, waiting)] == [JobState.ENQUEUED] * 2


# -- with all its heart


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("what", ["cwd", "signals", "stdout", "stderr", "warnings", "logging", "recursion"])
def test_what_it_spoils_does_not_hurt_the_next(app: JobRunr, once: JobScheduler, finished: Finished, what: str) -> None:
    finished(once.enqueue(process_jobs.spoil, what))
    job = finished(once.enqueue(process_jobs.look))
    folder, pid = job.result
    assert (folder, pid != os.getpid()) == (str(Path.cwd()), True)
    assert [line.message for line in app.scheduler.logs(job.id)] == ["still heard"]


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("how", ["SystemExit", "KeyboardInterrupt"])
def test_leaving_by_force_is_a_failure_and_the_process_lives(once: JobScheduler, finished: Finished, how: str) -> None:
    before = finished(once.enqueue(process_jobs.pid)).result
    assert exception_of(finished(once.enqueue(process_jobs.leave, how))).type == f"builtins.{how}"
    assert finished(once.enqueue(process_jobs.pid)).result == before


@pytest.mark.usefixtures("server")
def test_a_signal_that_is_meant_for_the_server_does_not_end_it(once: JobScheduler, finished: Finished) -> None:
    """As systemd sends it to all processes of a service, while the server gives its jobs their time."""
    assert finished(once.enqueue(process_jobs.survive_signals)).result == "alive"


def test_no_server_starts_in_it(alone: JobRunr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "_serving", [object()])
    with pytest.raises(RuntimeError, match="__main__"):
        alone.server().start()


SCRIPT = """
import os, sys, threading, time
from jobrunr import JobRunr, current_job

jobrunr = JobRunr("sqlite:///jobs.db", poll_interval=0.05)

def hold(path):
    with open(path, "w") as file:
        file.write(str(os.getpid()))
    import ctypes
    ctypes.PyDLL(None).sleep(30)

def pid():
    return os.getpid()

if __name__ == "__main__":
    with jobrunr.server(workers=2):
        jobs = jobrunr.scheduler.options(execution="process")
        result = jobs.enqueue(pid)
        while jobs.get(result).state != "SUCCEEDED":
            time.sleep(0.02)
        assert jobs.get(result).result != os.getpid()
        jobs.enqueue(hold, sys.argv[1])
        time.sleep(60)
"""


def test_a_script_can_have_them_and_they_die_with_it_whatever_they_do(tmp_path: Path) -> None:
    script, began = tmp_path / "shop.py", tmp_path / "began"
    script.write_text(SCRIPT)
    with subprocess.Popen([sys.executable, str(script), str(began)], cwd=tmp_path) as main:
        try:
            eventually(lambda: began.exists() and began.read_text() != "", timeout=30)
            assert is_alive(int(began.read_text()))
        finally:
            main.kill()
    eventually(lambda: not is_alive(int(began.read_text())))
