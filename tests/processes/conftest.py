"""Real worker processes, started as people start them, on one real database."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, NullPool, create_engine

from jobrunr import JobRunr
from jobrunr.server_record import ServerRecord
from tests.processes.jobs import LEDGER, application
from tests.storage.conftest import MARIADB, POSTGRESQL, new_database

ROOT = Path(__file__).parents[2]
PATIENCE = 90.0
"""Seconds until a test gives up: far more than anything takes, because machines can be very busy."""
APPLICATION = f"{application.__module__}:{application.__name__}"


def eventually(what: str, is_so: Callable[[], bool], timeout: float = PATIENCE, every: float = 0.02) -> None:
    """Poll a fact until it is true."""
    deadline = time.monotonic() + timeout
    while not is_so():
        assert time.monotonic() < deadline, f"{timeout:g} s passed, but not: {what}"
        threading.Event().wait(every)


@pytest.fixture
def sqlite(tmp_path: Path) -> URL:
    return URL.create("sqlite", database=str(tmp_path / "jobs.db"))


@pytest.fixture
def postgresql() -> Iterator[URL]:
    with new_database(POSTGRESQL, "DROP DATABASE {} WITH (FORCE)") as url:
        yield url


@pytest.fixture
def mariadb() -> Iterator[URL]:
    with new_database(MARIADB, "DROP DATABASE {}") as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def url(request: pytest.FixtureRequest) -> URL:
    """An empty database of each kind; another one for each test, because jobs of one must not run in another."""
    found: URL = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One crowd of servers at a time, whichever process runs the test: two want more connections than a database has."""
    with (tmp_path_factory.getbasetemp().parent / "crowd").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield


class Fleet:
    """The worker processes of a test, and a look at their database and their ledger."""

    def __init__(self, url: URL, folder: Path, stack: ExitStack) -> None:
        self.url = url
        self._folder = folder
        self._stack = stack
        self._ledger = folder / "ledger"
        self.app = stack.enter_context(JobRunr(url.render_as_string(hide_password=False), application="tests"))
        """Makes and looks at jobs in this process. It touches the database when it is used, not before."""

    def start(self, name: str, *words: str, **settings: object) -> subprocess.Popen[bytes]:
        """Start ``jobrunr worker``. It is up when `servers` lists it.

        Arguments:
            words: options of the command line.
            settings: and, as ``inside``, a command that runs the one that is put behind it in other surroundings.
        """
        inside = str(settings.pop("inside", "")).split()
        app = str(settings.pop("app", APPLICATION))
        command = [*inside, sys.executable, "-m", "jobrunr.cli", "worker", "--app", app, "--name", name, *words]
        with (self._folder / f"{name}.log").open("wb") as log:
            worker = subprocess.Popen(command, cwd=ROOT, env=self._environment(settings), stdout=log, stderr=log)
        self._stack.callback(self._show_log, name)
        self._stack.callback(worker.wait)
        self._stack.callback(worker.kill)
        return worker

    def log(self, name: str) -> str:
        """What a worker has logged."""
        return (self._folder / f"{name}.log").read_text(encoding="utf-8")

    def servers(self) -> dict[str, ServerRecord]:
        """Who is registered, by name."""
        return {server.name: server for server in self.app.storage.servers()}

    def wait_until_up(self, *names: str) -> None:
        eventually(f"{', '.join(names)} are up", lambda: set(names) <= self.servers().keys())

    def ledger(self) -> list[str]:
        """What the jobs wrote down, in the order in which they did. A line that is there in part is none yet."""
        return self._ledger.read_text(encoding="utf-8").split("\n")[:-1] if self._ledger.exists() else []

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Ask the database itself, past our code."""
        with create_engine(self.url, poolclass=NullPool).connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(statement)]

    def freeze(self, worker: subprocess.Popen[bytes]) -> None:
        """Stop a process, but not while it writes to SQLite: then nobody else could write any more."""
        with create_engine(self.url, poolclass=NullPool).connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            worker.send_signal(signal.SIGSTOP)
            eventually("it is stopped", lambda: Path(f"/proc/{worker.pid}/stat").read_text().rpartition(") ")[2][0] == "T")

    def _show_log(self, name: str) -> None:
        print(f"-- {name} logged:", self.log(name), sep="\n")  # noqa: T201 - pytest shows it when a test fails

    def _environment(self, settings: dict[str, object]) -> dict[str, str]:
        given = {"url": self.url.render_as_string(hide_password=False), **settings}
        return {**os.environ, LEDGER: str(self._ledger), **{f"JOBRUNR_{k.upper()}": str(v) for k, v in given.items()}}


@pytest.fixture
def fleet(url: URL, tmp_path: Path) -> Iterator[Fleet]:
    """No worker yet, on an empty database."""
    with ExitStack() as stack:
        yield Fleet(url, tmp_path, stack)


class Supervised:
    """A supervisor, and the servers that it has started."""

    def __init__(self, fleet: Fleet, count: int, **settings: object) -> None:
        self._fleet = fleet
        self.process = fleet.start("shop", "--processes", str(count), **settings)
        self.names = ["shop"] if count == 1 else [f"shop-{number}" for number in range(1, count + 1)]
        fleet.wait_until_up(*self.names)

    @property
    def log(self) -> str:
        return self._fleet.log("shop")

    def pid_of(self, name: str) -> int:
        return self._fleet.servers()[name].pid

    def has_left_nobody(self) -> bool:
        """Whether all processes that it ever started are gone."""
        return not any(map(is_there, self._pids()))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for pid in self._pids():
            with suppress(ProcessLookupError):
                if is_there(pid):
                    os.kill(pid, signal.SIGKILL)

    def _pids(self) -> list[int]:
        return [int(pid) for pid in re.findall(r"is started as process (\d+)", self.log)]


def is_there(pid: int) -> bool:
    """Whether a process is there, and is one of ours."""
    with suppress(OSError):
        return b"--supervised" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


Supervise = Callable[..., Supervised]


@pytest.fixture
def supervise(fleet: Fleet) -> Iterator[Supervise]:
    """Start a supervisor with its servers. All of them are gone after the test."""
    started: list[Supervised] = []

    def start(count: int, **settings: object) -> Supervised:
        started.append(Supervised(fleet, count, **settings))
        return started[-1]

    yield start
    for each in started:
        each.kill()
