"""MariaDB, held to the storage law."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import URL

from jobrunr.storage.contract import StorageProvider
from jobrunr.storage.sql import SqlStorageProvider
from jobrunr.testing import factories
from tests.storage.sql_contract import SqlContract


class TestMariadb(SqlContract):
    @pytest.fixture
    def url(self, mariadb: URL) -> URL:
        return mariadb

    def damage(self, storage: StorageProvider, job_id: UUID, field: str, value: object) -> bool:
        assert isinstance(storage, SqlStorageProvider)
        if not field.endswith("_at"):
            return super().damage(storage, job_id, field, value)
        with (
            storage._dialect.engine.begin() as connection
        ):  # a moment that is none, as a server without strict mode takes it
            connection.exec_driver_sql("SET SESSION sql_mode = ''")
            connection.exec_driver_sql(
                f"UPDATE {storage._dialect.tables.jobs.name} SET {field} = '0000-00-00' WHERE id = %s", (str(job_id),)
            )
            connection.detach()
        return True

    def test_no_transaction_is_rolled_back_behind_its_commit(
        self, storage: StorageProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """That would be one more round trip for each, and a traceback in the log for each connection that was lost."""
        assert isinstance(storage, SqlStorageProvider)
        dialect, sent = storage._dialect.engine.dialect, []
        monkeypatch.setattr(dialect, "do_rollback", sent.append)

        storage.insert([factories.a_job()])

        assert sent == []
