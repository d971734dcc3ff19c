"""What the SQL databases share when they are held to the storage law."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import URL, Table, bindparam, text
from sqlalchemy.exc import DBAPIError

from jobrunr import transitions
from jobrunr.jobs import JobExtras
from jobrunr.storage.contract import StorageProvider
from jobrunr.storage.sql import SqlStorageProvider
from jobrunr.storage.sql.job_documents import FIELD_NAMES
from jobrunr.testing.clock import TestClock
from jobrunr.testing.contract import StorageContract
from jobrunr.testing.contract.base import Contract
from jobrunr.testing.factories import a_job, announced, failed, written

COLUMNS = {field: column for column, field in FIELD_NAMES.items()}
"""Columns that have another name than the field they hold."""


class KeptStorages:
    """Providers that one test hands on to the next: to make one takes longer than most tests."""

    def __init__(self) -> None:
        self._kept: dict[URL, tuple[SqlStorageProvider, _Clocks]] = {}

    def get(self, url: URL, clock: TestClock) -> SqlStorageProvider:
        """The provider over a database, with the clock of the test."""
        if url not in self._kept:
            clocks = _Clocks(clock)
            self._kept[url] = SqlStorageProvider(url, clock=clocks), clocks
            self._kept[url][0].set_up()
        storage, clocks = self._kept[url]
        clocks.of_the_test = clock
        return storage

    def close(self) -> None:
        for storage, _ in self._kept.values():
            storage.close()


class _Clocks:
    """A clock that shows what the clock of the present test shows."""

    def __init__(self, clock: TestClock) -> None:
        self.of_the_test = clock

    def now(self) -> datetime:
        return self.of_the_test.now()


class SqlFixtures(Contract):
    """A SQL database for chapters of the storage law. Subclass it, and give it a fixture ``url``."""

    @pytest.fixture
    def url(self) -> URL:
        raise NotImplementedError

    @pytest.fixture
    def storage(self, clock: TestClock, url: URL, kept_storages: KeptStorages) -> Iterator[StorageProvider]:
        storage = kept_storages.get(url, clock)
        yield storage
        remove_everything(storage)
        assert not storage._wake_ups._listeners  # nothing of one test is left to the next
        storage._unanswered.clear()

    def another(self, storage: StorageProvider, clock: TestClock) -> StorageProvider:
        assert isinstance(storage, SqlStorageProvider)
        return SqlStorageProvider(storage._dialect.engine.url, clock=clock)

    def damage(self, storage: StorageProvider, job_id: UUID, field: str, value: object) -> bool:
        assert isinstance(storage, SqlStorageProvider)
        return overwrite(storage, storage._dialect.tables.jobs, job_id, COLUMNS.get(field, field), value)

    def damage_recurring(self, storage: StorageProvider, recurring_job_id: str, field: str, value: object) -> bool:
        assert isinstance(storage, SqlStorageProvider)
        return overwrite(storage, storage._dialect.tables.recurring_jobs, recurring_job_id, field, value)


class SqlContract(SqlFixtures, StorageContract):
    """The storage law on a SQL database. Subclass it, and give it a fixture ``url``."""

    @pytest.mark.parametrize("queues", [(), ("default", "other")])
    def test_rows_without_nonsense_are_claimed_the_quick_way(
        self, storage: StorageProvider, monkeypatch: pytest.MonkeyPatch, queues: tuple[str, ...]
    ) -> None:
        def refuse(*_: object) -> None:
            raise AssertionError("they are read with care")

        again = failed(storage, priority=2)
        written(storage, transitions.requeue(again, storage.now(), "by hand", actor="ada"))
        name = 'a "quoted" \\ name, \u0628 and \U0001f600'
        made = [a_job(), a_job(name=name, labels=("a", "b"), priority=3), a_job(queue="other")]
        made.append(a_job(extras=JobExtras(timeout=timedelta(seconds=3)), recurring_job_id="nightly"))
        storage.insert(made)
        server = announced(storage)
        monkeypatch.setattr("jobrunr.storage.sql.claiming.read_jobs", refuse)

        jobs = storage.claim(server.id, server.name, 10, queues)

        monkeypatch.undo()
        assert [job.priority for job in jobs] == [3, 2, 0, 0, 0]
        assert jobs == [storage.get(job.id) for job in jobs]


def overwrite(storage: SqlStorageProvider, table: Table, row_id: object, column: str, value: object) -> bool:
    """Write a value into a row, past all checks of ours; False when the database does not take it."""
    statement = text(f"UPDATE {table.name} SET {column} = :value WHERE id = :row_id")
    statement = statement.bindparams(bindparam("row_id", type_=table.c.id.type))
    try:
        with storage._dialect.engine.begin() as connection:
            connection.execute(statement, {"value": value, "row_id": row_id})
    except DBAPIError:
        return False
    return True


def remove_everything(storage: SqlStorageProvider) -> None:
    """Leave the tables as they were made."""
    with storage._dialect.engine.begin() as connection:
        for table in storage._dialect.tables.metadata.sorted_tables:
            connection.execute(table.delete())
