"""Database servers of our own are restarted, crash, can only be read, or are full, in the middle of a drain."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from chaos import jobs, servers
from chaos.faults import noted
from tests.conftest import ON_CI
from tests.faults.conftest import MakeTrial
from tests.processes.conftest import eventually
from tests.storage.conftest import DROP_MARIADB, DROP_POSTGRESQL, new_database
from tools import services

pytestmark = pytest.mark.timeout(200)
OUTAGE = 0.5
"""Seconds."""

FAULTS = {
    "PostgreSQL": [servers.restarted, servers.crashed, servers.read_only, servers.full, servers.without_connections],
    "MariaDB": [servers.restarted, servers.crashed, servers.full, servers.without_connections],
}


@pytest.fixture(scope="module", params=services.DATABASES, ids=lambda database: database.name)
def own_server(request: pytest.FixtureRequest) -> Iterator[services.OwnServer]:
    """A server that a test may do anything to."""
    try:
        with services.own_server(request.param) as server:
            yield server
    except services.UnavailableError as error:
        if ON_CI:
            raise
        pytest.skip(f"no {request.param.name} of our own: {error}")


def test_a_drain_goes_on_by_itself_after_everything_that_can_happen_to_a_server(
    own_server: services.OwnServer, make_trial: MakeTrial
) -> None:
    drop = DROP_POSTGRESQL if services.is_postgresql(own_server.url) else DROP_MARIADB
    with new_database(own_server.url.render_as_string(hide_password=False), drop) as url:
        trial = make_trial(url, storage_timeout="2s", workers=4, server_timeout="3s")
        workers = trial.crew.fork_all("first", "second")
        for fault in FAULTS[own_server.name]:
            before = len(trial.effects())
            trial.ask_for(150, jobs.take_effect, 0.01)
            eventually("the drain goes on", lambda before=before: len(trial.effects()) > before + 50)
            with noted(trial.crew.faults, fault.__name__), fault(own_server):
                time.sleep(OUTAGE)
            trial.wait_until_over()

        assert trial.objections() == []
        assert all(worker.is_up for worker in workers)
