"""Jobs hold every connection of the application's engine: what keeps their server alive has others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest
from sqlalchemy import URL, Engine, create_engine

from jobrunr import JobRunr, JobState
from jobrunr.server_record import ServerRecord
from tests.processes.conftest import eventually
from tests.server import jobs

POOL = 2
ENOUGH = timedelta(milliseconds=500)
"""Between two heartbeats that make it sure that they go on."""

engines: dict[str, Engine] = {}
"""Those of the tests, by a name that their jobs know."""


def hold_a_connection(name: str) -> None:
    """As an application does that calls somebody else in the middle of a transaction."""
    with engines[name].begin() as connection:
        connection.exec_driver_sql("SELECT 1").all()
        jobs.note(name, "began")
        assert jobs.gates[name].wait(90)


@pytest.fixture
def engine(url: URL, request: pytest.FixtureRequest) -> Iterator[Engine]:
    engine = create_engine(url, pool_size=POOL, max_overflow=0, pool_timeout=1)
    engines[request.node.name] = engine
    yield engine
    engine.dispose()
    del engines[request.node.name]


def test_jobs_that_hold_the_whole_pool_hold_up_nothing_else(
    url: URL, engine: Engine, request: pytest.FixtureRequest
) -> None:
    name = request.node.name
    with ExitStack() as stack:
        elsewhere = stack.enter_context(JobRunr(url.render_as_string(hide_password=False)))
        app = stack.enter_context(JobRunr(engine, application="tests"))
        stack.enter_context(app.server(workers=POOL + 1, heartbeat_interval=0.1))
        stack.callback(jobs.gates[name].set)
        holding = [app.scheduler.enqueue(hold_a_connection, name) for _ in range(POOL)]
        eventually("they hold the pool", lambda: engine.pool.checkedout() == POOL and jobs.seen[name] == ["began"] * POOL)

        def state_of_server() -> ServerRecord:
            (record,) = elsewhere.storage.servers()
            return record

        before, begun = state_of_server(), elsewhere.storage.now()
        now = elsewhere.scheduler.enqueue(jobs.add, 1, 2)
        later = elsewhere.scheduler.schedule(begun + ENOUGH, jobs.add, 3, 4)
        for job_id in (now, later):  # claimed, promoted, recorded
            eventually("it succeeds", lambda job_id=job_id: elsewhere.scheduler.get(job_id).state is JobState.SUCCEEDED)
        eventually("heartbeats go on", lambda: state_of_server().last_heartbeat > begun + ENOUGH)  # type: ignore[operator]
        jobs.gates[name].set()
        eventually(
            "they succeed", lambda: all(elsewhere.scheduler.get(each).state is JobState.SUCCEEDED for each in holding)
        )

        assert jobs.seen.pop(name) == ["began"] * POOL, "each ran once"
        assert state_of_server().id == before.id, "nobody took it for dead"
