"""Jobs inside the transaction of a driver's own connection: `scheduler.bind`."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import psycopg.rows
import pymysql
import pymysql.cursors
import pytest
from sqlalchemy import URL, Engine

from jobrunr import JobId, JobRunr, JobState
from jobrunr.errors import BindError, RecurringJobNotFoundError, TableMissingError
from jobrunr.storage.sql import SqlStorageProvider
from jobrunr.testing.contract.waking import LONG
from tests.server import jobs
from tests.storage.sql.on_each_database import OnEachDatabase, is_there, orders, renamed


def connect(url: URL, **options: Any) -> Any:
    """As an application may do it that likes its rows as dictionaries."""
    kind = url.get_backend_name()
    if kind == "sqlite":
        bare = sqlite3.connect(str(url.database), **options)
        bare.row_factory = lambda cursor, row: {"row": row}
        return bare
    if kind == "postgresql":
        return psycopg.connect(
            host=url.host,
            port=url.port,
            user=url.username,
            dbname=url.database,
            row_factory=psycopg.rows.dict_row,
            **options,
        )
    return pymysql.connect(
        host=url.host,
        port=url.port or 3306,
        user=url.username,
        database=url.database,
        cursorclass=pymysql.cursors.DictCursor,
        **options,
    )


def order(bare: Any, number: int = 1) -> None:
    bare.cursor().execute(f"INSERT INTO orders VALUES ({number})")


class WithBareConnections(OnEachDatabase):
    @pytest.fixture
    def bare(self, app: JobRunr, url: URL, engine: Engine) -> Iterator[Any]:
        assert app.storage  # it is set up from here on
        with closing(connect(url)) as bare:
            yield bare


class TestWhatIsWritten(WithBareConnections):
    def test_a_job_is_there_from_the_commit_on(self, app: JobRunr, engine: Engine, bare: Any) -> None:
        order(bare)
        bound = app.scheduler.options(queue="mail", labels=["import"]).bind(bare)
        job_id = bound.enqueue(jobs.add, 1, 2)
        assert bound.get(job_id).state is JobState.ENQUEUED
        assert not is_there(app.scheduler, job_id)
        bare.commit()
        job = app.scheduler.get(job_id)
        assert (job.queue, job.labels) == ("mail", ("import",))
        assert orders(engine) == [1]

    def test_one_transaction_comes_after_the_other(self, app: JobRunr, engine: Engine, bare: Any) -> None:
        bound = app.scheduler.bind(bare)
        ids: list[JobId] = []
        for end in (bare.commit, bare.rollback, bare.commit):
            ids.append(bound.enqueue(jobs.add, 1, 2))
            order(bare, len(ids))
            end()
        assert [is_there(app.scheduler, job_id) for job_id in ids] == [True, False, True]
        assert orders(engine) == [1, 3]

    def test_all_that_writes_counts_from_the_commit_on(self, app: JobRunr, bare: Any) -> None:
        old = [app.scheduler.schedule(timedelta(hours=1), jobs.add, 1, 2) for _ in range(3)]
        before = [app.scheduler.get(job_id) for job_id in old]
        for end in ("rollback", "commit"):
            bound = app.scheduler.bind(bare)
            ids = [bound.schedule(timedelta(hours=1), jobs.add, 1, 2), *bound.enqueue_many(jobs.add, [(1, 2), (3, 4)])]
            bound.options(id="nightly").schedule_recurrently("0 3 * * *", jobs.add, 1, 2)
            ids.append(bound.recurring.trigger("nightly"))
            bound.delete(old[0])
            bound.requeue(old[1])
            bound.reschedule(old[2], timedelta(hours=2))
            assert not any(is_there(app.scheduler, job_id) for job_id in ids)
            assert [app.scheduler.get(job_id) for job_id in old] == before
            with pytest.raises(RecurringJobNotFoundError):
                app.scheduler.recurring.get("nightly")
            getattr(bare, end)()
            assert all(is_there(app.scheduler, job_id) for job_id in ids) == (end == "commit")
        after = [app.scheduler.get(job_id).state for job_id in old]
        assert after == [JobState.DELETED, JobState.ENQUEUED, JobState.SCHEDULED]

    def test_a_savepoint_that_is_rolled_back_takes_its_jobs_along(self, app: JobRunr, engine: Engine, bare: Any) -> None:
        order(bare)
        bound = app.scheduler.bind(bare)
        ids = [bound.enqueue(jobs.add, 1, 2)]
        bare.cursor().execute("SAVEPOINT own")
        ids.append(bound.enqueue(jobs.add, 3, 4))
        bare.cursor().execute("ROLLBACK TO SAVEPOINT own")
        ids.append(bound.enqueue(jobs.add, 5, 6))
        bare.commit()
        assert [is_there(app.scheduler, job_id) for job_id in ids] == [True, False, True]
        assert orders(engine) == [1]

    def test_an_error_of_the_database_leaves_the_transaction_as_it_was(
        self, app: JobRunr, storage: SqlStorageProvider, engine: Engine, bare: Any
    ) -> None:
        with renamed(engine, engine.dialect.identifier_preparer.quote(storage._dialect.tables.job_labels.name)):
            order(bare)
            bound = app.scheduler.bind(bare)
            with pytest.raises(TableMissingError):
                bound.options(labels=["import"]).enqueue(jobs.add, 1, 2)
            order(bare, 2)
            job_id = bound.enqueue(jobs.add, 3, 4)
            bare.commit()
        assert orders(engine) == [1, 2]
        assert [job.id for job in app.scheduler.find()] == [job_id]

    def test_the_connection_is_as_it_was(self, app: JobRunr, bare: Any) -> None:
        app.scheduler.bind(bare).enqueue(jobs.add, 1, 2)
        bare.rollback()
        cursor = bare.cursor()
        cursor.execute("SELECT 1 AS one")
        assert isinstance(cursor.fetchone(), dict)


class TestWakingUp(WithBareConnections):
    def test_who_waits_wakes_after_the_commit(self, app: JobRunr, bare: Any) -> None:
        with closing(app.storage.listener()) as listener:
            app.scheduler.bind(bare).enqueue(jobs.add, 1, 2)
            bare.commit()
            assert listener.wait(LONG)


class TestKindsOfTransactions:
    @contextmanager
    def orders_in(self, ready_file: Path) -> Iterator[JobRunr]:
        with JobRunr(f"sqlite:///{ready_file}") as app:
            assert app.storage
            yield app

    def test_on_sqlite_one_that_is_begun_by_hand_is_used(self, ready_file: Path) -> None:
        with self.orders_in(ready_file) as app, closing(sqlite3.connect(ready_file, isolation_level=None)) as bare:
            with pytest.raises(BindError, match="AUTOCOMMIT"):
                app.scheduler.bind(bare).enqueue(jobs.add, 1, 2)
            bare.execute("BEGIN")
            job_id = app.scheduler.bind(bare).enqueue(jobs.add, 1, 2)
            bare.execute("ROLLBACK")
            assert not is_there(app.scheduler, job_id)

    @pytest.mark.skipif(sys.version_info < (3, 12), reason="there is no such attribute")
    def test_on_sqlite_the_attribute_autocommit_is_heeded(self, ready_file: Path) -> None:
        with self.orders_in(ready_file) as app:
            with closing(sqlite3.connect(ready_file, autocommit=True)) as bare, pytest.raises(BindError, match="AUTOCOMMIT"):
                app.scheduler.bind(bare)
            with closing(sqlite3.connect(ready_file, autocommit=False)) as bare:
                job_id = app.scheduler.bind(bare).enqueue(jobs.add, 1, 2)
                assert not is_there(app.scheduler, job_id)
                bare.commit()
                assert is_there(app.scheduler, job_id)

    def test_one_in_memory(self, ready_file: Path) -> None:
        refused = pytest.raises(BindError, match=r"memory.*, and jobs are kept in")
        with JobRunr(f"sqlite:///{ready_file}") as app, closing(sqlite3.connect(":memory:")) as bare, refused:
            app.scheduler.bind(bare)


class TestOnPostgresql(WithBareConnections):
    @pytest.fixture
    def url(self, postgresql: URL) -> URL:
        return postgresql

    def test_a_block_on_a_connection_that_else_commits_every_statement(self, app: JobRunr, url: URL) -> None:
        assert app.storage
        with closing(connect(url, autocommit=True)) as bare:
            with pytest.raises(BindError, match="AUTOCOMMIT"):
                app.scheduler.bind(bare)
            with bare.transaction():
                job_id = app.scheduler.bind(bare).enqueue(jobs.add, 1, 2)
                assert not is_there(app.scheduler, job_id)
            assert is_there(app.scheduler, job_id)

    def test_what_waits_for_its_loop_is_refused(self, app: JobRunr, url: URL) -> None:
        async def use() -> None:
            async with await psycopg.AsyncConnection.connect(
                host=url.host, port=url.port or 5432, user=url.username, dbname=url.database
            ) as connection:
                with pytest.raises(BindError, match="AsyncSession"):
                    app.async_scheduler.bind(connection)
                with pytest.raises(BindError, match="has no transaction that jobs can be part of"):
                    app.scheduler.bind(connection)

        asyncio.run(use())


class TestRefusals(WithBareConnections):
    def test_one_to_another_database(self, app: JobRunr, url: URL, tmp_path: Path, engine: Engine) -> None:
        name = {"sqlite": str(tmp_path / "other.db"), "postgresql": "postgres"}.get(url.get_backend_name(), "mysql")
        with closing(connect(url.set(database=name))) as bare, pytest.raises(BindError, match="and jobs are kept in"):
            app.scheduler.bind(bare)

    def test_one_of_another_driver(self, app: JobRunr, url: URL) -> None:
        if url.get_backend_name() == "sqlite":
            pytest.skip("it is that of the other one")
        with closing(sqlite3.connect(":memory:")) as bare, pytest.raises(BindError, match="a storage by"):
            app.scheduler.bind(bare)
