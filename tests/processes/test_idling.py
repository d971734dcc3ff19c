"""A server that has nothing to do costs next to nothing, and starts at once when something comes."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import URL, NullPool, create_engine

from benchmarks.worker import Serving
from jobrunr import JobState
from tests.processes.conftest import Fleet, eventually
from tests.processes.jobs import take_effect
from tests.storage.conftest import POSTGRESQL

SETTLING = 12.0
"""Seconds until what the start took is counted: PostgreSQL may report transactions ten seconds late."""
WINDOW = 12.0
"""Seconds to count in. The figure depends a little on where they begin; the benchmark looks for a minute."""


def test_a_job_that_another_process_enqueues_is_started_without_waiting_for_a_poll(fleet: Fleet) -> None:
    fleet.start("server", poll_interval="1m")
    fleet.wait_until_up("server")
    fleet.app.scheduler.enqueue(take_effect, 0)
    eventually("the server is warm", lambda: fleet.app.scheduler.counts()[JobState.SUCCEEDED] == 1)

    fleet.app.scheduler.enqueue(take_effect, 1)

    eventually("the job has begun", lambda: len(fleet.ledger()) == 2, timeout=2)


@pytest.mark.timeout(90)
def test_an_idle_server_on_postgresql_sends_little_more_than_a_statement_a_second(postgresql: URL) -> None:
    def transactions() -> int:
        """Counted by the database itself, and asked for from another database, so that asking does not count."""
        with create_engine(POSTGRESQL, poolclass=NullPool).connect() as connection:
            statement = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = %s"
            return int(connection.exec_driver_sql(statement, (postgresql.database,)).scalar_one())

    with Serving(postgresql) as server:
        threading.Event().wait(SETTLING)
        before, transactions_before = server.snapshot(), transactions()
        threading.Event().wait(WINDOW)
        after, transactions_after = server.snapshot(), transactions()

    passed = after.at - before.at
    assert (after.statements - before.statements) / passed <= 1.8
    # Those of autovacuum count as well, and some that are reported late.
    assert (transactions_after - transactions_before) / passed <= 3
    assert (after.cpu - before.cpu) / passed * 60 <= 3, "seconds of CPU a minute"
