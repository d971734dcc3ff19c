"""Jobs inside `atomic()` blocks of Django: `scheduler.bind(connection)`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import timedelta

import django
import pytest
from django.conf import settings
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from sqlalchemy import URL, Engine

from jobrunr import JobRunr, JobState
from jobrunr.errors import BindError, TableMissingError
from jobrunr.storage.contract import StorageProvider
from jobrunr.storage.sql import SqlStorageProvider
from jobrunr.testing.contract.waking import LONG, SHORT
from tests.server import jobs
from tests.storage.sql.on_each_database import OnEachDatabase, deaf, is_there, orders, renamed

if not settings.configured:
    settings.configure(DATABASES={}, USE_TZ=True, TIME_ZONE="Asia/Kathmandu", LOGGING_CONFIG=None)
    django.setup()


def order(connection: BaseDatabaseWrapper, number: int = 1) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO orders VALUES (%s)", [number])


class InDjango(OnEachDatabase):
    @pytest.fixture(params=["sqlite", "postgresql"])
    def url(self, request: pytest.FixtureRequest) -> URL:
        url: URL = request.getfixturevalue(request.param)
        return url

    @pytest.fixture
    def alias(self, url: URL) -> Iterator[str]:
        """A database of Django."""
        alias = url.get_backend_name()
        kind = {"sqlite": "sqlite3"}.get(alias, alias)
        place = {"NAME": url.database, "HOST": url.host or "", "PORT": str(url.port or ""), "USER": url.username or ""}
        connections.settings[alias] = {"ENGINE": f"django.db.backends.{kind}", **place}
        connections.configure_settings(connections.settings | {"default": connections.settings.get("default", {})})
        yield alias
        connections[alias].close()
        del connections[alias]

    @pytest.fixture
    def connection(self, app: JobRunr, alias: str, engine: Engine) -> BaseDatabaseWrapper:
        assert app.storage  # it is set up from here on
        return connections[alias]


class TestWhatIsWritten(InDjango):
    def test_all_that_writes_counts_from_the_commit_on(
        self, app: JobRunr, alias: str, connection: BaseDatabaseWrapper, engine: Engine
    ) -> None:
        old = [app.scheduler.schedule(timedelta(hours=1), jobs.add, 1, 2) for _ in range(3)]
        before = [app.scheduler.get(job_id) for job_id in old]
        with transaction.atomic(using=alias):
            order(connection)
            bound = app.scheduler.options(labels=["import"]).bind(connection)
            ids = [bound.enqueue(jobs.add, 1, 2), *bound.enqueue_many(jobs.add, [(1, 2), (3, 4)])]
            bound.options(id="nightly").schedule_recurrently("0 3 * * *", jobs.add, 1, 2)
            ids.append(bound.recurring.trigger("nightly"))
            bound.delete(old[0])
            bound.requeue(old[1])
            bound.reschedule(old[2], timedelta(hours=2))
            assert [job.state for job in map(bound.get, old)] == [JobState.DELETED, JobState.ENQUEUED, JobState.SCHEDULED]
            assert not any(is_there(app.scheduler, job_id) for job_id in ids)
            assert [app.scheduler.get(job_id) for job_id in old] == before
        assert all(is_there(app.scheduler, job_id) for job_id in ids)
        assert orders(engine) == [1]

    def test_what_is_rolled_back_never_was(
        self, app: JobRunr, alias: str, connection: BaseDatabaseWrapper, engine: Engine
    ) -> None:
        with suppress(ArithmeticError), transaction.atomic(using=alias):
            order(connection)
            app.scheduler.bind(connection).enqueue(jobs.add, 1, 2)
            raise ArithmeticError
        assert sum(app.scheduler.counts().values()) == 0
        assert orders(engine) == []

    def test_an_inner_block_that_is_rolled_back_takes_its_jobs_along(
        self, app: JobRunr, alias: str, connection: BaseDatabaseWrapper, engine: Engine
    ) -> None:
        with transaction.atomic(using=alias):
            bound = app.scheduler.bind(connection)
            ids = [bound.enqueue(jobs.add, 1, 2)]
            with suppress(ArithmeticError), transaction.atomic(using=alias):
                ids.append(bound.enqueue(jobs.add, 3, 4))
                raise ArithmeticError
            ids.append(bound.enqueue(jobs.add, 5, 6))
        assert [is_there(app.scheduler, job_id) for job_id in ids] == [True, False, True]

    def test_one_block_comes_after_the_other_and_another_connection_of_the_driver(
        self, app: JobRunr, alias: str, connection: BaseDatabaseWrapper
    ) -> None:
        with transaction.atomic(using=alias):
            bound = app.scheduler.bind(connection)
            first = bound.enqueue(jobs.add, 1, 2)
        connection.close()
        with transaction.atomic(using=alias):
            second = bound.enqueue(jobs.add, 1, 2)
        assert is_there(app.scheduler, first) and is_there(app.scheduler, second)

    def test_an_error_of_the_database_leaves_the_block_as_it_was(
        self, app: JobRunr, storage: SqlStorageProvider, alias: str, connection: BaseDatabaseWrapper, engine: Engine
    ) -> None:
        labels = engine.dialect.identifier_preparer.quote(storage._dialect.tables.job_labels.name)
        with renamed(engine, labels), transaction.atomic(using=alias):
            order(connection)
            bound = app.scheduler.bind(connection)
            with pytest.raises(TableMissingError):
                bound.options(labels=["import"]).enqueue(jobs.add, 1, 2)
            order(connection, 2)
            job_id = bound.enqueue(jobs.add, 3, 4)
        assert orders(engine) == [1, 2]
        assert [job.id for job in app.scheduler.find()] == [job_id]

    def test_outside_of_a_block_it_is_refused(self, app: JobRunr, connection: BaseDatabaseWrapper) -> None:
        with pytest.raises(BindError, match=r"transaction\.atomic"):
            app.scheduler.bind(connection)


class TestWakingUp(InDjango):
    @pytest.fixture(autouse=True)
    def no_watcher(self, storage: SqlStorageProvider, monkeypatch: pytest.MonkeyPatch) -> None:
        deaf(storage, monkeypatch)

    def test_who_waits_wakes_after_the_commit(
        self, app: JobRunr, storage: StorageProvider, alias: str, connection: BaseDatabaseWrapper
    ) -> None:
        with closing(storage.listener()) as listener:
            with suppress(ArithmeticError), transaction.atomic(using=alias):
                app.scheduler.bind(connection).enqueue(jobs.add, 1, 2)
                raise ArithmeticError
            with transaction.atomic(using=alias):
                app.scheduler.bind(connection).enqueue(jobs.add, 1, 2)
                assert not listener.wait(SHORT)
            assert listener.wait(LONG)
