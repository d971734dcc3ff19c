"""Ways to run the command: as a process in a folder with an application, or within this process."""

from __future__ import annotations

import inspect
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from jobrunr import Job, JobId, JobRunr, JobState
from jobrunr.cli.root import root

PATIENCE = 30.0
COMMAND = [sys.executable, "-W", "error", "-m", "jobrunr.cli"]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Poll a fact that another process makes true."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"it never came true: {what}"
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of whoever runs the tests, times in UTC, and a search path that is put back."""
    for name in [name for name in os.environ if name.startswith("JOBRUNR_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(sys, "path", sys.path.copy())


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with an application in it."""
    folder = tmp_path / "project"
    shutil.copytree(Path(__file__).with_name("app"), folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def run(shop: Path) -> Run:
    """Run the command in the folder of the application, to its end."""

    def run(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *words],
            cwd=shop,
            env=os.environ | environ,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    return run


@pytest.fixture
def jobs(shop: Path) -> Iterator[JobRunr]:
    """The jobs of the application, seen from the test."""
    with JobRunr(f"sqlite:///{shop}/shop.db", application="shop") as jobrunr:
        yield jobrunr


def wait_for(jobrunr: JobRunr, job_id: JobId, state: JobState) -> Job:
    """Wait until a job is in a state."""
    eventually(lambda: jobrunr.scheduler.get(job_id).state is state, f"job {job_id} is {state}")
    return jobrunr.scheduler.get(job_id)


class Worker:
    """``jobrunr worker`` as a process."""

    def __init__(self, folder: Path, *words: str, is_up: Callable[[str], bool] = lambda log: "runs jobs" in log) -> None:
        self._log = folder / "worker.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [*COMMAND, "worker", "--app", "shop.jobs:jobrunr", *words], cwd=folder, stdout=log, stderr=log
            )
        try:
            eventually(lambda: is_up(self.log) or self._process.poll() is not None, "the worker is up")
            assert self._process.poll() is None, self.log
        except BaseException:
            self.kill()
            raise

    @property
    def log(self) -> str:
        return self._log.read_text()

    def tell_to_stop(self, number: int = signal.SIGTERM) -> None:
        """Send a signal, and wait until it was taken."""
        self._process.send_signal(number)
        eventually(lambda: "stopping" in self.log, "the worker is stopping")

    def tell_again(self, number: int = signal.SIGTERM) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait until it has ended. Its exit code."""
        return self._process.wait(PATIENCE)

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


@pytest.fixture
def worker(shop: Path) -> Iterator[Callable[..., Worker]]:
    """Start a worker; it is gone after the test."""
    workers: list[Worker] = []

    def start(*words: str, **options: Any) -> Worker:
        workers.append(Worker(shop, *words, **options))
        return workers[-1]

    yield start
    for each in workers:
        each.kill()


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database that nobody has made yet."""
    return f"sqlite:///{tmp_path}/jobs.db"


@pytest.fixture
def jobrunr(url: str) -> Iterator[JobRunr]:
    """Jobs in that database."""
    with JobRunr(url, application="tests") as jobrunr:
        assert jobrunr.storage.counts()  # the tables are there now
        yield jobrunr


def invoke(*words: str) -> Result:
    """Run the command within this process."""
    return _runner().invoke(root, list(words), prog_name="jobrunr", catch_exceptions=False)


def _runner() -> CliRunner:
    apart: dict[str, Any] = {"mix_stderr": False}  # what click always does since 8.2, and does not know any more
    return CliRunner(**apart) if "mix_stderr" in inspect.signature(CliRunner).parameters else CliRunner()


def all_verbs() -> Iterator[tuple[str, click.Command]]:
    """Every verb with its full name, ``job show`` for one."""
    with click.Context(root) as context:
        for name in root.list_commands(context):
            verb = root.get_command(context, name)
            assert verb is not None
            if isinstance(verb, click.Group):
                yield from ((f"{name} {below}", command) for below, command in verb.commands.items())
            else:
                yield name, verb
