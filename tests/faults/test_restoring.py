"""What is stored goes back to how it was a while ago, under running servers: a backup is restored, or a replica takes over
that has not heard of the last moments."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import URL, NullPool, Table, create_engine, insert, select
from sqlalchemy.exc import OperationalError

from chaos import jobs
from chaos.faults import noted
from jobrunr.storage.sql.tables import Tables
from tests.faults.conftest import MakeTrial
from tests.processes.conftest import eventually

pytestmark = pytest.mark.timeout(200)


class Backup:
    """All rows of all our tables, as they were at one moment."""

    def __init__(self, url: URL) -> None:
        self._engine = create_engine(url, poolclass=NullPool)
        self._rows: dict[Table, list[dict[str, Any]]] = {}
        with self._engine.connect() as connection:
            if connection.dialect.name != "sqlite":
                connection.execution_options(isolation_level="REPEATABLE READ")
            for table in Tables().metadata.sorted_tables:
                self._rows[table] = [dict(row) for row in connection.execute(select(table)).mappings()]

    def restore(self) -> None:
        """Nobody sees anything between now and then."""
        while True:
            try:
                return self._try_to_restore()
            except OperationalError as error:  # who locks all tables may be in the way of who has some
                if "deadlock" not in str(error):
                    raise

    def _try_to_restore(self) -> None:
        with self._engine.connect() as connection:
            names = ", ".join(table.name for table in self._rows)
            lock = {
                "sqlite": "BEGIN IMMEDIATE",
                "postgresql": f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE",
                "mysql": f"LOCK TABLES {names.replace(',', ' WRITE,')} WRITE",
            }[connection.dialect.name.replace("mariadb", "mysql")]
            connection.exec_driver_sql(lock)
            for table, rows in reversed(self._rows.items()):
                connection.execute(table.delete())
                if rows:
                    connection.execute(insert(table), rows)
            connection.commit()


def test_when_all_goes_back_to_an_earlier_moment_who_owns_a_job_stays_clear(url: URL, make_trial: MakeTrial) -> None:
    trial = make_trial(url, workers=4, server_timeout="4s", storage_timeout="2s")
    trial.crew.fork_all("stays", "leaves", "dies")
    ids = trial.ask_for(200, jobs.take_effect, 0.02)
    trial.ask_for(10, jobs.take_effect_awaiting, 0.5)
    eventually("some are done, some go on, some wait", lambda: len(trial.effects()) > 100)
    backup = Backup(url)
    trial.crew.fork_all("comes")
    trial.crew.workers["dies"].kill()
    trial.crew.workers["leaves"].terminate()
    eventually("many more are done", lambda: len(trial.effects()) > 300)

    with noted(trial.crew.faults, "restored"):
        backup.restore()
        trial.wait_until_over()

    # What a run kept in the moments that are lost is lost, also if it is the owner's and ends after them.
    assert [found for found in trial.objections() if not found.endswith("keeps what None wrote")] == []
    assert {trial.app.scheduler.get(job_id).state.value for job_id in ids} == {"SUCCEEDED"}
    assert sum(trial.app.scheduler.counts().values()) == len(trial.asked)
    eventually("only who lives is listed", lambda: trial.crew.servers().keys() == {"stays", "comes"})
