"""Many servers on one database: nothing is lost, and nothing is done twice."""

from __future__ import annotations

from collections import Counter

import pytest

from jobrunr import JobState
from tests.processes.conftest import Fleet, eventually
from tests.processes.jobs import take_effect

JOBS = 20_000
pytestmark = pytest.mark.timeout(200)  # it has several waits in a row
SERVERS = [f"server-{number}" for number in range(8)]


def test_eight_servers_make_each_of_20_000_jobs_take_effect_exactly_once(fleet: Fleet) -> None:
    for name in SERVERS:
        fleet.start(name, workers=8)
    fleet.wait_until_up(*SERVERS)

    fleet.app.scheduler.enqueue_many(take_effect, range(JOBS))
    eventually("all jobs are done", lambda: fleet.app.scheduler.counts()[JobState.SUCCEEDED] == JOBS, every=0.1)

    effects = Counter(int(line.split()[0]) for line in fleet.ledger())
    assert effects == Counter(range(JOBS))
    assert fleet.query("SELECT state, attempts, count(*) FROM jobrunr_jobs GROUP BY state, attempts") == [
        ("SUCCEEDED", 1, JOBS)
    ]
    assert fleet.app.scheduler.counts() == {state: JOBS if state is JobState.SUCCEEDED else 0 for state in JobState}
    processes = {line.split()[1] for line in fleet.ledger()}
    assert len(processes) > 1, "one server did everything: this says nothing about several"


def test_ten_servers_that_start_at_once_on_an_empty_database_all_come_up(fleet: Fleet) -> None:
    names = [f"server-{number}" for number in range(10)]
    workers = [fleet.start(name, workers=1) for name in names]

    eventually("all are registered", lambda: fleet.servers().keys() == set(names))

    assert [worker.poll() for worker in workers] == [None] * 10
    for worker in workers:
        worker.terminate()
    assert [worker.wait(30) for worker in workers] == [0] * 10
    assert fleet.servers() == {}
