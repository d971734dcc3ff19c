"""SQLite, held to the storage law."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.storage.sql_contract import SqlContract


class TestSqlite(SqlContract):
    @pytest.fixture
    def url(self, tmp_path: Path) -> URL:
        return URL.create("sqlite", database=str(tmp_path / "jobs.db"))
