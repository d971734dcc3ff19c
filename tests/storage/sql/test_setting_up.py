"""Making, checking and changing the tables."""

from __future__ import annotations

import multiprocessing
import re
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

from jobrunr.errors import SchemaMissingError, SchemaNewerError, StorageSetupError, TableMissingError
from jobrunr.storage.contract import JobQuery, LogLine, RunRecord
from jobrunr.storage.sql import SqlStorageProvider, migration_sql
from jobrunr.storage.sql.migrations import revisions, running
from jobrunr.testing.factories import announced, claim_of, enqueued, present, processing, registered, written
from jobrunr.transitions import succeed

PROCESSES = 10


@contextmanager
def engine_of(url: URL) -> Iterator[Engine]:
    engine = create_engine(url, poolclass=NullPool)
    yield engine
    engine.dispose()


def set_up_and_enqueue(url: str, start: multiprocessing.synchronize.Barrier) -> None:
    """What each of many processes does that start at once."""
    start.wait(timeout=50)
    with SqlStorageProvider(url) as storage:
        storage.set_up()
        enqueued(storage)


def as_text(url: URL) -> str:
    return url.render_as_string(hide_password=False)


class TestTables:
    def test_ten_processes_that_start_at_once_on_an_empty_database_all_come_up(self, empty_database: URL) -> None:
        server = multiprocessing.get_context("forkserver")  # which imports everything once, for all of them
        server.set_forkserver_preload([__name__, running.__name__])
        start = server.Barrier(PROCESSES)
        processes = [
            server.Process(target=set_up_and_enqueue, args=(as_text(empty_database), start)) for _ in range(PROCESSES)
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

    def test_jobs_of_an_older_version_are_found_by_their_labels(self, empty_database: URL) -> None:
        with SqlStorageProvider(empty_database, table_prefix="shop_") as storage, engine_of(empty_database) as engine:
            storage.set_up()
            labels = ("mail", 'say "größe" \\ \x01', "x" * 150)
            jobs = [enqueued(storage, labels=labels[:count]) for count in range(4)]
            damaged = ["[", "{}", "null", '["a",]', '["a" "b"]', "größe", "[1]", '["\\ud800"]']
            others = [enqueued(storage, labels=("mail",)) for _ in damaged]
            with engine.begin() as connection:
                connection.exec_driver_sql("DELETE FROM shop_job_labels")
                connection.exec_driver_sql("UPDATE shop_alembic_version SET version_num = '0002'")
                for job, wrong in zip(others, damaged, strict=True):
                    statement = text("UPDATE shop_jobs SET labels = :labels WHERE id = :id")
                    connection.execute(statement, {"labels": wrong, "id": str(job.id)})

            storage.set_up()

            for count, label in enumerate(labels, start=1):
                found = storage.find(JobQuery(label=label))
                assert {job.id for job in found} == {job.id for job in jobs[count:]}

    def test_who_runs_goes_on_over_tables_of_a_newer_version(self, empty_database: URL) -> None:
        with SqlStorageProvider(empty_database) as storage, engine_of(empty_database) as engine:
            storage.set_up()
            server = announced(storage)
            with engine.begin() as connection:
                for table in ("jobs", "recurring_jobs", "background_job_servers", "job_logs", "metadata"):
                    connection.exec_driver_sql(f"ALTER TABLE jobrunr_{table} ADD COLUMN weather VARCHAR(20)")
                connection.exec_driver_sql("UPDATE jobrunr_alembic_version SET version_num = '9999'")

            job = processing(storage, server)
            storage.append([RunRecord(claim=claim_of(job), logs=(LogLine(1, 0, storage.now(), 20, "fine"),), data={})])
            written(storage, succeed(job, storage.now(), "17"))

            assert present(storage, job).result == 17
            assert [line.message for line in storage.logs(job.id)] == ["fine"]
            assert registered(storage).id in {found.id for found in storage.find_recurring(10)}
            assert [record.id for record in storage.heartbeat(server)] == [server.id]

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
        """On MariaDB, where a schema is a database, it is another one on the same server, and must be there."""
        kind = empty_database.get_backend_name()
        if kind == "sqlite":
            with pytest.raises(StorageSetupError, match="no schemas"):
                SqlStorageProvider(empty_database, schema="jobs")
            assert not Path(str(empty_database.database)).exists()
            return
        schema = f"{empty_database.database}_jobs"[:31]
        with SqlStorageProvider(empty_database, schema=schema) as storage, engine_of(empty_database) as engine:
            if kind != "postgresql":
                with pytest.raises(StorageSetupError, match=f"no database '{schema}'.*CREATE DATABASE"):
                    storage.set_up()
                with engine.begin() as connection:
                    connection.exec_driver_sql(f"CREATE DATABASE {schema}")
            storage.set_up()
            storage.set_up(migrate=False)
            job = enqueued(storage)
            with engine.begin() as connection:
                found = connection.execute(text(f"SELECT name FROM {schema}.jobrunr_jobs")).scalars().all()
                if kind != "postgresql":
                    connection.exec_driver_sql(f"DROP SCHEMA {schema}")
            assert found == [job.name]


class TestChecking:
    @pytest.fixture(params=["postgresql", "mariadb"])
    def server(self, request: pytest.FixtureRequest) -> URL:
        url: URL = request.getfixturevalue(request.param)
        return url

    def test_missing_tables_are_not_made_when_that_is_not_wanted(self, empty_database: URL) -> None:
        with SqlStorageProvider(empty_database) as storage, engine_of(empty_database) as engine:
            with pytest.raises(SchemaMissingError, match="do not exist"):
                storage.set_up(migrate=False)
            with engine.connect() as connection:
                assert inspect(connection).get_table_names() == []

    def test_a_file_is_not_made_by_looking_for_tables(self, tmp_path: Path) -> None:
        file = tmp_path / "jobs.db"
        with SqlStorageProvider(f"sqlite:///{file}") as storage, pytest.raises(SchemaMissingError):
            storage.set_up(migrate=False)
        assert not file.exists()

    @pytest.mark.parametrize("noun", ["jobs", "metadata"])
    def test_a_table_that_was_dropped_is_missed_at_start_and_at_work(self, empty_database: URL, noun: str) -> None:
        with SqlStorageProvider(empty_database) as storage, engine_of(empty_database) as engine:
            storage.set_up()
            with engine.begin() as connection:
                connection.exec_driver_sql(f"DROP TABLE jobrunr_{noun}")
            work = {"jobs": lambda: enqueued(storage), "metadata": lambda: storage.put_metadata("a", "b")}[noun]
            for attempt in (storage.set_up, lambda: storage.set_up(migrate=False), work):
                with pytest.raises(TableMissingError, match=f"jobrunr_{noun}.*backup"):
                    attempt()

    def test_a_file_that_is_no_database_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "jobs.py").write_text("print('hello')\n" * 100)
        refusal = pytest.raises(StorageSetupError, match=r"jobs\.py refuses us: file is not a database")
        with SqlStorageProvider(f"sqlite:///{tmp_path}/jobs.py") as storage, refusal:
            storage.set_up()

    @pytest.mark.parametrize("change", [{"database": "no_such_one"}, {"username": "nobody_here"}])
    def test_a_database_or_user_that_does_not_exist_is_a_matter_of_set_up(self, server: URL, change: dict[str, str]) -> None:
        with SqlStorageProvider(server.set(**change)) as storage, pytest.raises(StorageSetupError, match="refuses us"):
            storage.set_up()

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
        schema = None if dialect == "sqlite" else "jobs"
        dot = "" if schema is None else "jobs."
        printed = migration_sql(dialect, table_prefix="shop_", schema=schema)
        assert f"CREATE TABLE {dot}shop_jobs" in printed
        assert "shop_jobs_by_state ON " in printed
        assert f"INSERT INTO {dot}shop_alembic_version" in printed
        assert "VALUES ('0001')" in printed
        assert "RETURNING" not in printed

    @pytest.mark.parametrize(
        ("dialect", "schema", "says"),
        [
            ("postgresql", "jobs", r"\ACREATE SCHEMA IF NOT EXISTS jobs;"),
            ("mssql", None, r"\ASET QUOTED_IDENTIFIER ON;\s+GO\s"),
            ("oracle", None, r"\n\s+past CLOB,? *\n"),
        ],
    )
    def test_the_sql_fits_its_database(self, dialect: str, schema: str | None, says: str) -> None:
        assert re.search(says, migration_sql(dialect, schema=schema))

    def test_there_is_no_sql_for_a_schema_where_there_are_none(self) -> None:
        with pytest.raises(StorageSetupError, match="no schemas"):
            migration_sql("sqlite", schema="jobs")

    def test_revisions_only_add_so_that_who_runs_goes_on(self) -> None:
        """A new column has to be one that an older version may leave out."""
        printed = migration_sql("postgresql")
        changes = re.findall(r"^ALTER TABLE \w+ (.+);$", printed, re.MULTILINE)
        assert changes
        assert not [change for change in changes if not re.fullmatch(r"ADD COLUMN \w+ \w+(\(\d+\))?", change)]
        assert not re.search(r"^\s*(DROP|RENAME|TRUNCATE)\b", printed, re.MULTILINE)

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
