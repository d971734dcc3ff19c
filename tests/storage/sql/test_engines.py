"""URLs, engines of the application, and places for a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL, Engine, NullPool, create_engine, event, make_url

from jobrunr.errors import MissingDriverError, StorageSetupError
from jobrunr.storage.contract import JobQuery
from jobrunr.storage.sql import SqlStorageProvider
from jobrunr.storage.sql.dialects import pymysql_deadlines
from jobrunr.storage.sql.dialects.sqlite import check_place
from jobrunr.testing.factories import a_job, announced, enqueued
from tests.storage.conftest import DROP_POSTGRESQL, POSTGRESQL, new_database


class TestUrls:
    @pytest.mark.parametrize(
        ("url", "driver"),
        [
            ("postgresql://db/shop", "psycopg"),
            ("postgres://db/shop", "psycopg"),
            ("mysql://db/shop", "pymysql"),
            ("mariadb://db/shop", "pymysql"),
            ("mariadb+pymysql://db/shop", "pymysql"),
        ],
    )
    def test_a_plain_url_gets_our_driver(self, url: str, driver: str) -> None:
        with SqlStorageProvider(url) as storage:
            assert storage._dialect.engine.dialect.driver == driver

    def test_a_driver_that_is_not_there_is_named_with_what_to_install(self) -> None:
        with pytest.raises(MissingDriverError, match=r"jobrunr\[postgresql\]"):
            SqlStorageProvider("postgresql+pg8000://db/shop")

    @pytest.mark.parametrize("url", ["oracle://db/shop", "mongodb://db/shop", "nonsense://"])
    def test_a_database_that_is_none_of_ours_is_refused(self, url: str) -> None:
        with pytest.raises(StorageSetupError, match="cannot be kept"):
            SqlStorageProvider(url)

    def test_a_password_that_takes_another_package_is_no_riddle(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def connect(*_: object, **__: object) -> None:
            raise RuntimeError("'cryptography' package is required for caching_sha2_password")  # as PyMySQL does

        monkeypatch.setattr(pymysql_deadlines, "DeadlineConnection", connect)
        with (
            SqlStorageProvider("mysql://ada:s3cret@db/shop") as storage,
            pytest.raises(StorageSetupError, match=r"cryptography.*pip install 'pymysql\[rsa\]'"),
        ):
            storage.set_up()

    def test_a_url_that_cannot_be_read_is_refused_without_showing_it(self) -> None:
        with pytest.raises(StorageSetupError) as caught:
            SqlStorageProvider("postgresql//ada:s3cret@db")
        assert "s3cret" not in f"{caught.value!r} {caught.value.__cause__!r}"
        assert "sqlite:///jobs.db" in str(caught.value)


class TestDatabases:
    def test_an_encoding_that_cannot_hold_any_text_is_refused(self) -> None:
        plain = "ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
        with new_database(POSTGRESQL, DROP_POSTGRESQL) as url:
            make_anew(url, plain)
            with SqlStorageProvider(url) as storage, pytest.raises(StorageSetupError, match="SQL_ASCII"):
                storage.set_up()

    @pytest.mark.parametrize(
        ("kind", "version", "wanted"), [("MariaDB", (10, 5, 29), "10.6"), ("MySQL", (8, 0, 16), "8.0.17")]
    )
    def test_a_version_that_knows_too_little_is_refused(self, kind: str, version: tuple[int, ...], wanted: str) -> None:
        old: Any = SimpleNamespace(is_mariadb=kind == "MariaDB", server_version_info=version)
        connection: Any = SimpleNamespace(dialect=old)
        found = ".".join(map(str, version))
        with (
            SqlStorageProvider("mysql://db/shop") as storage,
            pytest.raises(StorageSetupError, match=f"This is {kind} {found}; {kind} {wanted} or newer is needed"),
        ):
            storage._dialect.check(connection)

    def test_moments_of_a_claimed_job_are_in_utc_whatever_the_zone_of_the_connection(self) -> None:
        with new_database(POSTGRESQL, DROP_POSTGRESQL) as url:
            tokyo = url.update_query_dict({"options": "-c timezone=Asia/Tokyo"})
            with SqlStorageProvider(tokyo) as storage:
                storage.set_up()
                storage.insert([a_job(), a_job()])
                server = announced(storage)
                jobs = storage.for_servers().claim(server.id, server.name, 2)
                stored = {job.id: job for job in storage.find(JobQuery()).jobs}
        assert [job.created_at.tzinfo for job in jobs] == [UTC, UTC]
        assert {job.id: job for job in jobs} == stored

    def test_who_binds_parameters_at_the_client_can_claim(self) -> None:
        with new_database(POSTGRESQL, DROP_POSTGRESQL) as url:
            engine = create_engine(url, connect_args={"cursor_factory": psycopg.ClientCursor})
            with SqlStorageProvider(engine) as storage:
                storage.set_up()
                storage.insert([a_job()])
                server = announced(storage)
                (job,) = storage.for_servers().claim(server.id, server.name, 2)
                assert storage.get(job.id) == job
            engine.dispose()


def make_anew(url: URL, options: str) -> None:
    """Make a database once more, in another way."""
    engine = create_engine(POSTGRESQL, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(DROP_POSTGRESQL.format(url.database))
        connection.exec_driver_sql(f"CREATE DATABASE {url.database} {options}")


class TestPlacesForAFile:
    @pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"])
    def test_a_database_in_memory_is_refused(self, url: str) -> None:
        with pytest.raises(StorageSetupError, match="memory://"):
            SqlStorageProvider(url)

    def test_an_engine_in_memory_is_refused(self) -> None:
        engine = create_engine("sqlite://")
        with SqlStorageProvider(engine) as storage, pytest.raises(StorageSetupError, match="memory://"):
            storage.set_up()
        engine.dispose()

    def test_a_folder_that_does_not_exist_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(StorageSetupError, match=f"folder {tmp_path}/nowhere .* does not exist"):
            SqlStorageProvider(f"sqlite:///{tmp_path}/nowhere/jobs.db")

    @pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p", "ceph"])
    def test_a_network_file_system_is_refused(self, tmp_path: Path, kind: str) -> None:
        mounts = f"/dev/sda / ext4 rw 0 0\nserver:/export {tmp_path} {kind} rw 0 0\n"
        with pytest.raises(StorageSetupError, match=f"network file system .{kind}."):
            check_place(make_url(f"sqlite:///{tmp_path}/jobs.db"), mounts)

    @pytest.mark.parametrize(
        "mounts",
        [
            "server:/ / nfs rw 0 0\n/dev/sda {} ext4 rw 0 0\n",
            "server:/ {} nfs rw 0 0\n/dev/sda {} ext4 rw 0 0\n",
            "server:/ {}-other nfs rw 0 0\n",
            "nonsense\n",
            "",
        ],
    )
    def test_a_local_disk_is_not(self, tmp_path: Path, mounts: str) -> None:
        check_place(make_url(f"sqlite:///{tmp_path}/jobs.db"), mounts.replace("{}", str(tmp_path)))

    def test_a_mount_point_with_a_space_is_found(self, tmp_path: Path) -> None:
        folder = tmp_path / "my files"
        folder.mkdir()
        mounts = f"server:/ {str(folder).replace(' ', chr(92) + '040')} nfs rw 0 0\n"
        with pytest.raises(StorageSetupError, match="network"):
            check_place(make_url(f"sqlite:///{folder}/jobs.db"), mounts)


def as_sqlalchemy_makes_it(engine: Engine) -> None:
    """The driver begins transactions on its own, when it sees a need."""


def as_sqlalchemy_recommends(engine: Engine) -> None:
    """SQLAlchemy begins transactions, with a plain BEGIN."""

    @event.listens_for(engine, "connect")
    def leave_it_to_us(connection: Any, record: object) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")


class TestEnginesOfTheApplication:
    @pytest.fixture(params=[as_sqlalchemy_makes_it, as_sqlalchemy_recommends])
    def engine(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
        engine = create_engine(f"sqlite:///{tmp_path}/jobs.db", connect_args={"timeout": 0.05})
        set_up: Callable[[Engine], None] = request.param
        set_up(engine)
        yield engine
        engine.dispose()

    def test_writers_stand_in_line_whatever_the_driver_does(self, engine: Engine) -> None:
        with SqlStorageProvider(engine) as storage, SqlStorageProvider(engine) as other:
            storage.set_up()

            def insert_some(storage: SqlStorageProvider) -> None:
                for _ in range(20):
                    storage.insert([a_job(), a_job()])

            with ThreadPoolExecutor(4) as threads:
                list(threads.map(insert_some, [storage, other] * 2))

            assert sum(storage.counts().values()) == 160

    def test_a_transaction_that_fails_leaves_nothing(self, engine: Engine) -> None:
        with SqlStorageProvider(engine) as storage:
            storage.set_up()
            with pytest.raises(UnicodeEncodeError):
                storage.insert([a_job(), a_job(name="\ud800")])
            assert sum(storage.counts().values()) == 0

    def test_an_engine_stays_open_and_as_it_is(self, empty_database: URL) -> None:
        engine = create_engine(empty_database)
        with SqlStorageProvider(engine) as storage:
            storage.set_up()
            server, job = announced(storage), enqueued(storage)
            assert [claim.id for claim in storage.claim(server.id, server.name, 1)] == [job.id]
        before = engine.pool.checkedin()
        assert before > 0
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE mine (x INT)")
        with engine.connect() as connection:  # our ways with transactions are not the application's
            connection.exec_driver_sql("INSERT INTO mine VALUES (1)")
            connection.rollback()
            assert connection.exec_driver_sql("SELECT COUNT(*) FROM mine").scalar_one() == 0
        engine.dispose()
