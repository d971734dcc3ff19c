"""What the SQL databases share when they are held to the storage law."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest
from sqlalchemy import URL, Table, bindparam, text
from sqlalchemy.exc import DBAPIError

from jobrunr.storage.contract import StorageProvider
from jobrunr.storage.sql import SqlStorageProvider
from jobrunr.testing.clock import TestClock
from jobrunr.testing.contract import StorageContract
from jobrunr.testing.contract.base import Contract

COLUMNS = {"labels_json": "labels", "extras_json": "extras", "by": "actor"}
"""Columns that have another name than the field they hold."""


class SqlFixtures(Contract):
    """A SQL database for chapters of the storage law. Subclass it, and give it a fixture ``url``."""

    @pytest.fixture
    def url(self) -> URL:
        raise NotImplementedError

    @pytest.fixture
    def storage(self, clock: TestClock, url: URL) -> Iterator[StorageProvider]:
        with SqlStorageProvider(url, clock=clock) as storage:
            storage.set_up()
            yield storage
            remove_everything(storage)

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
