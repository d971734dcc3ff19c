"""Locks by which others know that a process lives: released the moment it dies, and held for no moment longer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self
from uuid import UUID, uuid4

import pytest
from sqlalchemy import URL, create_engine, event

from jobrunr.storage.sql import SqlStorageProvider
from jobrunr.storage.sql.dialects.mysql_presence import NamedLock
from jobrunr.storage.sql.dialects.postgresql_presence import AdvisoryLock
from jobrunr.storage.sql.presence import NoSessionError
from jobrunr.testing.factories import a_server

ROOT = Path(__file__).parents[3]
HOLD = """
import os, subprocess, sys, threading, uuid
from jobrunr.storage.sql import SqlStorageProvider

storage = SqlStorageProvider(sys.argv[1])
presence = storage.presence(uuid.UUID(sys.argv[2]))
if sys.argv[3] == "fork" and os.fork() == 0:
    presence = None  # a child that goes on, with everything that it inherited
    sys.stdout.write(f"{os.getpid()}\\n")
elif sys.argv[3] == "subprocess":
    child = subprocess.Popen(["sleep", "100"], close_fds=False)
    sys.stdout.write(f"{child.pid}\\n")
elif sys.argv[3] == "alone":
    sys.stdout.write("0\\n")
sys.stdout.flush()
threading.Event().wait(100)
"""


def eventually(what: str, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline, what
        threading.Event().wait(0.01)


@contextmanager
def a_process_that_holds(url: URL, server_id: UUID, child: str) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock of a server, and has a child perhaps, which outlives it."""
    given = [url.render_as_string(hide_password=False), str(server_id), child]
    command = [sys.executable, "-W", "ignore", "-c", HOLD, *given]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child_pid = int(process.stdout.readline())
        try:
            yield process
        finally:
            process.kill()
            if child_pid:
                os.kill(child_pid, signal.SIGKILL)


@pytest.fixture
def storage(empty_database: URL) -> Iterator[SqlStorageProvider]:
    with SqlStorageProvider(empty_database) as storage:
        storage.set_up()
        yield storage


@pytest.fixture
def url(empty_database: URL) -> URL:
    return empty_database


@pytest.mark.parametrize("child", ["alone", "fork", "subprocess"])
def test_a_process_that_is_killed_is_absent_whatever_its_children_do(
    storage: SqlStorageProvider, url: URL, child: str
) -> None:
    lives, dies = uuid4(), uuid4()
    presence = storage.presence(lives)
    assert presence is not None
    with closing(presence), a_process_that_holds(url, dies, child) as process:
        assert storage.absent([lives, dies]) == frozenset()
        process.send_signal(signal.SIGKILL)
        eventually("it is noticed", lambda: storage.absent([lives, dies]) == {dies})


def test_a_child_of_a_fork_does_not_end_the_presence_of_its_parent(storage: SqlStorageProvider, url: URL) -> None:
    server_id = uuid4()
    with a_process_that_holds(url, server_id, "fork"):
        assert storage.absent([server_id]) == frozenset()


def holder_of(storage: SqlStorageProvider, server_id: UUID) -> int | None:
    """The connection that holds the lock of a server."""
    key = int.from_bytes(server_id.bytes[8:])
    ask = {
        "postgresql": f"SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = {key >> 32}"
        f" AND objid = {key % 2**32}",
        "mysql": f"SELECT IS_USED_LOCK('jobrunr-server-{server_id}')",
    }
    with storage._dialect.reading(storage._dialect.engine) as connection:
        holder: int | None = connection.exec_driver_sql(ask[storage._dialect.name]).scalar_one_or_none()
        return holder


def cut(storage: SqlStorageProvider, holder: int | None) -> None:
    end = {"postgresql": f"SELECT pg_terminate_backend({holder})", "mysql": f"KILL {holder}"}
    with storage._dialect.reading(storage._dialect.engine) as connection:
        connection.exec_driver_sql(end[storage._dialect.name])


@pytest.mark.parametrize("empty_database", ["postgresql", "mariadb"], indirect=True)
def test_a_lock_whose_connection_is_cut_is_taken_anew_without_waiting(storage: SqlStorageProvider) -> None:
    server_id = uuid4()
    presence = storage.presence(server_id)
    assert presence is not None
    with closing(presence):
        for _ in range(3):
            holder = holder_of(storage, server_id)
            assert holder is not None
            held_before = presence.held_for
            cut(storage, holder)
            eventually("it is held by another", lambda: holder_of(storage, server_id) not in (None, holder))  # noqa: B023
            eventually("it knows of the gap", lambda: 0 < presence.held_for < held_before + 10)  # noqa: B023
    eventually("it is released in the end", lambda: holder_of(storage, server_id) is None)


@pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)
def test_the_files_of_servers_that_are_gone_are_removed(storage: SqlStorageProvider, url: URL) -> None:
    folder = Path(f"{url.database}-servers")
    ends, is_removed = a_server(), a_server()
    presences = [storage.presence(server.id) for server in (ends, is_removed)]
    assert {path.name for path in folder.iterdir()} == {str(ends.id), str(is_removed.id)}
    assert all(presences)

    assert presences[0] is not None
    presences[0].close()
    assert [path.name for path in folder.iterdir()] == [str(is_removed.id)]

    storage.announce(is_removed)
    storage.remove_dead(storage.servers())
    assert not folder.exists()


@pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)
def test_who_tidies_up_too_much_ends_no_server(storage: SqlStorageProvider, url: URL) -> None:
    server_id = uuid4()
    presence = storage.presence(server_id)
    assert presence is not None
    with closing(presence):
        (Path(f"{url.database}-servers") / str(server_id)).unlink()
        assert storage.absent([server_id]) == frozenset()


@pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)
def test_where_no_file_can_be_made_heartbeats_have_to_do(storage: SqlStorageProvider, url: URL) -> None:
    Path(f"{url.database}-servers").write_text("in the way", encoding="ascii")
    assert storage.presence(uuid4()) is None


@pytest.mark.parametrize("empty_database", ["postgresql", "mariadb"], indirect=True)
def test_a_lock_that_cannot_be_had_yet_is_taken_as_soon_as_it_can(url: URL) -> None:
    engine, server_id, there_are_none = create_engine(url), uuid4(), True

    @event.listens_for(engine, "do_connect")
    def connect(*_: object) -> None:
        if there_are_none:
            raise ConnectionError("too many connections")

    with SqlStorageProvider(engine) as storage:
        presence = storage.presence(server_id)
        assert presence is not None
        with closing(presence):
            assert presence.held_for == 0
            there_are_none = False
            eventually("it is held", lambda: presence.held_for > 0)
            assert holder_of(storage, server_id) is not None
    engine.dispose()


@pytest.mark.parametrize("empty_database", ["mariadb"], indirect=True)
def test_a_connection_that_says_nothing_keeps_its_lock(url: URL) -> None:
    engine = create_engine(url, connect_args={"init_command": "SET SESSION wait_timeout = 1"})
    with SqlStorageProvider(engine) as storage:
        presence = storage.presence(uuid4())
        assert presence is not None
        with closing(presence):
            eventually("it is held for longer than silence is allowed", lambda: presence.held_for > 1.5)
    engine.dispose()


@pytest.mark.parametrize("empty_database", ["postgresql", "mariadb"], indirect=True)
def test_a_lock_that_cannot_be_had_keeps_nobody_from_ending(url: URL) -> None:
    with SqlStorageProvider(url.set(port=1)) as nowhere:
        presence = nowhere.presence(uuid4())
        assert presence is not None
        presence.close()
        assert presence.held_for == 0


class Answers:
    """A connection of a driver that gives these answers, one after the other."""

    autocommit: Any = staticmethod(lambda _: None)

    def __init__(self, *answers: Any) -> None:
        self._answers = iter(answers)
        self.info = self
        self.backend_pid = 17

    def thread_id(self) -> int:
        return 17

    def cursor(self) -> Answers:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def execute(self, statement: str, parameters: object = None) -> Any:
        if statement.lstrip().startswith("SHOW"):
            return next(self._answers)
        return self

    def fetchone(self) -> Any:
        return (next(self._answers),)


@pytest.mark.parametrize(
    ("kind", "answers", "why"),
    [
        (AdvisoryLock, [18], "pooler"),
        (NamedLock, [18], "proxy"),
        (NamedLock, [17, 1], "several servers"),
    ],
)
def test_locks_that_would_not_be_those_of_this_process_are_not_taken(
    kind: type[AdvisoryLock | NamedLock], answers: list[int], why: str
) -> None:
    with pytest.raises(NoSessionError, match=why):
        kind.__new__(kind).take_lock(Answers(*answers), uuid4())
