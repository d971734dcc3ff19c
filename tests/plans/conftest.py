"""Tables full of jobs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import URL

from jobrunr.storage.sql import SqlStorageProvider
from tests.plans.explaining import (
    OnMariadb,
    OnPostgresql,
    OnPostgresqlInABurst,
    OnPostgresqlInTheFirstBurst,
    OnSqlite,
    Plans,
)
from tests.storage.conftest import DROP_MARIADB, DROP_POSTGRESQL, MARIADB, POSTGRESQL, new_database


@pytest.fixture(scope="module")
def postgresql_of_plans() -> Iterator[URL]:
    with new_database(POSTGRESQL, DROP_POSTGRESQL) as url:
        yield url


@pytest.fixture(scope="module", params=[OnPostgresqlInABurst, OnPostgresqlInTheFirstBurst])
def burst(request: pytest.FixtureRequest) -> Iterator[Plans]:
    with new_database(POSTGRESQL, DROP_POSTGRESQL) as url, SqlStorageProvider(url) as storage:
        storage.set_up()
        yield request.param(storage)


@pytest.fixture
def on_mariadb() -> Iterator[Plans]:
    with new_database(MARIADB, DROP_MARIADB) as url, SqlStorageProvider(url) as storage:
        storage.set_up()
        yield OnMariadb(storage)


@pytest.fixture(scope="module")
def sqlite_of_plans(tmp_path_factory: pytest.TempPathFactory) -> URL:
    return URL.create("sqlite", database=str(tmp_path_factory.mktemp("plans") / "jobs.db"))


@pytest.fixture(scope="module", params=[OnPostgresql, OnSqlite])
def plans(request: pytest.FixtureRequest) -> Iterator[Plans]:
    url = request.getfixturevalue("postgresql_of_plans" if request.param is OnPostgresql else "sqlite_of_plans")
    with SqlStorageProvider(url) as storage:
        storage.set_up()
        yield request.param(storage)
