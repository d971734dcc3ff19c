"""Database servers of our own are restarted, crash, can only be read, or are full, in the middle of a drain."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from sqlalchemy import URL, NullPool, create_engine

from chaos import jobs, servers
from chaos.crew import APPLICATION
from chaos.faults import noted
from tests.conftest import ON_CI
from tests.faults.conftest import MakeTrial
from tests.processes.conftest import eventually
from tests.storage.conftest import DROP_MARIADB, DROP_POSTGRESQL, new_database
from tools import services

pytestmark = pytest.mark.timeout(200)
OUTAGE, LONGER = 0.5, 4.0
"""Seconds."""
CONNECTIONS = 40
"""Each of them is taken when nobody is to have one."""

FAULTS = {
    "PostgreSQL": [servers.restarted, servers.crashed, servers.read_only, servers.full, servers.without_connections],
    "MariaDB": [servers.restarted, servers.crashed, servers.read_only, servers.full, servers.without_connections],
}


@pytest.fixture(scope="module", params=services.DATABASES, ids=lambda database: database.name)
def own_server(request: pytest.FixtureRequest) -> Iterator[services.OwnServer]:
    """A server that a test may do anything to."""
    try:
        with services.own_server(request.param, CONNECTIONS) as server:
            yield server
    except services.UnavailableError as error:
        if ON_CI:
            raise
        pytest.skip(f"no {request.param.name} of our own: {error}")


def as_application(server: services.OwnServer, url: URL) -> URL:
    """By a user that may do everything in this database and nothing else: MariaDB lets root write whatever it is told."""
    if services.is_postgresql(url):
        return url
    with create_engine(server.url, poolclass=NullPool).connect() as connection:
        connection.exec_driver_sql("CREATE OR REPLACE USER shop@'127.0.0.1' IDENTIFIED BY 'secret'")
        connection.exec_driver_sql(f"GRANT ALL ON {url.database}.* TO shop@'127.0.0.1'")
    return url.set(username="shop", password="secret")


def test_a_drain_goes_on_by_itself_after_everything_that_can_happen_to_a_server(
    own_server: services.OwnServer, make_trial: MakeTrial
) -> None:
    drop = DROP_POSTGRESQL if services.is_postgresql(own_server.url) else DROP_MARIADB
    with new_database(own_server.url.render_as_string(hide_password=False), drop) as url:
        trial = make_trial(as_application(own_server, url), storage_timeout="2s", workers=4, server_timeout="3s")
        trial.crew.fork_all("first", "second")
        for fault in FAULTS[own_server.name]:
            before = len(trial.effects())
            trial.ask_for(150, jobs.take_effect, 0.01)
            eventually("the drain goes on", lambda before=before: len(trial.effects()) > before + 50)
            with noted(trial.crew.faults, fault.__name__), fault(own_server):
                time.sleep(OUTAGE)
            trial.wait_until_over()

        assert trial.objections() == []
        assert trial.crew.ended() == {}


def test_a_longer_outage_in_a_drain_uses_up_no_attempt_and_few_lines_of_the_log(
    own_server: services.OwnServer, make_trial: MakeTrial
) -> None:
    drop = DROP_POSTGRESQL if services.is_postgresql(own_server.url) else DROP_MARIADB
    names = ["first", "second"]
    with new_database(own_server.url.render_as_string(hide_password=False), drop) as url:
        trial = make_trial(url, storage_timeout="2s", workers=4, server_timeout="10s")
        workers = [trial.crew.start(name, app=APPLICATION, **trial.settings) for name in names]
        trial.crew.wait_until_up(*names)
        trial.ask_for(400, jobs.take_effect, 0.02)
        eventually("the drain goes on", lambda: len(trial.effects()) > 100)
        with noted(trial.crew.faults, "longer outage"), servers.crashed(own_server):
            time.sleep(LONGER)
        trial.wait_until_over()

        assert trial.objections() == []
        assert trial.crew.query("SELECT DISTINCT state, attempts FROM jobrunr_jobs") == [("SUCCEEDED", 1)]
        assert [worker.poll() for worker in workers] == [None, None]
        about_itself = [line for name in names for line in trial.crew.log(name).splitlines() if " jobrunr.job: " not in line]
        assert 0 < len(about_itself) < 40
