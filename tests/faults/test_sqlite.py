"""What happens to a file: others lock it, and the disk is full."""

from __future__ import annotations

import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import pytest
from sqlalchemy import URL

from chaos import jobs
from chaos.faults import noted
from chaos.trial import Trial
from jobrunr import JobRunr, JobState
from jobrunr.errors import StorageSetupError, StorageUnavailableError
from tests.faults.conftest import MakeTrial
from tests.processes.conftest import eventually
from tests.samples.shop.jobs import send_welcome

pytestmark = pytest.mark.timeout(200)


def test_a_file_that_is_locked_for_longer_than_a_call_may_take_is_an_outage(sqlite: URL, make_trial: MakeTrial) -> None:
    trial = make_trial(sqlite, storage_timeout="500ms", server_timeout="4s", workers=4)
    trial.crew.fork_all("first", "second")
    trial.ask_for(200, jobs.take_effect, 0.01)
    eventually("the drain goes on", lambda: len(trial.effects()) > 50)

    with noted(trial.crew.faults, "locked"), sqlite3.connect(str(sqlite.database), isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        time.sleep(2)  # the fault lasts
        other.execute("ROLLBACK")
    other.close()
    trial.wait_until_over()

    assert trial.objections() == []
    assert trial.crew.ended() == {}


@pytest.mark.parametrize("replaced", [True, False])
def test_a_file_that_is_replaced_or_removed_takes_no_job_that_would_be_lost(tmp_path: Path, *, replaced: bool) -> None:
    file, aside = tmp_path / "jobs.db", tmp_path / "aside.db"
    with JobRunr(f"sqlite:///{file}", application="tests", workers=2) as app, app.server() as server:
        before = app.scheduler.enqueue(send_welcome, "ada@example.org")
        eventually("it is done", lambda: app.scheduler.get(before).state is JobState.SUCCEEDED)

        file.rename(aside)
        if replaced:
            file.write_bytes(b"")
        with pytest.raises(StorageSetupError, match="replaced by another" if replaced else "removed while it was in use"):
            app.scheduler.enqueue(send_welcome, "eve@example.org")
        eventually("the server notices, too", lambda: not server.is_healthy)
        assert file.exists() is replaced, "no new file is made in its place"

        aside.replace(file)
        after = app.scheduler.enqueue(send_welcome, "eve@example.org")
        eventually("all is well", lambda: app.scheduler.get(after).state is JobState.SUCCEEDED and server.is_healthy)
        assert [job.id for job in app.scheduler.find()] == [after, before]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def fill(disk: Path) -> None:
    """Leave no room."""
    with (disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(bytes(4096))


def ask_again_and_again(trial: Trial) -> NoReturn:
    while True:
        trial.ask(jobs.take_effect)


def test_a_full_disk_is_an_outage(small_disk: Path, make_trial: MakeTrial) -> None:
    trial = make_trial(URL.create("sqlite", database=str(small_disk / "jobs.db")), server_timeout="4s", workers=4)
    trial.crew.fork_all("first", "second")
    trial.ask_for(100, jobs.take_effect, 0.02)
    eventually("the drain goes on", lambda: len(trial.effects()) > 50)

    with noted(trial.crew.faults, "full disk"):
        fill(small_disk)
        with pytest.raises(StorageUnavailableError, match="full"):
            ask_again_and_again(trial)
        time.sleep(0.5)  # the fault lasts
        (small_disk / "filler").unlink()
    trial.wait_until_over()

    assert trial.objections() == []
    assert trial.crew.ended() == {}
