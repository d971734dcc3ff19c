"""PostgreSQL by psycopg2, which Django may use: a storage that is to share its transactions uses it as well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import URL, NullPool, create_engine, text

from jobrunr import JobRunr, JobState
from jobrunr.storage.sql import SqlStorageProvider
from tests.processes.conftest import eventually
from tests.samples.shop.jobs import send_welcome
from tests.storage.conftest import DROP_POSTGRESQL, POSTGRESQL, new_database
from tests.storage.sql.test_waking import LONG, watching


@pytest.fixture
def url() -> Iterator[URL]:
    with new_database(POSTGRESQL, DROP_POSTGRESQL) as url:
        yield url.set(drivername="postgresql+psycopg2")


@pytest.fixture
def app(url: URL) -> Iterator[JobRunr]:
    with JobRunr(url.render_as_string(hide_password=False), application="tests", workers=2) as app:
        yield app


def test_what_takes_several_statements_is_committed_on_an_empty_database(app: JobRunr, url: URL) -> None:
    large = ["x" * 900_000] * 4  # more than goes into one statement
    ids = list(app.scheduler.enqueue_many(send_welcome, large))
    with create_engine(url.set(drivername="postgresql+psycopg"), poolclass=NullPool).connect() as connection:
        assert set(connection.execute(text("SELECT id FROM jobrunr_jobs")).scalars()) == set(ids)


def test_a_server_stays_registered_and_runs_jobs(app: JobRunr) -> None:
    with app.server(heartbeat_interval=0.1):
        before = app.storage.servers()
        job_id = app.scheduler.enqueue(send_welcome, "ada@example.org")
        eventually("it is done", lambda: app.scheduler.get(job_id).state is JobState.SUCCEEDED)
        heard = before[0].last_heartbeat
        eventually("it is heard", lambda: [s.last_heartbeat for s in app.storage.servers()] > [heard])
        assert [server.id for server in app.storage.servers()] == [server.id for server in before]
    assert app.storage.servers() == []


def test_who_listens_by_our_driver_is_told_of_new_jobs(app: JobRunr, url: URL) -> None:
    assert app.storage.counts()
    with SqlStorageProvider(url.set(drivername="postgresql+psycopg")) as listens, closing(watching(listens)) as listener:
        app.scheduler.enqueue(send_welcome, "ada@example.org")
        assert listener.wait(LONG)
