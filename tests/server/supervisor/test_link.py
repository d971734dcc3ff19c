"""What a server tells its supervisor, and what it does when the supervisor says something, or nothing any more."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from jobrunr import JobRunr, JobState
from jobrunr.server.server_ends import NOTE, ServerEnds
from jobrunr.server.supervisor.link import Link
from jobrunr.server.supervisor.messages import (
    Beat,
    Channel,
    FromServer,
    Hurry,
    Left,
    Pulse,
    Rescue,
    channel_ends,
    decode_from_server,
)
from jobrunr.testing.factories import announced
from tests.server import jobs
from tests.server.conftest import Watch, eventually


class Supervising:
    """The other end of the link of a server."""

    def __init__(self) -> None:
        ours, theirs = map(Channel, channel_ends())
        self.channel = ours
        self.link = Link(theirs)
        self.lost = threading.Event()
        self.heard: list[FromServer] = []

    def has_heard(self, kind: type[FromServer], times: int = 1) -> bool:
        self.heard += map(decode_from_server, self.channel.receive())
        return sum(isinstance(message, kind) for message in self.heard) >= times


@pytest.fixture
def supervising() -> Iterator[Supervising]:
    supervising = Supervising()
    yield supervising
    supervising.channel.close()
    assert supervising.lost.wait(10)


def test_a_server_tells_that_it_lives_that_it_was_heard_and_that_it_leaves(app: JobRunr, supervising: Supervising) -> None:
    server = app.server()
    server.report_to(supervising.link, supervising.lost.set)
    with server:
        eventually(lambda: supervising.has_heard(Pulse, 3) and supervising.has_heard(Beat, 3))
        (stored,) = app.storage.servers()
        beats = [message.record for message in supervising.heard if isinstance(message, Beat)]
        assert {record.id for record in beats} == {stored.id}
        assert not supervising.has_heard(Left)
    assert supervising.has_heard(Left)
    assert not supervising.lost.is_set()


def test_a_server_that_is_asked_rescues_at_once_though_it_is_not_the_master(
    app: JobRunr, watch: Watch, supervising: Supervising
) -> None:
    ghost = announced(app.storage, name="ghost")
    job_id = app.scheduler.enqueue(jobs.add, 1, 2)
    assert [job.id for job in app.storage.claim(ghost.id, ghost.name, 1)] == [job_id]
    announced(app.storage)
    app.storage.sign_off(ghost.id)
    ServerEnds(app.storage).note(ghost.id, "its process was killed by signal 9 (SIGKILL)")
    server = app.server(server_timeout="10m", heartbeat_interval="1m")
    server.report_to(supervising.link, supervising.lost.set)
    with server:
        assert not server.is_master
        assert supervising.channel.send(Rescue())
        watch.wait_for(lambda: app.scheduler.get(job_id).state is JobState.SUCCEEDED)
    (failed,) = [change for change in app.scheduler.get(job_id).history if change.exception is not None]
    assert failed.exception is not None
    killed = "its process was killed by signal 9 (SIGKILL)"
    assert failed.exception.message == f"Server ghost was lost while it ran this job: {killed}."


def test_a_supervisor_knows_a_server_as_soon_as_it_is_registered(app: JobRunr, supervising: Supervising) -> None:
    server = app.server(server_timeout="10m", heartbeat_interval="1m")
    server.report_to(supervising.link, supervising.lost.set)
    server._membership.join()
    assert supervising.has_heard(Beat)


def test_the_master_forgets_how_servers_ended_long_ago(app: JobRunr, supervising: Supervising) -> None:
    app.storage.put_metadata(NOTE, json.dumps({"how": "killed", "at": "2020-01-01T00:00:00Z"}), "somebody")
    server = app.server()
    server.report_to(supervising.link, supervising.lost.set)
    with server:
        eventually(lambda: app.storage.find_metadata(NOTE) == {})


def test_a_server_that_is_to_hurry_does_not_wait_for_its_jobs(app: JobRunr, supervising: Supervising) -> None:
    server = app.server(shutdown_grace="1h")
    server.report_to(supervising.link, supervising.lost.set)
    with server:
        job_id = app.scheduler.enqueue(jobs.wait_for, "hurry, says the supervisor")
        assert jobs.gates["hurry, says the supervisor began"].wait(10)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        assert supervising.channel.send(Hurry())
        stopping.join(20)
        assert app.scheduler.get(job_id).state is JobState.ENQUEUED
        jobs.gates["hurry, says the supervisor"].set()
