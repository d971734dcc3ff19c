"""Making, checking and changing the tables."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, inspect, text

from jobrunr.errors import SchemaMissingError, SchemaNewerError, StorageSetupError
from jobrunr.storage.sql import SqlStorageProvider, migration_sql
from jobrunr.storage.sql.migrations import revisions, running
from jobrunr.testing.factories import enqueued

PROCESSES = 10


@contextmanager
def engine_of(url: URL) -> Iterator[Engine]:
    engine = create_engine(url, poolclass=NullPool)
    yield engine
    engine.dispose()


def set_up_and_enqueue(url: str, start: multiprocessing.synchronize.Barrier) -> None:
    """What each of many processes does that start at once."""
    start.wait(timeout=150)
    with SqlStorageProvider(url) as storage:
        storage.set_up()
        enqueued(storage)


def as_text(url: URL) -> str:
    return url.render_as_string(hide_password=False)


class TestTables:
    @pytest.mark.timeout(180)  # ten interpreters start at once, on a machine that may have two cores
    def test_ten_processes_that_start_at_once_on_an_empty_database_all_come_up(self, empty_database: URL) -> None:
        spawn = multiprocessing.get_context("spawn")
        start = spawn.Barrier(PROCESSES)
        processes = [
            spawn.Process(target=set_up_and_enqueue, args=(as_text(empty_database), start)) for _ in range(PROCESSES)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join()

        assert [process.exitcode for process in processes] == [0] * PROCESSES
        with SqlStorageProvider(empty_database) as storage:
            assert sum(storage.counts().values()) == PROCESSES

    def test_the_revisions_lead_to_the_tables_that_the_provider_knows(self, empty_database: URL) -> None:
        with SqlStorageProvider(empty_database, table_prefix="shop_") as storage, engine_of(empty_database) as engine:
            storage.set_up()
            tables = storage._dialect.tables
            with engine.connect() as connection:
                context = MigrationContext.configure(connection, opts={"version_table": "shop_alembic_version"})
                differences = compare_metadata(context, tables.metadata)
                # Alembic before 1.14 takes it for a difference that a database without IDENTITY has none.
                assert [change for change in differences if "Identity" not in repr(change)] == []
                assert indexes(connection, "shop_jobs") == {str(index.name) for index in tables.jobs.indexes}

    def test_setting_up_again_starts_no_migration(self, empty_database: URL) -> None:
        with SqlStorageProvider(empty_database) as storage:
            storage.set_up()
        url = as_text(empty_database)
        program = (
            "import sys; from jobrunr.storage.sql import SqlStorageProvider\n"
            f"with SqlStorageProvider({url!r}) as storage: storage.set_up()\n"
            "assert 'alembic' not in sys.modules"
        )
        subprocess.run([sys.executable, "-c", program], check=True, timeout=50)

    def test_a_migration_that_was_killed_goes_on(self, empty_database: URL) -> None:
        with SqlStorageProvider(empty_database) as storage, engine_of(empty_database) as engine:
            storage.set_up()
            with engine.begin() as connection:  # as a database without transactions around DDL is left in the middle
                connection.exec_driver_sql("DELETE FROM jobrunr_alembic_version")
                connection.exec_driver_sql("DROP TABLE jobrunr_metadata")
                on_table = " ON jobrunr_jobs" if engine.dialect.name in {"mysql", "mariadb"} else ""
                connection.exec_driver_sql(f"DROP INDEX jobrunr_jobs_by_state{on_table}")
            job = enqueued(storage)

            storage.set_up()

            assert storage.put_metadata("a", "b") == "b"
            assert storage.get(job.id) == job
            with engine.connect() as connection:
                assert "jobrunr_jobs_by_state" in indexes(connection, "jobrunr_jobs")

    def test_a_prefix_and_another_are_two_storages(self, empty_database: URL) -> None:
        with (
            SqlStorageProvider(empty_database, table_prefix="a_") as one,
            SqlStorageProvider(empty_database, table_prefix="b_") as other,
        ):
            one.set_up()
            other.set_up()
            job = enqueued(one)

            assert one.get(job.id) == job
            assert other.get(job.id) is None

    def test_a_schema_of_ones_own_is_made_and_used(self, empty_database: URL) -> None:
        schema = f"{empty_database.database}_jobs" if empty_database.get_backend_name() == "mariadb" else "jobs"
        with SqlStorageProvider(empty_database, schema=schema[:31]) as storage, engine_of(empty_database) as engine:
            if empty_database.get_backend_name() == "sqlite":
                with pytest.raises(StorageSetupError, match="no schemas"):
                    storage.set_up()
                return
            storage.set_up()
            storage.set_up(migrate=False)
            job = enqueued(storage)
            with engine.begin() as connection:
                found = connection.execute(text(f"SELECT name FROM {schema[:31]}.jobrunr_jobs")).scalars().all()
                if engine.dialect.name == "mariadb":
                    connection.exec_driver_sql(f"DROP SCHEMA {schema[:31]}")
            assert found == [job.name]


class TestChecking:
    def test_missing_tables_are_not_made_when_that_is_not_wanted(self, empty_database: URL) -> None:
        with SqlStorageProvider(empty_database) as storage, engine_of(empty_database) as engine:
            with pytest.raises(SchemaMissingError, match="do not exist"):
                storage.set_up(migrate=False)
            with engine.connect() as connection:
                assert inspect(connection).get_table_names() == []

    @pytest.mark.parametrize("migrate", [True, False])
    def test_tables_of_a_newer_version_are_refused(self, empty_database: URL, migrate: bool) -> None:
        with SqlStorageProvider(empty_database) as storage, engine_of(empty_database) as engine:
            storage.set_up()
            with engine.begin() as connection:
                connection.exec_driver_sql("UPDATE jobrunr_alembic_version SET version_num = '9999'")
            with pytest.raises(SchemaNewerError, match="9999"):
                storage.set_up(migrate=migrate)

    @pytest.mark.parametrize("name", ["a b", "a-b", "1a", 'a"; DROP TABLE x', "a" * 32, "ä", "a\n"])
    def test_a_prefix_or_schema_that_is_no_name_is_refused(self, name: str, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/jobs.db"
        with pytest.raises(StorageSetupError, match="table prefix"):
            SqlStorageProvider(url, table_prefix=name)
        with pytest.raises(StorageSetupError, match="schema"):
            SqlStorageProvider(url, schema=name)

    def test_the_known_revisions_are_those_in_the_folder(self) -> None:
        script = ScriptDirectory(str(Path(running.__file__).parent))
        in_order = [revision.revision for revision in reversed(list(script.walk_revisions()))]
        assert in_order == list(revisions.REVISIONS)
        assert script.get_heads() == [revisions.HEAD]


class TestPrinting:
    @pytest.mark.parametrize("dialect", ["postgresql", "mysql", "mariadb", "sqlite", "oracle", "mssql"])
    def test_the_sql_can_be_printed_without_a_database(self, dialect: str) -> None:
        printed = migration_sql(dialect, table_prefix="shop_", schema="jobs")
        assert "CREATE TABLE jobs.shop_jobs" in printed
        assert "shop_jobs_by_state ON " in printed
        assert "INSERT INTO jobs.shop_alembic_version" in printed
        assert "VALUES ('0001')" in printed
        assert "RETURNING" not in printed

    def test_there_is_no_sql_for_what_nobody_knows(self) -> None:
        with pytest.raises(StorageSetupError, match="dbase"):
            migration_sql("dbase")

    def test_what_is_printed_makes_the_tables(self, empty_database: URL) -> None:
        printed = migration_sql(empty_database.get_backend_name())
        with engine_of(empty_database) as engine, engine.begin() as connection:
            for statement in printed.replace("BEGIN;", "").replace("COMMIT;", "").split(";"):
                if statement.strip():
                    connection.exec_driver_sql(statement)
        with SqlStorageProvider(empty_database) as storage:
            storage.set_up(migrate=False)
            job = enqueued(storage)
            assert storage.get(job.id) == job


def indexes(connection: Connection, table: str) -> set[str]:
    return {str(index["name"]) for index in inspect(connection).get_indexes(table)}
