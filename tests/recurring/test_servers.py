"""Real servers and real time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from jobrunr import JobRunr, declarations, recurring
from jobrunr.server.declaring import Declaring
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing import TestClock
from tests.processes.conftest import eventually
from tests.recurring import jobs
from tests.recurring.conftest import Fleet
from tests.server.conftest import FAST

BEATS = 6
HOUR = timedelta(hours=1)


def test_a_job_of_every_second_runs_every_second_and_never_early(fleet: Fleet) -> None:
    for name in ("one", "two"):
        fleet.start(name, workers=2, app="tests.recurring.declaring:application")
    fleet.wait_until_up("one", "two")

    eventually("it has run a few times", lambda: len(fleet.ledger()) >= BEATS)

    beats = [line.split() for line in fleet.ledger()]
    seconds = sorted(int(second) for second, _ in beats)
    assert seconds == list(range(seconds[0], seconds[0] + len(seconds)))
    assert all(float(late) >= 0 for _, late in beats)


def test_the_schedule_goes_on_when_the_master_is_killed(fleet: Fleet) -> None:
    settings = {"app": "tests.recurring.declaring:application", "heartbeat_interval": "200ms", "server_timeout": "1s"}
    first = fleet.start("first", workers=2, **settings)
    fleet.wait_until_up("first")
    fleet.start("second", workers=2, **settings)
    fleet.wait_until_up("first", "second")
    eventually("it runs", lambda: len(fleet.ledger()) >= 2)

    first.kill()
    before = len(fleet.ledger())

    eventually("it goes on", lambda: len(fleet.ledger()) >= before + 3)
    runs = [run for run in fleet.app.scheduler.recurring.runs("tick") if run.job_id is not None]
    assert len({run.run_at for run in runs}) == len(runs)
    made = fleet.app.scheduler.find(recurring_job_id="tick", limit=1000)
    assert {job.id for job in made} <= {
        run.job_id for run in runs
    }  # what the first had begun may have run twice, as one job


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[JobRunr]:
    monkeypatch.setattr(declarations, "_declared", {})
    with JobRunr("memory://", **FAST) as app:
        yield app


def test_a_server_registers_what_the_code_declares_when_it_starts(app: JobRunr) -> None:
    recurring("PT1S", id="sync")(jobs.sync)
    assert app.scheduler.recurring.list() == []
    with app.server():
        assert [job.id for job in app.scheduler.recurring.list()] == ["sync"]
        eventually("it has run", lambda: bool(app.scheduler.recurring.runs("sync")))


def test_a_server_does_not_start_with_a_declaration_that_cannot_be(app: JobRunr) -> None:
    recurring("PT1S", id="sync")(takes_one)
    with pytest.raises(Exception, match="number"):
        app.server().start()
    assert app.storage.servers() == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("jobrunr-heartbeat")]


def takes_one(number: int) -> None: ...


def test_what_nobody_declares_any_more_is_removed(app: JobRunr) -> None:
    recurring("PT1H", id="old")(jobs.sync)
    app.scheduler.recurring.register_declared()
    declarations._declared.clear()
    with app.server(forget_declared_after="0s"):
        eventually("it is gone", lambda: app.scheduler.recurring.list() == [])


def test_a_server_that_has_just_come_up_has_missed_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declarations, "_declared", {})
    clock = TestClock()
    with JobRunr(MemoryStorageProvider(clock)) as app:
        jobs_of_it = app.scheduler.recurring
        recurring("PT1H", id="of another program")(jobs.sync)
        jobs_of_it.register_declared()
        declarations._declared.clear()
        declaring = Declaring(app.storage, jobs_of_it, lambda: True, HOUR)
        clock.advance(hours=2)  # nobody was up

        declaring.tick()
        assert [job.id for job in jobs_of_it.list()] == ["of another program"]

        later = time.monotonic() + HOUR.total_seconds()
        monkeypatch.setattr(time, "monotonic", lambda: later)
        declaring.tick()
        assert jobs_of_it.list() == []


def test_one_that_is_registered_while_the_master_sleeps_runs_in_time(app: JobRunr) -> None:
    with app.server(poll_interval="1h"):
        threading.Event().wait(0.2)
        app.scheduler.options(id="sync").schedule_recurrently("PT1S", jobs.sync)
        eventually("it has run", lambda: bool(app.scheduler.recurring.runs("sync")), timeout=5)
