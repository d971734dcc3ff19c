"""Many servers on one database: nothing is lost, and nothing is done twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import URL

from chaos.crew import Crew
from jobrunr import JobState
from tests.processes.conftest import APPLICATION, eventually
from tests.processes.jobs import take_effect

JOBS = 20_000
pytestmark = [pytest.mark.timeout(400), pytest.mark.usefixtures("crowd")]  # they have several waits in a row
SERVERS = [f"server-{number}" for number in range(8)]
STARTERS = [f"server-{number}" for number in range(10)]


@pytest.fixture
def crew(url: URL, tmp_path: Path) -> Iterator[Crew]:
    """No worker yet, on an empty database."""
    with ExitStack() as stack:
        yield Crew(url, tmp_path, stack)


def test_eight_servers_make_each_of_20_000_jobs_take_effect_exactly_once(crew: Crew) -> None:
    for name in SERVERS:
        crew.fork(name, app=APPLICATION, workers=8)
    crew.wait_until_up(*SERVERS)

    crew.app.scheduler.enqueue_many(take_effect, range(JOBS))
    eventually("all jobs are done", lambda: crew.app.scheduler.counts()[JobState.SUCCEEDED] == JOBS, every=0.1)

    effects = Counter(int(line.split()[0]) for line in crew.ledger())
    assert effects == Counter(range(JOBS))
    assert crew.query("SELECT state, attempts, count(*) FROM jobrunr_jobs GROUP BY state, attempts") == [
        ("SUCCEEDED", 1, JOBS)
    ]
    assert crew.app.scheduler.counts() == {state: JOBS if state is JobState.SUCCEEDED else 0 for state in JobState}
    processes = {line.split()[1] for line in crew.ledger()}
    assert len(processes) > 1, "one server did everything: this says nothing about several"


def test_ten_servers_that_start_at_once_on_an_empty_database_all_come_up_and_declare_the_same_once(crew: Crew) -> None:
    workers = [crew.fork(name, workers=1, app="tests.recurring.declaring:application") for name in STARTERS]

    eventually("all are registered", lambda: crew.servers().keys() == set(STARTERS))

    assert all(worker.is_up for worker in workers)
    (tick,) = crew.app.scheduler.recurring.list()  # all ten declare it
    assert tick.changed_at == tick.created_at
    for worker in workers:
        worker.terminate()
    assert [worker.wait(30) for worker in workers] == [0] * len(workers)
    assert crew.servers() == {}
