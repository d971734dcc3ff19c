"""PostgreSQL, held to the storage law."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import URL

from jobrunr.storage.contract import StorageProvider
from tests.storage.sql_contract import SqlContract


class TestPostgresql(SqlContract):
    @pytest.fixture
    def url(self, postgresql: URL) -> URL:
        return postgresql

    def damage(self, storage: StorageProvider, job_id: UUID, field: str, value: object) -> bool:
        if isinstance(value, bytes):
            return False  # text is text here; the driver would write bytes down as hexadecimal digits
        if field.endswith("_at"):
            value = "infinity"  # the one thing that is a moment here and none in Python; "yesterday" is understood
        return super().damage(storage, job_id, field, value)
