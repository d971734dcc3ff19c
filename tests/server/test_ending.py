"""Cancelling, stopping, handing back, rescuing: a job is never lost, and only its owner records what became of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from jobrunr import Job, JobRunr, JobState
from jobrunr.errors import StorageUnavailableError
from jobrunr.ids import new_token
from jobrunr.server_record import ServerRecord
from jobrunr.storage.memory import MemoryStorageProvider
from tests.server import jobs
from tests.server.conftest import FAST, Watch, eventually

Finished = Callable[..., Job]


@pytest.mark.parametrize(
    "function", [jobs.wait_until_cancelled, jobs.wait_until_cancelled_async, jobs.returns_waiting_coroutine]
)
def test_deleting_a_running_job_cancels_it_within_a_second(
    app: JobRunr, watch: Watch, function: Callable[[str], Any], request: pytest.FixtureRequest
) -> None:
    key = request.node.name
    with app.server() as server:
        job_id = app.scheduler.enqueue(function, key)
        assert jobs.gates[key + " began"].wait(10)
        began = time.monotonic()
        app.scheduler.delete(job_id, reason="not wanted")
        eventually(lambda: server.busy == 0)
        assert time.monotonic() - began < 1
        assert jobs.seen.pop(key) == ["cancelled"]
    job = app.scheduler.get(job_id)
    assert job.state is JobState.DELETED
    assert job.history[-1].reason == "not wanted"


def test_a_job_whose_claim_was_never_answered_is_given_back_unharmed(app: JobRunr, monkeypatch: pytest.MonkeyPatch) -> None:
    claim, was_sent = app.storage.claim, threading.Event()

    def claim_and_lose_the_answer(*args: Any) -> list[Job]:
        if not was_sent.is_set():
            claim(*args)
            was_sent.set()
        raise StorageUnavailableError("nowhere", "the answer was lost")

    job_id = app.scheduler.enqueue(jobs.add, 1, 2)
    monkeypatch.setattr(app.storage, "claim", claim_and_lose_the_answer)
    with app.server():
        assert was_sent.wait(10)

    job = app.scheduler.get(job_id)
    assert [change.state for change in job.history] == [JobState.ENQUEUED, JobState.PROCESSING, JobState.ENQUEUED]
    assert "an answer was lost" in (job.reason or "")


def test_a_server_that_cannot_take_stock_signs_off_all_the_same(app: JobRunr, monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(*args: Any) -> None:
        raise StorageUnavailableError("nowhere", "it is away for a moment")

    with app.server():
        monkeypatch.setattr(app.storage, "claims_of", unavailable)
    assert app.storage.servers() == []


@pytest.mark.parametrize(
    "function",
    [jobs.wait_until_cancelled, jobs.wait_until_cancelled_async, jobs.returns_waiting_coroutine, jobs.wait_for],
)
def test_a_job_that_outlasts_the_grace_is_given_back_unharmed(
    app: JobRunr, function: Callable[[str], Any], request: pytest.FixtureRequest
) -> None:
    key = request.node.name
    with app.server(workers=1) as server:
        running = app.scheduler.enqueue(function, key)
        assert jobs.gates[key + " began"].wait(10)
        server.stop(grace=0)
    jobs.gates[key].set()
    job = app.scheduler.get(running)
    assert job.state is JobState.ENQUEUED
    assert job.failures == 0
    assert [change.state for change in job.history] == [JobState.ENQUEUED, JobState.PROCESSING, JobState.ENQUEUED]
    assert "stops" in (job.history[-1].reason or "")
    assert app.storage.servers() == []


def test_stopping_waits_for_what_runs_and_takes_nothing_more(app: JobRunr) -> None:
    with app.server(workers=1) as server:
        running = app.scheduler.enqueue(jobs.wait_for, "grace")
        assert jobs.gates["grace began"].wait(10)
        waiting = app.scheduler.enqueue(jobs.add, 1, 2)
        stopping = threading.Thread(target=server.stop, kwargs={"grace": 20})
        stopping.start()
        jobs.gates["grace"].set()
        stopping.join(20)
    assert app.scheduler.get(running).state is JobState.SUCCEEDED
    assert app.scheduler.get(waiting).state is JobState.ENQUEUED


def test_a_second_signal_does_not_wait(app: JobRunr) -> None:
    with app.server(workers=1) as server:
        running = app.scheduler.enqueue(jobs.wait_for, "hurry")
        assert jobs.gates["hurry began"].wait(10)
        stopping = threading.Thread(target=server.stop, kwargs={"grace": 3600})
        stopping.start()
        server.hurry()
        stopping.join(20)
        assert not stopping.is_alive()
    jobs.gates["hurry"].set()
    assert app.scheduler.get(running).state is JobState.ENQUEUED


def test_the_jobs_of_a_server_that_is_gone_run_again_elsewhere(app: JobRunr, finished: Finished, watch: Watch) -> None:
    with app.server(server_name="lost"):
        job_id = app.scheduler.enqueue(jobs.wait_for, "lost")
        assert jobs.gates["lost began"].wait(10)
        lost_id = app.storage.servers()[0].id
        heartbeat = app.storage.heartbeat
        app.storage.heartbeat = lambda server: [server] if server.id == lost_id else heartbeat(server)  # type: ignore[method-assign]
        with app.server(server_name="rescuer"):
            app.storage.sign_off(lost_id)
            watch.wait_for(lambda: (job_id, JobState.PROCESSING, JobState.FAILED) in watch.changes)
            jobs.gates["lost"].set()
            job = finished(job_id)
        app.storage.heartbeat = heartbeat  # type: ignore[method-assign]
    assert job.state is JobState.SUCCEEDED
    servers = [change.server_name for change in job.history if change.state is JobState.PROCESSING]
    assert servers[0] == "lost"
    failed = next(change for change in job.history if change.state is JobState.FAILED)
    assert failed.exception is not None and "lost" in failed.exception.message
    assert watch.changes.count((job_id, JobState.PROCESSING, JobState.SUCCEEDED)) == 1


def test_a_server_that_was_taken_for_dead_lets_go_and_joins_anew(app: JobRunr, watch: Watch) -> None:
    with app.server(workers=1) as server:
        job_id = app.scheduler.options(retries=0).enqueue(jobs.wait_until_cancelled, "zombie")
        assert jobs.gates["zombie began"].wait(10)
        before = app.storage.servers()[0].id
        app.storage.sign_off(before)
        watch.wait_for(lambda: app.scheduler.get(job_id).state is JobState.FAILED)
        eventually(lambda: jobs.seen["zombie"] == ["cancelled"])
        eventually(lambda: [s.id for s in app.storage.servers()] != [before] and bool(app.storage.servers()))
        after = app.scheduler.enqueue(jobs.add, 1, 2)
        watch.wait_for(lambda: app.scheduler.get(after).state is JobState.SUCCEEDED)
        assert server.is_healthy
    assert [change.state for change in app.scheduler.get(job_id).history][-2:] == [JobState.PROCESSING, JobState.FAILED]


def test_a_scheduled_job_is_never_early(app: JobRunr, finished: Finished) -> None:
    with app.server():
        job = finished(app.scheduler.schedule(timedelta(seconds=0.3), jobs.add, 1, 2))
    scheduled, enqueued, processing, _ = job.history
    assert scheduled.run_at is not None
    assert enqueued.at >= scheduled.run_at
    assert (processing.at - scheduled.run_at).total_seconds() < 1


def test_the_master_is_the_oldest_and_another_follows(app: JobRunr) -> None:
    with app.server(server_name="first") as first, app.server(server_name="second") as second:
        eventually(lambda: first.is_master and not second.is_master)
        first.stop()
        eventually(lambda: second.is_master)


def test_finished_jobs_go_when_their_time_is_over(app: JobRunr, watch: Watch) -> None:
    with app.server():
        job_id = app.scheduler.enqueue(jobs.add, 1, 2)
        watch.wait_for(lambda: app.scheduler.get(job_id).state is JobState.SUCCEEDED)
    with app.server(delete_succeeded_after=0):
        eventually(lambda: app.scheduler.get(job_id).state is JobState.DELETED)
    assert [change.state for change in app.scheduler.get(job_id).history][-2:] == [JobState.SUCCEEDED, JobState.DELETED]


class Unreliable(MemoryStorageProvider):
    """A storage that can be away: every call fails then, before or after it did its work."""

    away = False
    answers_get_lost = False


def _away(name: str) -> Any:
    def call(self: Unreliable, *args: Any, **kwargs: Any) -> Any:
        if self.away and not self.answers_get_lost:
            raise StorageUnavailableError("memory", "the test says so")
        answer = getattr(MemoryStorageProvider, name)(self, *args, **kwargs)
        if self.away:
            raise StorageUnavailableError("memory", "the answer got lost")
        return answer

    return call


for _name in (
    "insert",
    "claim",
    "update",
    "append",
    "held",
    "promote",
    "orphans",
    "expire",
    "announce",
    "heartbeat",
    "servers",
    "now",
):
    setattr(Unreliable, _name, _away(_name))


@pytest.mark.parametrize("answers_get_lost", [False, True])
def test_an_outage_passes_and_nothing_is_lost_or_done_twice(watch: Watch, answers_get_lost: bool) -> None:
    storage = Unreliable()
    key = f"outage {answers_get_lost}"
    with JobRunr(storage, filters=[watch], **FAST) as app, app.server(workers=2, server_timeout=60) as server:
        running = app.scheduler.enqueue(jobs.wait_for, key)
        assert jobs.gates[key + " began"].wait(10)
        storage.answers_get_lost = answers_get_lost
        storage.away = True
        eventually(lambda: not server.is_healthy)
        jobs.gates[key].set()
        eventually(lambda: server.busy == 0)
        storage.away = False
        watch.wait_for(lambda: app.scheduler.get(running).state is JobState.SUCCEEDED)
        after = app.scheduler.enqueue(jobs.add, 1, 2)
        watch.wait_for(lambda: app.scheduler.get(after).state is JobState.SUCCEEDED)
        eventually(lambda: server.is_healthy)
        assert app.scheduler.get(running).attempts == 1


def test_servers_that_come_back_from_an_outage_do_not_bury_each_other(watch: Watch) -> None:
    storage = Unreliable()
    short = {"heartbeat_interval": 0.05, "server_timeout": 0.5}
    with JobRunr(storage, filters=[watch], **{**FAST, **short}) as app, app.server() as first, app.server() as second:
        running = app.scheduler.enqueue(jobs.wait_for, "long outage")
        assert jobs.gates["long outage began"].wait(10)
        before = {server.id for server in storage.servers()}
        storage.away = True
        over = time.monotonic() + 1.5
        eventually(lambda: time.monotonic() > over)
        storage.away = False
        eventually(lambda: first.is_healthy and second.is_healthy)
        jobs.gates["long outage"].set()
        watch.wait_for(lambda: app.scheduler.get(running).state is JobState.SUCCEEDED)
        assert {server.id for server in storage.servers()} == before
        assert app.scheduler.get(running).attempts == 1


def test_a_server_that_is_silent_for_too_long_is_removed_and_its_jobs_are_rescued(app: JobRunr, watch: Watch) -> None:
    short = {"heartbeat_interval": 0.05, "server_timeout": 0.3}
    ghost = ServerRecord(id=new_token(), name="ghost", workers=1)
    job_id = app.scheduler.enqueue(jobs.add, 1, 2)
    app.storage.announce(ghost)
    assert [job.id for job in app.storage.claim(ghost.id, ghost.name, 1)] == [job_id]
    with app.server(**short):
        watch.wait_for(lambda: app.scheduler.get(job_id).state is JobState.SUCCEEDED)
        assert ghost.id not in {server.id for server in app.storage.servers()}
    exception = next(c for c in app.scheduler.get(job_id).history if c.exception).exception
    assert exception is not None and "ghost" in exception.message
