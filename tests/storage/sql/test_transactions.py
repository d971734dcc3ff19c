"""Jobs inside the caller's own transaction: `scheduler.bind`."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import pytest
from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from jobrunr import JobFilter, JobId, JobRunr, JobState, NewJob
from jobrunr.errors import (
    ArgumentError,
    BindError,
    ConcurrentJobModificationError,
    RecurringJobNotFoundError,
    StorageUnavailableError,
    TableMissingError,
)
from jobrunr.storage.contract import StorageProvider
from jobrunr.storage.sql import SqlStorageProvider
from jobrunr.storage.sql.waking import Queues
from jobrunr.testing.contract.waking import LONG, SHORT
from jobrunr.testing.factories import announced
from tests.server import jobs
from tests.storage.sql.on_each_database import OnEachDatabase, deaf, is_there, order, orders, renamed

MANY = 2500
"""More than a chunk."""


def pairs(count: int) -> Iterator[tuple[int, int]]:
    return ((number, number) for number in range(count))


class TestWhatIsWritten(OnEachDatabase):
    def test_a_job_of_a_session_is_there_from_its_commit_on(self, app: JobRunr, engine: Engine) -> None:
        with Session(engine) as session, session.begin():
            order(session)
            job_id = app.scheduler.bind(session).enqueue(jobs.add, 1, 2)
            assert not is_there(app.scheduler, job_id)
        assert app.scheduler.get(job_id).state is JobState.ENQUEUED
        assert orders(engine) == [1]

    def test_a_job_of_a_connection_is_there_from_its_commit_on(self, app: JobRunr, engine: Engine) -> None:
        with engine.connect() as connection:
            job_id = app.scheduler.bind(connection).enqueue(jobs.add, 1, 2)
            order(connection)
            assert not is_there(app.scheduler, job_id)
            connection.commit()
        assert is_there(app.scheduler, job_id)
        assert orders(engine) == [1]

    def test_a_job_that_comes_before_all_else_is_part_of_the_transaction(self, app: JobRunr, engine: Engine) -> None:
        with engine.connect() as connection:
            job_id = app.scheduler.bind(connection).enqueue(jobs.add, 1, 2)
            connection.rollback()
        assert not is_there(app.scheduler, job_id)

    def test_what_is_rolled_back_never_was(self, app: JobRunr, engine: Engine) -> None:
        with Session(engine) as session:
            order(session)
            bound = app.scheduler.bind(session)
            job_id = bound.options(labels=["import"]).enqueue(jobs.add, 1, 2)
            ids = [job_id, bound.schedule(timedelta(hours=1), jobs.add, 1, 2), *bound.enqueue_many(jobs.add, pairs(3))]
            session.rollback()
        assert not any(is_there(app.scheduler, job_id) for job_id in ids)
        assert sum(app.scheduler.counts().values()) == 0
        assert orders(engine) == []

    def test_what_reads_through_it_sees_what_it_wrote(self, app: JobRunr, engine: Engine) -> None:
        with Session(engine) as session, session.begin():
            bound = app.scheduler.bind(session)
            job_id = bound.enqueue(jobs.add, 1, 2)
            assert bound.get(job_id).state is JobState.ENQUEUED
            assert bound.counts()[JobState.ENQUEUED] == 1
            assert [job.id for job in bound.find()] == [job_id]

    def test_a_savepoint_that_is_rolled_back_takes_its_jobs_along(self, app: JobRunr, engine: Engine) -> None:
        with Session(engine) as session, session.begin():
            bound = app.scheduler.bind(session)
            kept = bound.enqueue(jobs.add, 1, 2)
            with session.begin_nested() as savepoint:
                order(session)
                lost = bound.enqueue(jobs.add, 3, 4)
                savepoint.rollback()
            later = bound.enqueue(jobs.add, 5, 6)
        assert [is_there(app.scheduler, job_id) for job_id in (kept, lost, later)] == [True, False, True]
        assert app.scheduler.counts()[JobState.ENQUEUED] == 2
        assert orders(engine) == []

    def test_a_bound_scheduler_serves_one_transaction_of_its_session_after_the_other(
        self, app: JobRunr, engine: Engine
    ) -> None:
        with Session(engine) as session:
            bound = app.scheduler.bind(session)
            first = bound.enqueue(jobs.add, 1, 2)
            session.commit()
            second = bound.enqueue(jobs.add, 3, 4)
            session.rollback()
            third = bound.enqueue(jobs.add, 5, 6)
            session.commit()
        assert [is_there(app.scheduler, job_id) for job_id in (first, second, third)] == [True, False, True]

    def test_a_scoped_session_will_do(self, app: JobRunr, engine: Engine) -> None:
        session = scoped_session(sessionmaker(engine))
        job_id = app.scheduler.bind(session).enqueue(jobs.add, 1, 2)
        assert not is_there(app.scheduler, job_id)
        session.commit()
        session.remove()
        assert is_there(app.scheduler, job_id)

    def test_options_are_kept(self, app: JobRunr, engine: Engine) -> None:
        with engine.begin() as connection:
            bound = app.scheduler.options(queue="mail").bind(connection).options(priority=3)
            job_id = bound.enqueue(jobs.add, 1, 2)
            assert not is_there(app.scheduler, job_id)
        job = app.scheduler.get(job_id)
        assert (job.queue, job.priority) == ("mail", 3)

    def test_many_are_all_of_the_transaction(self, app: JobRunr, engine: Engine) -> None:
        with engine.begin() as connection:
            ids = app.scheduler.bind(connection).enqueue_many(jobs.add, pairs(MANY))
            assert app.scheduler.counts()[JobState.ENQUEUED] == 0
        assert len(set(ids)) == MANY
        assert app.scheduler.counts()[JobState.ENQUEUED] == MANY

    def test_the_scheduler_itself_goes_on_as_before(self, app: JobRunr, engine: Engine) -> None:
        with engine.connect() as connection:
            app.scheduler.bind(connection)
            job_id = app.scheduler.enqueue(jobs.add, 1, 2)
            assert is_there(app.scheduler, job_id)


class TestSteering(OnEachDatabase):
    @pytest.fixture
    def job_id(self, app: JobRunr) -> JobId:
        return app.scheduler.schedule(timedelta(hours=1), jobs.add, 1, 2)

    @pytest.mark.parametrize(
        ("verb", "state"),
        [("delete", JobState.DELETED), ("requeue", JobState.ENQUEUED)],
    )
    def test_moves_count_from_the_commit_on(
        self, app: JobRunr, engine: Engine, job_id: JobId, verb: str, state: JobState
    ) -> None:
        for end in ("rollback", "commit"):
            with engine.connect() as connection:
                getattr(app.scheduler.bind(connection), verb)(job_id)
                assert app.scheduler.get(job_id).state is JobState.SCHEDULED
                getattr(connection, end)()
        assert app.scheduler.get(job_id).state is state
        assert app.scheduler.counts()[state] == 1

    def test_another_time_counts_from_the_commit_on(self, app: JobRunr, engine: Engine, job_id: JobId) -> None:
        before = app.scheduler.get(job_id).run_at
        with engine.begin() as connection:
            app.scheduler.bind(connection).reschedule(job_id, timedelta(hours=2))
            assert app.scheduler.get(job_id).run_at == before
        assert app.scheduler.get(job_id).run_at != before

    def test_what_the_transaction_made_can_be_steered_in_it(self, app: JobRunr, engine: Engine) -> None:
        with engine.begin() as connection:
            bound = app.scheduler.bind(connection)
            job_id = bound.enqueue(jobs.add, 1, 2)
            bound.delete(job_id)
        assert app.scheduler.get(job_id).state is JobState.DELETED

    def test_a_recurring_job_is_registered_with_the_commit(self, app: JobRunr, engine: Engine) -> None:
        nightly = app.scheduler.options(id="nightly")
        with engine.connect() as connection:
            nightly.bind(connection).schedule_recurrently("0 3 * * *", jobs.add, 1, 2)
            connection.rollback()
            assert app.scheduler.recurring.list() == []
            nightly.bind(connection).schedule_recurrently("0 3 * * *", jobs.add, 1, 2)
            assert app.scheduler.recurring.list() == []
            connection.commit()
        assert [job.id for job in app.scheduler.recurring.list()] == ["nightly"]

    def test_recurring_jobs_are_steered_with_the_commit(self, app: JobRunr, engine: Engine) -> None:
        app.scheduler.options(id="nightly").schedule_recurrently("0 3 * * *", jobs.add, 1, 2)
        with engine.begin() as connection:
            recurring = app.scheduler.bind(connection).recurring
            recurring.pause("nightly")
            job_id = recurring.trigger("nightly")
            assert not app.scheduler.recurring.get("nightly").is_paused
            assert not is_there(app.scheduler, job_id)
        assert app.scheduler.recurring.get("nightly").is_paused
        assert is_there(app.scheduler, job_id)
        with engine.begin() as connection:
            app.scheduler.bind(connection).recurring.delete("nightly")
            app.scheduler.recurring.get("nightly")
        with pytest.raises(RecurringJobNotFoundError):
            app.scheduler.recurring.get("nightly")


class TestErrors(OnEachDatabase):
    def test_an_error_of_the_database_leaves_the_transaction_as_it_was(
        self, app: JobRunr, storage: SqlStorageProvider, engine: Engine
    ) -> None:
        assert app.storage is storage  # it is set up from here on
        labels = storage._dialect.tables.job_labels.name
        quoted = engine.dialect.identifier_preparer.quote(labels)
        with renamed(engine, quoted), engine.begin() as connection:
            order(connection)
            bound = app.scheduler.bind(connection)
            with pytest.raises(TableMissingError):
                bound.options(labels=["import"]).enqueue(jobs.add, 1, 2)
            order(connection, 2)
            job_id = bound.enqueue(jobs.add, 3, 4)
        assert orders(engine) == [1, 2]
        assert [job.id for job in app.scheduler.find()] == [job_id]

    def test_one_bad_call_among_many_leaves_nothing_of_them(self, app: JobRunr, engine: Engine) -> None:
        with engine.begin() as connection:
            order(connection)
            with pytest.raises(ArgumentError) as caught:
                app.scheduler.bind(connection).enqueue_many(jobs.add, [*pairs(MANY), (object(), 1)])
        assert caught.value.stored == ()
        assert sum(app.scheduler.counts().values()) == 0
        assert orders(engine) == [1]

    def test_an_error_of_the_caller_takes_the_job_along(self, app: JobRunr, engine: Engine) -> None:
        order_again = pytest.raises(IntegrityError)
        with order_again, engine.begin() as connection:
            order(connection)
            app.scheduler.bind(connection).enqueue(jobs.add, 1, 2)
            order(connection)
        assert sum(app.scheduler.counts().values()) == 0

    def test_a_job_whose_id_exists_is_left_alone(self, app: JobRunr, engine: Engine) -> None:
        job_id = app.scheduler.options(queue="first").enqueue(jobs.add, 1, 2)
        with engine.begin() as connection:
            bound = app.scheduler.bind(connection)
            assert bound.options(id=job_id, queue="second").enqueue(jobs.add, 1, 2) == job_id
            order(connection)
        assert app.scheduler.get(job_id).queue == "first"
        assert orders(engine) == [1]

    def test_a_storage_that_is_bound_claims_in_it(self, app: JobRunr, storage: StorageProvider, engine: Engine) -> None:
        server = announced(storage)
        app.scheduler.enqueue(jobs.add, 1, 2)
        with Session(engine) as session:
            assert len(storage.bound(session).claim(server.id, server.name, 1)) == 1
            session.rollback()
        assert app.scheduler.counts()[JobState.ENQUEUED] == 1

    def test_filters_hear_of_a_job_before_the_commit(self, storage: StorageProvider, engine: Engine) -> None:
        heard: list[JobId] = []

        class Hearing(JobFilter):
            def created(self, job: NewJob) -> None:
                heard.append(job.id)

        app = JobRunr(storage, filters=[Hearing()])
        with engine.connect() as connection:
            job_id = app.scheduler.bind(connection).enqueue(jobs.add, 1, 2)
            assert heard == [job_id]


class TestTransactionsThatAreLost(OnEachDatabase):
    """The error says that everything has to be done again."""

    @pytest.fixture
    def job_id(self, app: JobRunr) -> JobId:
        return app.scheduler.enqueue(jobs.add, 1, 2)

    def test_one_that_saw_the_job_before_somebody_changed_it(
        self, app: JobRunr, url: URL, engine: Engine, job_id: JobId
    ) -> None:
        if url.get_backend_name() == "sqlite":
            pytest.skip("its driver begins no transaction to read")
        with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            bound = app.scheduler.bind(connection)
            order(connection)
            assert bound.get(job_id).state is JobState.ENQUEUED
            app.scheduler.delete(job_id)
            with pytest.raises((StorageUnavailableError, ConcurrentJobModificationError), match="again"):
                bound.reschedule(job_id, timedelta(hours=1))
            connection.rollback()
            bound.requeue(job_id)
            connection.commit()
        assert app.scheduler.get(job_id).state is JobState.ENQUEUED
        assert orders(engine) == []

    def test_one_that_the_database_ended_because_of_a_deadlock(
        self, app: JobRunr, storage: SqlStorageProvider, url: URL, engine: Engine, job_id: JobId
    ) -> None:
        if url.get_backend_name() not in {"mariadb", "mysql"}:
            pytest.skip("only there it is known whom a deadlock hits: who has written less")
        jobs_table = storage._dialect.tables.jobs
        with engine.connect() as connection, engine.connect() as other, ThreadPoolExecutor(1) as thread:
            order(connection)
            other.execute(jobs_table.update().values(priority=7))
            for number in range(2, 20):
                order(other, number)
            waiting = thread.submit(order, other, 1)
            with pytest.raises(StorageUnavailableError, match="do all of it again"):
                app.scheduler.bind(connection).delete(job_id)
            connection.rollback()
            waiting.result(timeout=LONG)
            other.commit()
        assert app.scheduler.get(job_id).state is JobState.ENQUEUED
        assert orders(engine) == list(range(1, 20))


class TestWakingUp(OnEachDatabase):
    """Told by whoever commits: the watcher of the database is deaf here."""

    @pytest.fixture(autouse=True)
    def no_watcher(self, storage: SqlStorageProvider, monkeypatch: pytest.MonkeyPatch) -> None:
        deaf(storage, monkeypatch)

    @pytest.mark.parametrize("options", [{}, {"compiled_cache": None}], ids=["", "options"])
    @pytest.mark.parametrize("kind", [Session, Engine.connect])
    def test_who_waits_wakes_after_the_commit(
        self, app: JobRunr, engine: Engine, kind: object, options: dict[str, Any]
    ) -> None:
        engine = engine.execution_options(**options) if options else engine
        with closing(app.storage.listener()) as listener, Session(engine) as session:
            transaction = session if kind is Session else session.connection()
            ids = {app.scheduler.bind(transaction).enqueue(jobs.add, 1, 2) for _ in range(3)}
            assert not listener.wait(SHORT)
            session.commit()
            assert listener.wait(LONG)
            assert {job.id for job in app.scheduler.find()} == ids

    def test_who_wakes_finds_the_job_however_long_the_commit_takes(
        self, app: JobRunr, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with closing(app.storage.listener()) as listener, engine.connect() as connection:
            do_commit = engine.dialect.do_commit

            def commit_slowly(driver: object) -> None:
                assert not listener.wait(SHORT)
                do_commit(driver)  # type: ignore[arg-type]

            app.scheduler.bind(connection).enqueue(jobs.add, 1, 2)
            with monkeypatch.context() as patch:
                patch.setattr(engine.dialect, "do_commit", commit_slowly)
                connection.commit()
            assert listener.wait(LONG)

    def test_nobody_wakes_for_what_is_rolled_back(self, app: JobRunr, engine: Engine) -> None:
        with closing(app.storage.listener()) as listener, engine.connect() as connection:
            app.scheduler.bind(connection).enqueue(jobs.add, 1, 2)
            connection.rollback()
            order(connection)
            connection.commit()
            assert not listener.wait(SHORT)

    def test_the_queue_of_the_job_wakes_and_no_other(self, app: JobRunr, engine: Engine) -> None:
        with closing(app.storage.listener(["mail"])) as mail, closing(app.storage.listener(["other"])) as other:
            with engine.begin() as connection:
                app.scheduler.options(queue="mail").bind(connection).enqueue(jobs.add, 1, 2)
            assert mail.wait(LONG)
            assert not other.wait(SHORT)

    def test_who_looks_at_the_timetable_wakes_after_the_commit(self, app: JobRunr, engine: Engine) -> None:
        with closing(app.storage.timetable_listener()) as listener:
            with engine.begin() as connection:
                app.scheduler.bind(connection).schedule(timedelta(seconds=5), jobs.add, 1, 2)
                assert not listener.wait(SHORT)
            assert listener.wait(LONG)

    def test_a_transaction_is_told_of_once_however_often_it_was_bound(
        self, app: JobRunr, storage: SqlStorageProvider, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told: SimpleQueue[Queues] = SimpleQueue()
        monkeypatch.setattr(storage._held_news, "tell", told.put)
        with engine.connect() as connection:
            for _ in range(2):
                app.scheduler.options(queue="mail").bind(connection).enqueue(jobs.add, 1, 2)
                app.scheduler.options(queue="reports").bind(connection).enqueue(jobs.add, 1, 2)
                connection.commit()
                assert told.get(timeout=LONG) == {"mail", "reports"}
        with pytest.raises(Empty):
            told.get(timeout=SHORT)


class TestRefusals:
    def test_memory_says_that_it_cannot(self) -> None:
        engine = create_engine("sqlite://")
        with JobRunr("memory://") as app, engine.connect() as connection, pytest.raises(BindError, match="has no part in"):
            app.scheduler.bind(connection)
        engine.dispose()

    def test_what_is_no_transaction_is_refused(self, ready_file: Path) -> None:
        with JobRunr(f"sqlite:///{ready_file}") as app, pytest.raises(BindError, match="Pass a Session or a Connection"):
            app.scheduler.bind("sqlite://")

    def test_another_file_is_refused(self, ready_file: Path, tmp_path: Path) -> None:
        engine = create_engine(f"sqlite:///{tmp_path / 'other.db'}")
        with (
            JobRunr(f"sqlite:///{ready_file}") as app,
            Session(engine) as session,
            pytest.raises(BindError, match=r"other\.db.*ready\.db"),
        ):
            app.scheduler.bind(session)
        engine.dispose()

    def test_a_session_that_does_not_know_its_engine_is_refused(self, ready_file: Path) -> None:
        with (
            JobRunr(f"sqlite:///{ready_file}") as app,
            Session() as session,
            pytest.raises(BindError, match="bind_arguments"),
        ):
            app.scheduler.bind(session)

    def test_tables_that_cannot_be_made_beside_the_transaction(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path / 'jobs.db'}"
        engine = create_engine(url)
        with JobRunr(url, storage_timeout=timedelta(seconds=0.2)) as app, engine.connect() as connection:
            connection.execute(text("CREATE TABLE orders (id INTEGER PRIMARY KEY)"))
            order(connection)
            with pytest.raises(StorageUnavailableError) as caught:
                app.scheduler.bind(connection)
            assert "bind opens the storage beside your transaction" in caught.value.__notes__[0]
            connection.commit()
        assert orders(engine) == [1]
        engine.dispose()


class TestConnectionsThatAreRefused(OnEachDatabase):
    def test_one_that_commits_every_statement(self, app: JobRunr, engine: Engine) -> None:
        with (
            engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection,
            pytest.raises(BindError, match="AUTOCOMMIT"),
        ):
            app.scheduler.bind(connection).enqueue(jobs.add, 1, 2)
        assert sum(app.scheduler.counts().values()) == 0

    def test_one_to_another_database(self, app: JobRunr, url: URL) -> None:
        if url.get_backend_name() == "sqlite":
            pytest.skip("another file is another test")
        other = "postgres" if url.get_backend_name() == "postgresql" else "mysql"
        engine = create_engine(url.set(database=other))
        with engine.connect() as connection, pytest.raises(BindError, match=f"{other}, and jobs are kept in"):
            app.scheduler.bind(connection)
        engine.dispose()

    def test_one_by_another_name_of_this_machine_is_not(self, app: JobRunr, url: URL) -> None:
        if url.get_backend_name() == "sqlite":
            pytest.skip("it has no host")
        engine = create_engine(url.set(host="localhost"))
        with engine.begin() as connection:
            job_id = app.scheduler.bind(connection).enqueue(jobs.add, 1, 2)
        assert is_there(app.scheduler, job_id)
        engine.dispose()


def test_on_sqlite_a_transaction_that_the_application_begins_is_used(ready_file: Path) -> None:
    engine = create_engine(f"sqlite:///{ready_file}")

    @event.listens_for(engine, "connect")
    def leave_it_to_us(driver: object, record: object) -> None:
        driver.isolation_level = None  # type: ignore[attr-defined]

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    with JobRunr(f"sqlite:///{ready_file}") as app, engine.connect() as connection:
        job_id = app.scheduler.bind(connection).enqueue(jobs.add, 1, 2)
        connection.rollback()
        assert not is_there(app.scheduler, job_id)
    engine.dispose()
