"""What becomes of a call when the database does not do what it should."""

from __future__ import annotations

import gc
import resource
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest
from psycopg.errors import AdminShutdown
from sqlalchemy import URL, Connection, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from jobrunr.errors import StorageError, StorageSetupError, StorageUnavailableError
from jobrunr.states import JobState
from jobrunr.storage.contract import JobQuery, StorageProvider
from jobrunr.storage.sql import SqlStorageProvider
from jobrunr.storage.sql.database import where
from jobrunr.testing.factories import a_job, announced, enqueued
from jobrunr.transitions import delete
from tests.storage.sql.proxy import Proxy
from tests.storage.sql_contract import remove_everything

SECOND = timedelta(seconds=1)
TOLERANCE = 0.9
"""Seconds that a call may take longer than its limit, on a busy machine."""


@pytest.fixture
def on_postgresql(postgresql: URL) -> Iterator[SqlStorageProvider]:
    with SqlStorageProvider(postgresql, timeout=SECOND) as storage:
        storage.set_up()
        yield storage
        remove_everything(storage)


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> URL:
    """A database on each kind of server in turn."""
    url: URL = request.getfixturevalue(request.param)
    return url


@pytest.fixture
def storage(server: URL) -> Iterator[SqlStorageProvider]:
    with SqlStorageProvider(server) as storage:
        storage.set_up()
        yield storage
        storage._dialect.engine.dispose()  # the database has ended most of its connections
        remove_everything(storage)


def kill_connections(storage: SqlStorageProvider) -> None:
    """End all connections to the database of a storage, except the one that does it."""
    with storage._dialect.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            connection.exec_driver_sql(f"SELECT pg_terminate_backend(pid) {others}")
        else:
            own = connection.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one()
            listed = "SELECT id FROM information_schema.processlist WHERE db = DATABASE()"
            for (number,) in connection.exec_driver_sql(listed).all():
                if number != own:
                    connection.exec_driver_sql(f"KILL {number}")


@contextmanager
def within(limit: timedelta) -> Iterator[None]:
    """What is done in the block takes no longer than the limit."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < limit.total_seconds() + TOLERANCE


class TestDeadline:
    """One for each call, whatever it meets."""

    LIMIT = timedelta(seconds=1)

    @pytest.fixture
    def proxy(self, server: URL) -> Iterator[Proxy]:
        assert server.host is not None
        default = 5432 if server.get_backend_name() == "postgresql" else 3306
        with Proxy(server.host, server.port or default) as proxy:
            yield proxy

    @pytest.fixture
    def through(self, server: URL, storage: SqlStorageProvider, proxy: Proxy) -> Iterator[SqlStorageProvider]:
        """The same storage through a network that can fail, with a connection in its pool."""
        with SqlStorageProvider(server.set(port=proxy.port), timeout=self.LIMIT) as through:
            through.now()
            yield through

    @pytest.mark.parametrize("fault", [Proxy.refuse, Proxy.swallow, Proxy.lose_answers])
    @pytest.mark.parametrize("is_new", [False, True], ids=["pooled", "new"])
    def test_a_call_ends_in_time(
        self, proxy: Proxy, through: SqlStorageProvider, fault: Callable[[Proxy], None], is_new: bool
    ) -> None:
        if is_new:
            through._dialect.engine.dispose()
        fault(proxy)
        with within(self.LIMIT), pytest.raises(StorageUnavailableError):
            through.insert([a_job()])

    def test_a_slow_network_ends_it_though_each_answer_comes_in_time(
        self, proxy: Proxy, through: SqlStorageProvider
    ) -> None:
        through._dialect.engine.dispose()
        proxy.delay(0.1)
        with within(self.LIMIT), pytest.raises(StorageUnavailableError):
            through._database.write(lambda connection: [connection.exec_driver_sql("SELECT 1") for _ in range(30)])

    def test_what_is_lost_in_the_middle_of_a_transaction_ends_it(self, proxy: Proxy, through: SqlStorageProvider) -> None:
        def fall_silent(connection: Connection) -> None:
            connection.exec_driver_sql("SELECT 1")
            proxy.swallow()
            connection.exec_driver_sql("SELECT 1")

        with within(self.LIMIT), pytest.raises(StorageUnavailableError):
            through._database.write(fall_silent)

    def test_a_lock_that_others_keep_ends_it(self, through: SqlStorageProvider, storage: SqlStorageProvider) -> None:
        job = enqueued(storage)
        withdrawal = delete(job, storage.now(), "by another")
        assert withdrawal is not None
        with storage._dialect.writing(storage._dialect.engine) as connection:
            jobs = storage._dialect.tables.jobs
            connection.execute(jobs.update().where(jobs.c.id == job.id).values(reason="held"))
            with within(self.LIMIT), pytest.raises(StorageUnavailableError):
                through.update([withdrawal])

    def test_a_network_that_is_only_slow_does_not_end_it(self, proxy: Proxy, through: SqlStorageProvider) -> None:
        proxy.delay(0.02)
        job = a_job()
        assert through.insert([job]) == {job.id}


class TestLostConnections:
    def test_a_pooled_connection_that_died_meanwhile_is_replaced_without_a_word(self, storage: SqlStorageProvider) -> None:
        job = enqueued(storage)
        with SqlStorageProvider(storage._dialect.engine.url) as other:
            kill_connections(other)
        assert storage.get(job.id) == job

    def test_after_the_last_words_of_a_connection_its_neighbours_are_not_tried(
        self, on_postgresql: SqlStorageProvider
    ) -> None:
        """They come before the connection is closed, so that SQLAlchemy may take it and its neighbours for alive."""
        engine = on_postgresql._dialect.engine
        neighbours = [engine.connect() for _ in range(3)]
        drivers_own = [neighbour.connection.dbapi_connection for neighbour in neighbours]
        for neighbour in neighbours:
            neighbour.close()
        tried: list[object] = []

        def work(connection: Connection) -> str:
            tried.append(connection.connection.dbapi_connection)
            if len(tried) == 1:
                raise OperationalError("", {}, AdminShutdown())
            return "done"

        assert on_postgresql._database.read(work) == "done"
        assert tried[0] in drivers_own
        assert tried[1] not in drivers_own

    def test_a_job_is_stored_once_on_a_pooled_connection_that_died_meanwhile(self, storage: SqlStorageProvider) -> None:
        before = storage.counts()[JobState.ENQUEUED]
        with SqlStorageProvider(storage._dialect.engine.url) as other:
            kill_connections(other)
        new = a_job()
        assert storage.insert([new]) == {new.id}
        assert storage.counts()[JobState.ENQUEUED] == before + 1

    def test_nobody_there_is_an_outage(self, server: URL) -> None:
        with SqlStorageProvider(server.set(port=1, password="s3cret-word")) as nobody:
            with pytest.raises(StorageUnavailableError) as caught:
                nobody.set_up()
            assert "127.0.0.1:1" in str(caught.value)
            assert "s3cret-word" not in f"{caught.value!r} {caught.value.__cause__!r}"

    def test_an_answer_that_never_comes_is_given_up_and_asked_for_on_a_new_connection(
        self, server: URL, storage: SqlStorageProvider
    ) -> None:
        assert server.host is not None
        job = enqueued(storage)
        default = 5432 if server.get_backend_name() == "postgresql" else 3306
        with (
            Proxy(server.host, server.port or default) as proxy,
            SqlStorageProvider(server.set(port=proxy.port), timeout=4 * SECOND) as cut_off,
        ):
            assert cut_off.get(job.id) == job
            proxy.freeze()
            with within(4 * SECOND):
                assert cut_off.get(job.id) == job

    def test_who_is_cut_off_without_a_word_in_a_transaction_does_not_keep_its_locks(
        self, server: URL, storage: SqlStorageProvider
    ) -> None:
        assert server.host is not None
        job = enqueued(storage)
        default = 5432 if server.get_backend_name() == "postgresql" else 3306
        withdrawal = delete(job, storage.now(), "by another")
        assert withdrawal is not None
        with (
            Proxy(server.host, server.port or default) as proxy,
            SqlStorageProvider(server.set(port=proxy.port), timeout=SECOND) as cut_off,
            cut_off._dialect.engine.connect() as connection,
        ):
            jobs = cut_off._dialect.tables.jobs
            connection.exec_driver_sql("BEGIN")
            connection.execute(jobs.update().where(jobs.c.id == job.id).values(reason="never committed"))
            proxy.freeze()
            connection.invalidate()
            assert storage.update([withdrawal]) == {job.id}

    def test_a_claim_whose_answer_was_lost_is_answered_by_the_next_one(self, storage: SqlStorageProvider) -> None:
        server, jobs = announced(storage), [a_job(queue="lost") for _ in range(3)]
        storage.insert(jobs)
        claim = storage._claiming.claim

        def claim_and_lose_the_answer(*arguments: object) -> object:
            storage._claiming.claim = claim  # type: ignore[method-assign] - once only
            with storage._dialect.writing(storage._dialect.engine) as connection:
                claim(connection, arguments[1])  # type: ignore[arg-type]
            raise ConnectionResetError

        storage._claiming.claim = claim_and_lose_the_answer  # type: ignore[method-assign, assignment]
        with pytest.raises(StorageUnavailableError):
            storage.claim(server.id, server.name, 2, ["lost"])

        again, rest = (storage.claim(server.id, server.name, 2, ["lost"]) for _ in range(2))

        assert {job.id for job in again} == {job.id for job in jobs[:2]}
        assert [job.id for job in rest] == [jobs[2].id]
        assert storage.held([]) == frozenset()


class TestNoFiles:
    """The system lets nobody wait for an answer, or open a connection."""

    @pytest.fixture(params=["ours", "of the application"])
    def storage(self, request: pytest.FixtureRequest, server: URL) -> Iterator[SqlStorageProvider]:
        engine = create_engine(server, pool_reset_on_return=None)  # which would notice a connection that is in the middle
        with SqlStorageProvider(server if request.param == "ours" else engine) as storage:
            storage.set_up()
            yield storage
            remove_everything(storage)
        engine.dispose()

    @pytest.fixture
    def calls(self, storage: SqlStorageProvider) -> list[Callable[[], object]]:
        """One by each way to the database."""
        announcement = announced(storage)
        return [
            storage.now,
            lambda: storage.insert([a_job()]),
            lambda: storage.insert([a_job(), a_job()]),
            lambda: storage.claim(announcement.id, announcement.name, 1),
        ]

    def test_a_connection_whose_answer_nobody_read_is_not_used_again(self, calls: list[Callable[[], object]]) -> None:
        for call in calls:
            call()  # on a connection that is kept
            with no_files(), suppress(StorageUnavailableError):  # PyMySQL without a time limit waits all the same
                call()
            call()
        gc.collect()  # a connection that nobody has closed says so


@contextmanager
def no_files() -> Iterator[None]:
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


class TestRefusals:
    def test_a_deadlock_is_tried_again(self, storage: SqlStorageProvider) -> None:
        first, second = enqueued(storage), enqueued(storage)
        met = Barrier(2)
        jobs = storage._dialect.tables.jobs

        def lock_both(order: list[object]) -> list[int]:
            tries: list[int] = []

            def work(connection: Connection) -> list[int]:
                tries.append(len(tries))
                for number, job_id in enumerate(order):
                    connection.execute(jobs.update().where(jobs.c.id == job_id).values(version=jobs.c.version + 1))
                    if number == 0 and len(tries) == 1:
                        met.wait(timeout=10)  # both hold their first and want the other's
                return tries

            return storage._database.write(work)

        with ThreadPoolExecutor(2) as threads:
            tries = list(threads.map(lock_both, [[first.id, second.id], [second.id, first.id]]))

        # Who is sent back may be in the other's way once more before that one has gone on.
        assert max(map(len, tries)) > 1
        versions = {job.id: job.version for job in storage.find(JobQuery()).jobs}
        assert versions == {job.id: job.version + 2 for job in (first, second)}

    def test_a_statement_that_takes_too_long_is_an_outage(self, on_postgresql: SqlStorageProvider) -> None:
        with on_postgresql._dialect.unhurried() as blocking:
            blocking.exec_driver_sql("BEGIN")
            blocking.exec_driver_sql("LOCK TABLE jobrunr_jobs")
            with pytest.raises(StorageUnavailableError, match="timeout"):
                on_postgresql.insert([a_job()])

    def test_a_server_that_can_only_be_read_is_an_outage(self, on_postgresql: SqlStorageProvider) -> None:
        url = on_postgresql._dialect.engine.url
        read_only = url.update_query_dict({"options": "-c default_transaction_read_only=on"})
        with SqlStorageProvider(read_only) as storage, pytest.raises(StorageUnavailableError, match="read-only"):
            storage.insert([a_job()])

    def test_a_wrong_password_is_a_matter_of_set_up(self, mariadb: URL) -> None:
        stranger = mariadb.set(username="nobody", password="s3cret-word")
        with SqlStorageProvider(stranger) as storage, pytest.raises(StorageSetupError) as caught:
            storage.set_up()
        assert "s3cret-word" not in str(caught.value)

    def test_a_connection_goes_back_without_the_transaction_that_failed_on_it(self, storage: SqlStorageProvider) -> None:
        note = "INSERT INTO jobrunr_metadata (name, owner, value) VALUES ('a', 'b', 'c')"

        def write_and_fail(connection: Connection) -> None:
            connection.exec_driver_sql(note)
            raise RuntimeError

        for _ in range(2):
            with pytest.raises(RuntimeError):
                storage._database.write(write_and_fail)
        assert storage.get_metadata("a", "b") is None

    def test_a_mistake_of_ours_stays_what_it_is(self, storage: SqlStorageProvider) -> None:
        with pytest.raises(Exception, match="no_such_column") as caught:
            storage._database.read(lambda connection: connection.execute(text("SELECT no_such_column FROM jobrunr_jobs")))
        assert not isinstance(caught.value, StorageError)


class TestSqlite:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "jobs.db"

    @pytest.fixture
    def storage(self, path: Path) -> Iterator[StorageProvider]:
        with SqlStorageProvider(f"sqlite:///{path}", timeout=timedelta(seconds=0.3)) as storage:
            storage.set_up()
            yield storage

    def test_a_file_that_others_keep_locked_is_an_outage(self, storage: SqlStorageProvider, path: Path) -> None:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        job = a_job()
        with within(timedelta(seconds=0.3)), pytest.raises(StorageUnavailableError, match="locked"):
            storage.insert([job])
        other.execute("ROLLBACK")
        assert storage.insert([job]) == {job.id}
        other.close()

    def test_a_writer_waits_for_another(self, path: Path, storage: SqlStorageProvider) -> None:
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        job = a_job()
        with SqlStorageProvider(f"sqlite:///{path}") as patient, ThreadPoolExecutor(1) as thread:
            inserting = thread.submit(patient.insert, [job])
            other.execute("COMMIT")
            assert inserting.result() == {job.id}
        other.close()

    def test_whoever_comes_to_a_new_file_waits_for_those_who_make_it(self, path: Path) -> None:
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN EXCLUSIVE")
        with SqlStorageProvider(f"sqlite:///{path}") as late, ThreadPoolExecutor(1) as thread:
            setting_up = thread.submit(late.set_up)
            with pytest.raises(TimeoutError):
                setting_up.result(1.0)  # longer than the driver waits
            other.execute("COMMIT")
            setting_up.result()
        other.close()

    def test_a_full_disk_is_an_outage_and_leaves_nothing_behind(self, storage: SqlStorageProvider) -> None:
        def limit(more: int) -> None:
            with storage._dialect.reading(storage._dialect.engine) as connection:  # the one connection there is
                pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
                connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + more}")

        jobs = [a_job() for _ in range(500)]
        limit(2)
        with pytest.raises(StorageUnavailableError, match="full"):
            storage.insert(jobs)
        limit(10_000)
        assert storage.insert(jobs) == {job.id for job in jobs}
        assert sum(storage.counts().values()) == 500


class TestNames:
    @pytest.mark.parametrize(
        "url",
        [
            "postgresql+psycopg://ada:s3cret@db:5432/shop?sslpassword=s3cret",
            "mysql+pymysql://s3cret@db/shop",
            "sqlite:///jobs.db",
        ],
    )
    def test_a_storage_is_named_without_secrets(self, url: str) -> None:
        assert "s3cret" not in where(make_url(url))
