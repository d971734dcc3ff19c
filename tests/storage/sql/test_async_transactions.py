"""Jobs inside the transaction of an event loop: `async_scheduler.bind`, with each async driver."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, Engine, create_engine, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from jobrunr import JobId, JobRunr, JobState, log_context
from jobrunr.errors import BindError, RecurringJobNotFoundError, TableMissingError
from jobrunr.storage.sql import SqlStorageProvider
from jobrunr.testing.contract.waking import LONG, SHORT
from tests.server import jobs
from tests.storage.sql.on_each_database import OnEachDatabase, deaf, is_there, orders, renamed

DRIVERS = ["sqlite by aiosqlite", "postgresql by psycopg", "postgresql by asyncpg", "mariadb by aiomysql"]

Connect = Callable[[], Any]


class WithEachDriver(OnEachDatabase):
    @pytest.fixture(params=DRIVERS)
    def driver(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def url(self, request: pytest.FixtureRequest, driver: str) -> URL:
        url: URL = request.getfixturevalue(driver.partition(" ")[0])
        return url

    @pytest.fixture
    def connect(self, url: URL, driver: str, engine: Engine) -> Connect:
        """Makes an async engine for the present loop, for the duration of a block. The table of orders is there."""

        @asynccontextmanager
        async def connect() -> AsyncIterator[AsyncEngine]:
            made = create_async_engine(url.set(drivername=f"{url.get_backend_name()}+{driver.rpartition(' ')[2]}"))
            try:
                yield made
            finally:
                await made.dispose()

        return connect


async def order(transaction: AsyncSession | AsyncConnection, number: int = 1) -> None:
    await transaction.execute(text("INSERT INTO orders VALUES (:number)"), {"number": number})


async def pairs(count: int) -> AsyncIterator[tuple[int, int]]:
    for number in range(count):
        yield number, number


class TestWhatIsWritten(WithEachDriver):
    def test_a_job_of_a_session_is_there_from_its_commit_on(self, app: JobRunr, engine: Engine, connect: Connect) -> None:
        async def use() -> JobId:
            async with connect() as own, AsyncSession(own) as session, session.begin():
                await order(session)
                with log_context(tenant="a"):
                    bound = app.async_scheduler.options(queue="mail").bind(session).options(labels=["import"])
                    job_id: JobId = await bound.enqueue(jobs.add, 1, 2)
                assert not is_there(app.scheduler, job_id)
                assert (await bound.get(job_id)).state is JobState.ENQUEUED
            return job_id

        job = app.scheduler.get(asyncio.run(use()))
        assert (job.queue, job.labels, dict(job.extras.log_context or {})) == ("mail", ("import",), {"tenant": "a"})
        assert orders(engine) == [1]

    def test_all_that_writes_counts_from_the_commit_on(self, app: JobRunr, connect: Connect) -> None:
        old = [app.scheduler.schedule(timedelta(hours=1), jobs.add, 1, 2) for _ in range(3)]
        before = [app.scheduler.get(job_id) for job_id in old]

        async def write(connection: AsyncConnection) -> list[JobId]:
            bound = app.async_scheduler.bind(connection)
            ids = [await bound.schedule(timedelta(hours=1), jobs.add, 1, 2)]
            ids += await bound.enqueue_many(jobs.add, pairs(3))
            ids += await bound.enqueue_many(jobs.add, [(1, 2)])
            await bound.options(id="nightly").schedule_recurrently("0 3 * * *", jobs.add, 1, 2)
            ids.append(await bound.recurring.trigger("nightly"))
            await bound.delete(old[0])
            await bound.requeue(old[1])
            await bound.reschedule(old[2], timedelta(hours=2))
            return ids

        async def use(end: str) -> list[JobId]:
            async with connect() as own, own.connect() as connection:
                ids = await write(connection)
                assert not any(is_there(app.scheduler, job_id) for job_id in ids)
                assert [app.scheduler.get(job_id) for job_id in old] == before
                await getattr(connection, end)()
                return ids

        rolled_back = asyncio.run(use("rollback"))
        assert not any(is_there(app.scheduler, job_id) for job_id in rolled_back)
        with pytest.raises(RecurringJobNotFoundError):
            app.scheduler.recurring.get("nightly")
        committed = asyncio.run(use("commit"))
        assert all(is_there(app.scheduler, job_id) for job_id in committed)
        after = [app.scheduler.get(job_id) for job_id in old]
        assert [job.state for job in after] == [JobState.DELETED, JobState.ENQUEUED, JobState.SCHEDULED]
        assert after[2].run_at != before[2].run_at

    def test_a_savepoint_that_is_rolled_back_takes_its_jobs_along(self, app: JobRunr, connect: Connect) -> None:
        async def use() -> list[JobId]:
            async with connect() as own, AsyncSession(own) as session, session.begin():
                bound = app.async_scheduler.bind(session)
                ids = [await bound.enqueue(jobs.add, 1, 2)]
                async with session.begin_nested() as savepoint:
                    ids.append(await bound.enqueue(jobs.add, 3, 4))
                    await savepoint.rollback()
                ids.append(await bound.enqueue(jobs.add, 5, 6))
            return ids

        assert [is_there(app.scheduler, job_id) for job_id in asyncio.run(use())] == [True, False, True]

    def test_an_error_of_the_database_leaves_the_transaction_as_it_was(
        self, app: JobRunr, storage: SqlStorageProvider, engine: Engine, connect: Connect
    ) -> None:
        labels = engine.dialect.identifier_preparer.quote(storage._dialect.tables.job_labels.name)

        async def use() -> JobId:
            async with connect() as own, AsyncSession(own) as session, session.begin():
                await order(session)
                bound = app.async_scheduler.bind(session)
                with pytest.raises(TableMissingError):
                    await bound.options(labels=["import"]).enqueue(jobs.add, 1, 2)
                await order(session, 2)
                return await bound.enqueue(jobs.add, 3, 4)

        assert app.storage is storage  # it is set up from here on
        with renamed(engine, labels):
            job_id = asyncio.run(use())
        assert orders(engine) == [1, 2]
        assert [job.id for job in app.scheduler.find()] == [job_id]


class TestWakingUp(WithEachDriver):
    @pytest.fixture(autouse=True)
    def no_watcher(self, storage: SqlStorageProvider, monkeypatch: pytest.MonkeyPatch) -> None:
        deaf(storage, monkeypatch)

    def test_who_waits_wakes_after_the_commit_and_not_after_a_rollback(self, app: JobRunr, connect: Connect) -> None:
        async def use(end: str) -> None:
            async with connect() as own, AsyncSession(own) as session:
                await app.async_scheduler.bind(session).enqueue(jobs.add, 1, 2)
                await getattr(session, end)()

        with closing(app.storage.listener()) as listener:
            asyncio.run(use("rollback"))
            assert not listener.wait(SHORT)
            asyncio.run(use("commit"))
            assert listener.wait(LONG)


class TestRefusals(WithEachDriver):
    def test_a_connection_that_commits_every_statement(self, app: JobRunr, connect: Connect) -> None:
        async def use() -> None:
            async with connect() as own, own.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
                with pytest.raises(BindError, match="AUTOCOMMIT"):
                    await app.async_scheduler.bind(connection).enqueue(jobs.add, 1, 2)

        asyncio.run(use())
        assert sum(app.scheduler.counts().values()) == 0


def test_what_no_loop_can_wait_for_is_refused(ready_file: Path) -> None:
    engine = create_engine(f"sqlite:///{ready_file}")
    with JobRunr(engine) as app, Session(engine) as session, pytest.raises(BindError, match=r"jobrunr\.scheduler\.bind"):
        app.async_scheduler.bind(session)
    engine.dispose()


def test_memory_says_that_it_cannot() -> None:
    async def use(app: JobRunr) -> None:
        async with AsyncSession() as session:
            await app.async_scheduler.bind(session).enqueue(jobs.add, 1, 2)

    with JobRunr("memory://") as app, pytest.raises(BindError, match="has no part in"):
        asyncio.run(use(app))


def test_the_storage_is_opened_beside_the_loop(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'jobs.db'}"

    async def use(app: JobRunr) -> JobId:
        engine = create_async_engine(url.replace("sqlite:", "sqlite+aiosqlite:"))
        async with AsyncSession(engine) as session, session.begin():
            job_id = await app.async_scheduler.bind(session).enqueue(jobs.add, 1, 2)
        await engine.dispose()
        return job_id

    with JobRunr(url) as app:
        assert is_there(app.scheduler, asyncio.run(use(app)))
