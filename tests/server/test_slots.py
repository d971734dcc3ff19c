"""Whatever jobs do to threads and to the event loop, and the system to them: no slot is lost, and no job."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from jobrunr import Job, JobRunr, JobState, current_job
from jobrunr.errors import NoCurrentJobError, StorageUnavailableError
from jobrunr.ids import JobId
from jobrunr.server import fetcher
from jobrunr.server.fetcher import Appetite
from jobrunr.server.run import Run, RunEnd
from jobrunr.storage.contract import Listener
from jobrunr.storage.memory import MemoryStorageProvider
from tests.server import jobs
from tests.server.conftest import FAST, Watch, eventually

Finished = Callable[..., Job]

# -- the event loop


def test_a_task_that_wants_to_end_the_process_does_not_end_the_loop(app: JobRunr, finished: Finished) -> None:
    with app.server(workers=2):
        assert finished(app.scheduler.enqueue(jobs.leaves_a_task_that_ends_the_loop)).result == "SystemExit"
        assert finished(app.scheduler.enqueue(jobs.add_async, 1, 2)).result == 3


def test_tasks_that_jobs_leave_behind_are_cancelled_when_the_server_stops(app: JobRunr, finished: Finished) -> None:
    with app.server():
        assert finished(app.scheduler.enqueue(jobs.leaves_a_task_behind, "left")).state is JobState.SUCCEEDED
    eventually(lambda: jobs.seen["left"] == ["tidied up"])


@pytest.mark.parametrize("end", [RunEnd.TAKEN_AWAY, RunEnd.SERVER_STOPS])
def test_a_coroutine_that_is_told_to_end_before_it_begins_leaves_its_slot(
    app: JobRunr, finished: Finished, end: RunEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.server(workers=1) as server:
        assert finished(app.scheduler.enqueue(jobs.add_async, 1, 2)).result == 3  # from now on it is known to be one
        prepare = server._performer.prepare

        def end_meanwhile(run: Run) -> Any:
            monkeypatch.setattr(server._performer, "prepare", prepare)
            prepared = prepare(run)
            run.cancel(end)
            return prepared

        monkeypatch.setattr(server._performer, "prepare", end_meanwhile)
        ended = app.scheduler.enqueue(jobs.add_async, 3, 4)
        eventually(lambda: app.scheduler.get(ended).attempts > 0)
        eventually(lambda: server.busy == 0)
        assert finished(app.scheduler.enqueue(jobs.add_async, 1, 2)).result == 3


def test_an_activator_does_not_see_the_job_that_ran_before(watch: Watch) -> None:
    seen: list[JobId | None] = []

    def activate(cls: type) -> Any:
        try:
            seen.append(current_job().id)
        except NoCurrentJobError:
            seen.append(None)
        return cls()

    with JobRunr("memory://", filters=[watch], activator=activate, **FAST) as app:
        for _ in range(4):
            app.scheduler.enqueue(jobs.Watched.go)
        with app.server(workers=1):
            watch.wait_for(lambda: app.scheduler.counts()[JobState.SUCCEEDED] == 4)
    assert seen == [None] * 4


def test_a_coroutine_that_cannot_be_called_lets_the_next_one_have_its_slot(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(cls: type) -> Any:
        raise LookupError(cls)

    monkeypatch.setattr(fetcher, "appetite", lambda *_: Appetite(claim=5, hungry_at=0))
    with JobRunr("memory://", filters=[watch], activator=refuse, **FAST) as app:
        ids = [app.scheduler.options(retries=0).enqueue(jobs.Watched.go) for _ in range(4)]
        with app.server(workers=1):  # and all of them wait there, when the first has its slot
            watch.wait_for(lambda: app.scheduler.counts()[JobState.FAILED] == 4)
        straight = [JobState.ENQUEUED, JobState.PROCESSING, JobState.FAILED]  # and never handed back
        assert [[change.state for change in app.scheduler.get(job_id).history] for job_id in ids] == [straight] * 4


# -- the system


def test_when_no_thread_can_be_started_jobs_wait_and_nothing_is_lost(
    app: JobRunr, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.server(workers=2) as server:
        start = threading.Thread.start

        def refuse(thread: threading.Thread) -> None:
            if thread.name.startswith("jobrunr-worker"):
                raise RuntimeError("can't start new thread")
            start(thread)

        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refuse)
            job_id = app.scheduler.enqueue(jobs.add, 1, 2)
            eventually(lambda: app.scheduler.get(job_id).attempts > 0)
            eventually(lambda: server.busy == 0)
        assert finished(job_id).result == 3


def test_when_no_loop_can_be_made_a_coroutine_fails_and_the_next_may_have_more_luck(
    app: JobRunr, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.server(workers=1):

        def refuse() -> Any:
            raise OSError(24, "Too many open files")

        with monkeypatch.context() as patched:
            patched.setattr(asyncio, "new_event_loop", refuse)
            failed = finished(app.scheduler.options(retries=0).enqueue(jobs.add_async, 1, 2))
        assert finished(app.scheduler.enqueue(jobs.add_async, 1, 2)).result == 3
    exception = failed.history[-1].exception
    assert exception is not None and "Too many open files" in exception.message


class CountsListeners(MemoryStorageProvider):
    """Counts the listeners that were not given back, and cannot be reached by servers."""

    open = 0

    def listener(self, queues: Any = ()) -> Listener:
        listener = super().listener(queues)
        close = listener.close
        self.open += 1

        def count() -> None:
            self.open -= 1
            close()

        listener.close = count  # type: ignore[method-assign]
        return listener

    def announce(self, server: Any) -> None:
        raise StorageUnavailableError("memory", "the test says so")


def test_a_server_that_cannot_start_gives_back_what_it_holds() -> None:
    storage = CountsListeners()
    with JobRunr(storage, **FAST) as app:
        server = app.server()
        with pytest.raises(StorageUnavailableError):
            server.start()
        assert storage.open == 0
        assert server.stop() == 0


def test_several_threads_may_stop_a_server(app: JobRunr) -> None:
    key, server, errors = "stopped twice", app.server(workers=1).start(), list[BaseException]()
    app.scheduler.enqueue(jobs.wait_until_cancelled_async, key)
    assert jobs.gates[key + " began"].wait(10)

    def stop() -> None:
        try:
            server.stop(grace=0.2)
            assert server.wait(0), "whoever stops it knows afterwards that it is down"
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=stop) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert errors == []


# -- runs


def test_a_run_is_not_cancelled_for_what_an_earlier_run_of_the_same_job_did(app: JobRunr, watch: Watch) -> None:
    """A server that was taken for dead may get its own job again, while the function of the first run is still at it."""
    key = "again here"
    with app.server(workers=2) as server:
        job_id = app.scheduler.enqueue(jobs.logs_after_waiting, key)
        eventually(lambda: len(jobs.seen[key]) == 1)
        app.storage.sign_off(app.storage.servers()[0].id)
        eventually(lambda: len(jobs.seen[key]) == 2)
        first, second = jobs.seen[key]
        assert (first, second) == (1, 2)
        jobs.gates[f"{key} 1"].set()  # the first run logs, which is refused
        assert jobs.gates[f"{key} 1 logged"].wait(10)
        eventually(lambda: server._recorder.is_empty)
        jobs.gates[f"{key} 2"].set()
        watch.wait_for(lambda: app.scheduler.get(job_id).state is JobState.SUCCEEDED)
