"""A paused server finishes what it runs and takes nothing more, but stays alive and does its duties."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from jobrunr import Job, JobRunr, JobState
from tests.server import jobs
from tests.server.conftest import eventually

Finished = Callable[..., Job]


def pause_and_wait(app: JobRunr) -> None:
    """Pause the only server, and wait until it must have noticed."""
    (server,) = app.scheduler.servers()
    app.scheduler.pause_server(server.id)
    for _ in range(2):  # the heartbeat after the one that may have been under way
        heartbeat_after(app, app.storage.now())


def heartbeat_after(app: JobRunr, moment: datetime) -> None:
    """Wait until the only server has sent a heartbeat since then."""

    def is_heard() -> bool:
        (server,) = app.scheduler.servers()
        return server.last_heartbeat is not None and server.last_heartbeat > moment

    eventually(is_heard)


def test_a_paused_server_finishes_what_it_runs_and_takes_nothing_more(app: JobRunr, finished: Finished) -> None:
    with app.server(workers=2):
        running = app.scheduler.enqueue(jobs.wait_for, "paused")
        assert jobs.gates["paused began"].wait(10)
        pause_and_wait(app)
        waiting = app.scheduler.enqueue(jobs.add, 1, 2)
        jobs.gates["paused"].set()
        assert finished(running).state is JobState.SUCCEEDED
        pause_and_wait(app)
        assert app.scheduler.get(waiting).state is JobState.ENQUEUED

        app.scheduler.resume_server(app.scheduler.servers()[0].id)

        assert finished(waiting).state is JobState.SUCCEEDED


def test_a_paused_master_does_its_duties(app: JobRunr) -> None:
    with app.server() as server:
        pause_and_wait(app)
        due = app.scheduler.schedule(timedelta(milliseconds=50), jobs.add, 1, 2)
        eventually(lambda: app.scheduler.get(due).state is JobState.ENQUEUED)
        assert server.is_master
        assert server.is_healthy


def test_a_server_that_was_taken_for_dead_comes_back_paused(app: JobRunr) -> None:
    with app.server():
        pause_and_wait(app)
        before = app.scheduler.servers()[0].id
        app.storage.sign_off(before)
        eventually(lambda: [server.id for server in app.scheduler.servers()] not in ([], [before]))
        assert [server.is_paused for server in app.scheduler.servers()] == [True]


def test_a_server_tells_its_host_and_tags(app: JobRunr) -> None:
    with app.server(server_tags=["zone-a", "big"]):
        (server,) = app.scheduler.servers()
    assert server.tags == ("zone-a", "big")
    assert server.name.startswith(f"{server.host}:")


def test_the_master_keeps_the_totals_of_the_minute(app: JobRunr) -> None:
    began = app.storage.now() - timedelta(minutes=1)
    with app.server():
        eventually(lambda: len(app.storage.samples(began)) > 0)
