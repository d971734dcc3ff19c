"""PostgreSQL, held to the storage law."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import URL

from jobrunr.storage.contract import StorageProvider
from tests.storage.sql_contract import SqlContract


class TestPostgresql(SqlContract):
    @pytest.fixture(autouse=True)
    def _no_pipelines(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Who is cut off in the middle of one keeps its locks, and no time-out of the database ends it."""

        def refuse(*_: object) -> None:
            raise AssertionError("several rows go into one statement")

        monkeypatch.setattr("psycopg.Cursor.executemany", refuse)

    @pytest.fixture
    def url(self, postgresql: URL) -> URL:
        return postgresql

    def damage(self, storage: StorageProvider, job_id: UUID, field: str, value: object) -> bool:
        if isinstance(value, bytes):
            return False  # text is text here; the driver would write bytes down as hexadecimal digits
        if field.endswith("_at"):
            value = "infinity"  # the one thing that is a moment here and none in Python; "yesterday" is understood
        return super().damage(storage, job_id, field, value)
