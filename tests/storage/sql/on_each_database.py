"""An application that has a table of its own beside ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import URL, Connection, Engine, create_engine, text
from sqlalchemy.orm import Session

from jobrunr import JobId, JobRunr, JobScheduler
from jobrunr.errors import JobNotFoundError
from jobrunr.storage.contract import StorageProvider
from jobrunr.storage.sql import SqlStorageProvider
from jobrunr.storage.sql.waking import Watcher
from tests.storage.sql_contract import SqlFixtures


class OnEachDatabase(SqlFixtures):
    """An application with a table of its own beside ours, and an engine of its own."""

    @pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
    def url(self, request: pytest.FixtureRequest) -> URL:
        url: URL = request.getfixturevalue(request.param)
        return url

    @pytest.fixture
    def app(self, storage: StorageProvider) -> JobRunr:
        return JobRunr(storage)

    @pytest.fixture
    def engine(self, url: URL) -> Iterator[Engine]:
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE orders (id INTEGER PRIMARY KEY)"))
        yield engine
        with engine.begin() as connection:
            connection.execute(text("DROP TABLE orders"))
        engine.dispose()


@contextmanager
def renamed(engine: Engine, table: str) -> Iterator[None]:
    """A table, quoted, is not there for the duration of a block."""
    with engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {table} RENAME TO elsewhere"))
    try:
        yield
    finally:
        with engine.begin() as connection:
            connection.execute(text(f"ALTER TABLE elsewhere RENAME TO {table}"))


def deaf(storage: SqlStorageProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, its watcher notices nothing."""
    monkeypatch.setattr(storage._wake_ups, "_make_watcher", _Deaf)


class _Deaf(Watcher):
    def watch(self) -> None:
        self.stopped.wait()


def order(transaction: Session | Connection, number: int = 1) -> None:
    transaction.execute(text("INSERT INTO orders VALUES (:number)"), {"number": number})


def orders(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT id FROM orders ORDER BY id")).scalars())


def is_there(scheduler: JobScheduler, job_id: JobId) -> bool:
    try:
        scheduler.get(job_id)
    except JobNotFoundError:
        return False
    return True
