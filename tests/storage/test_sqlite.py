"""SQLite, held to the storage law."""

from __future__ import annotations

import pytest
from sqlalchemy import URL

from tests.storage.sql_contract import SqlContract


class TestSqlite(SqlContract):
    @pytest.fixture
    def url(self, sqlite: URL) -> URL:
        return sqlite
