"""Databases for tests: each gets one of its own, which is dropped behind it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfile
from uuid import uuid4

import pytest
from sqlalchemy import URL, NullPool, create_engine, make_url
from sqlalchemy.exc import OperationalError

from tests.conftest import ON_CI
from tests.storage.sql_contract import KeptStorages

POSTGRESQL = os.environ.get("JOBRUNR_TEST_POSTGRESQL", "postgresql+psycopg://root@127.0.0.1:5432/test")
MARIADB = os.environ.get("JOBRUNR_TEST_MARIADB", "mariadb+pymysql://root@127.0.0.1:3306")

DROP_POSTGRESQL = "DROP DATABASE {} WITH (FORCE)"
DROP_MARIADB = "DROP DATABASE {}"


@contextmanager
def new_database(admin: str, drop: str, hurry: str | None = None) -> Iterator[URL]:
    """A database on a server, of a name that nobody else uses. Without the server the test is skipped; on CI it fails.

    Arguments:
        admin: the URL of a connection that may create databases.
        drop: the statement that drops one, with its name as ``{}``.
        hurry: a statement that makes one fast and forgetful, which does not matter to a test.
    """
    name = f"jobrunr_test_{uuid4().hex[:12]}"
    engine = create_engine(admin, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 3})
    try:
        with engine.connect() as connection:
            # What does not say itself that it is Unicode loses text in there.
            charset = "" if connection.dialect.name == "postgresql" else " CHARACTER SET latin1"
            connection.exec_driver_sql(f"CREATE DATABASE {name}{charset}")
            if hurry is not None:
                connection.exec_driver_sql(hurry.format(name))
    except OperationalError as error:
        if ON_CI:
            raise
        pytest.skip(f"{make_url(admin).render_as_string()} does not answer: {error.orig}")
    try:
        yield make_url(admin).set(database=name)
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql(drop.format(name))


@pytest.fixture(scope="session")
def sqlite(file_to_copy: Path, tmp_path_factory: pytest.TempPathFactory) -> URL:
    """A file with our tables, and nothing in them."""
    return URL.create("sqlite", database=str(copyfile(file_to_copy, tmp_path_factory.mktemp("sqlite") / "jobs.db")))


@pytest.fixture(scope="session")
def kept_storages() -> Iterator[KeptStorages]:
    """Providers that are kept from test to test."""
    kept = KeptStorages()
    yield kept
    kept.close()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[URL]:
    """An empty database on PostgreSQL."""
    hurry = "ALTER DATABASE {} SET synchronous_commit TO off"
    with new_database(POSTGRESQL, DROP_POSTGRESQL, hurry) as url:
        yield url


@pytest.fixture(scope="session")
def mariadb() -> Iterator[URL]:
    """An empty database on MariaDB."""
    with new_database(MARIADB, DROP_MARIADB) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[URL]:
    """A new database without tables, on each kind of server in turn."""
    if request.param == "sqlite":
        yield URL.create("sqlite", database=str(tmp_path / "jobs.db"))
        return
    admin, drop = {"postgresql": (POSTGRESQL, DROP_POSTGRESQL), "mariadb": (MARIADB, DROP_MARIADB)}[request.param]
    with new_database(admin, drop) as url:
        yield url
