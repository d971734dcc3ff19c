"""Processes that die are noticed long before their heartbeats are too old; and who makes them die is told from others."""

from __future__ import annotations

import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine

from jobrunr import Job, JobState
from tests.processes.conftest import Fleet, eventually
from tests.processes.jobs import die_first, poison, stop_at_gate, take_effect, take_time

pytestmark = pytest.mark.timeout(200)  # they have several waits in a row
PATIENT = {"server_timeout": "10m", "workers": 4}
"""No heartbeat becomes too old within a test: what is noticed is noticed by the locks."""
ENQUEUED, PROCESSING, FAILED, SUCCEEDED = JobState.ENQUEUED, JobState.PROCESSING, JobState.FAILED, JobState.SUCCEEDED


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_when_another_is_killed_the_master_rescues_its_job(fleet: Fleet, tmp_path: Path) -> None:
    fleet.start("master", **PATIENT, queues="of the master")
    fleet.wait_until_up("master")
    victim = fleet.start("victim", **PATIENT)
    job_id = fleet.app.scheduler.enqueue(stop_at_gate, str(tmp_path / "gate that stays shut"))
    eventually("the job is in the middle", lambda: fleet.ledger() == ["attempt 1 begins on victim"])

    victim.send_signal(signal.SIGKILL)
    eventually("it waits again", lambda: fleet.app.scheduler.get(job_id).state is ENQUEUED)

    job = fleet.app.scheduler.get(job_id)
    assert [change.state for change in job.history] == [ENQUEUED, PROCESSING, FAILED, ENQUEUED]
    assert (job.failures, job.crashes) == (0, 1)
    assert fleet.servers().keys() == {"master"}


class Restarted:
    """Worker processes of which each is replaced when it dies."""

    def __init__(self, fleet: Fleet, *names: str, **settings: object) -> None:
        self._fleet = fleet
        self._settings = settings
        self.deaths: Counter[str] = Counter()
        self._running = {name: self._start(name) for name in names}

    def until(self, what: str, is_so: Callable[[], bool]) -> None:
        eventually(what, lambda: self._replace_the_dead() or is_so(), timeout=150, every=0.05)

    def _replace_the_dead(self) -> None:
        for name, worker in self._running.items():
            if worker.poll() is not None:
                self.deaths[name] += 1
                self._running[name] = self._start(name)

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        return self._fleet.start(f"{name}-{self.deaths[name]}", **self._settings)


def crashes_of(job: Job) -> int:
    return sum(change.exception is not None for change in job.history)


@pytest.mark.parametrize(("url", "kind"), [("sqlite", "exit"), ("postgresql", "segfault")], indirect=["url"])
def test_a_job_that_kills_its_process_is_quarantined_and_hurts_nobody_else(fleet: Fleet, kind: str) -> None:
    jobs = fleet.app.scheduler
    innocent = jobs.options(retries=1).enqueue_many(take_time, range(20))
    bad = jobs.enqueue(poison, kind)
    once = jobs.options(retries=0).enqueue_many(take_time, range(50, 60))
    innocent += jobs.options(retries=1).enqueue_many(take_time, range(20, 50))
    workers = Restarted(fleet, "one", "other", **PATIENT)

    workers.until("all is done", lambda: jobs.counts()[SUCCEEDED] + jobs.counts()[FAILED] == 61)

    job = jobs.get(bad)
    assert job.history[-1].reason == "quarantined: its process died 3 times while it ran"
    assert (crashes_of(job), job.crashes, job.failures) == (3, 3, 0)
    assert fleet.ledger().count(f"{kind} begins") == sum(workers.deaths.values()) == 3
    assert [jobs.get(job_id).state for job_id in innocent] == [SUCCEEDED] * 50
    assert [jobs.get(job_id).failures for job_id in innocent] == [0] * 50
    for number, job in enumerate(map(jobs.get, once), 50):
        died = job.history[-1].reason == "its process died while it ran, and it is not to be retried"
        assert job.state is (FAILED if died else SUCCEEDED)
        assert fleet.ledger().count(f"{number} begins") in ({0, 1} if died else {1}), "it never runs twice"


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_jobs_that_may_run_only_once_and_only_sat_there_run_after_a_crash(fleet: Fleet) -> None:
    jobs = fleet.app.scheduler
    settings = PATIENT | {"workers": 1}
    workers = Restarted(fleet, "single", **settings)
    jobs.enqueue_many(take_effect, range(100))  # from these it knows that it can take many at once
    workers.until("it is warm", lambda: jobs.counts()[SUCCEEDED] == 100)
    bad, *once = jobs.options(retries=0).enqueue_many(die_first, range(20))

    workers.until("all is done", lambda: jobs.counts()[SUCCEEDED] == 119 and jobs.get(bad).state is FAILED)

    assert jobs.get(bad).history[-1].reason == "its process died while it ran, and it is not to be retried"
    done = [jobs.get(job_id) for job_id in once]
    assert [(job.attempts, job.crashes) for job in done] == [(1, 0)] * 19
    assert any("lost before it began" in str(change.reason) for job in done for change in job.history)
    assert workers.deaths == {"single": 1}


@pytest.mark.parametrize("url", ["postgresql", "mariadb"], indirect=True)
def test_a_server_whose_lock_is_cut_lives_on(fleet: Fleet) -> None:
    fleet.start("master", **PATIENT)
    fleet.wait_until_up("master")
    fleet.start("other", **PATIENT)
    fleet.wait_until_up("master", "other")
    before = {name: server.id for name, server in fleet.servers().items()}

    for _ in range(3):
        holders = lock_holders(fleet)
        assert len(holders) == 2
        cut(fleet, holders)
        eventually("the locks are held again", lambda: len(lock_holders(fleet) - holders) == 2)  # noqa: B023

    job_id = fleet.app.scheduler.enqueue(take_effect, 1)
    eventually("a job is done", lambda: fleet.app.scheduler.get(job_id).state is SUCCEEDED)
    assert {name: server.id for name, server in fleet.servers().items()} == before


def lock_holders(fleet: Fleet) -> set[int]:
    """The connections by which the database knows that servers live."""
    if fleet.url.get_backend_name() == "postgresql":
        held = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database"
        return {pid for (pid,) in fleet.query(f"{held} WHERE datname = current_database())")}
    locks = ", ".join(f"IS_USED_LOCK('jobrunr-server-{server.id}')" for server in fleet.servers().values())
    return {holder for row in fleet.query(f"SELECT {locks}") for holder in row if holder is not None}


def cut(fleet: Fleet, connections: set[int]) -> None:
    """End these connections from the side of the database."""
    end = "SELECT pg_terminate_backend({})" if fleet.url.get_backend_name() == "postgresql" else "KILL {}"
    with create_engine(fleet.url, poolclass=NullPool).connect() as connection:
        for each in connections:
            connection.exec_driver_sql(end.format(each))
