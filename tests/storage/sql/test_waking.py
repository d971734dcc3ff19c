"""Hearing of jobs that other processes enqueue. Another provider on the same database stands for the other process."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, Connection

from jobrunr.storage.contract import Listener
from jobrunr.storage.sql import SqlStorageProvider
from jobrunr.storage.sql.dialects.postgresql import PostgresqlDialect
from jobrunr.storage.sql.waking import PollingWatcher
from jobrunr.testing.factories import a_job, announced, enqueued
from jobrunr.transitions import succeed
from tests.processes.conftest import eventually
from tests.storage.sql.test_outages import kill_connections
from tests.storage.sql_contract import remove_everything

LONG = 30.0
"""Seconds that nobody waits, unless something is broken."""


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    if request.param == "sqlite":
        return URL.create("sqlite", database=str(tmp_path / "jobs.db"))
    found: URL = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def storage(url: URL) -> Iterator[SqlStorageProvider]:
    with SqlStorageProvider(url) as storage:
        storage.set_up()
        yield storage
        remove_everything(storage)


@pytest.fixture
def elsewhere(url: URL, storage: SqlStorageProvider) -> Iterator[SqlStorageProvider]:
    with SqlStorageProvider(url) as other:
        yield other


def watching(storage: SqlStorageProvider) -> Listener:
    """A listener whose watcher has begun to watch."""
    ready = threading.Event()
    make_watcher = storage._wake_ups._make_watcher

    def make_and_tell(on_news: Callable[..., None]) -> object:
        watcher = make_watcher(on_news)
        begin = watcher.watching

        def begun(**known: bool) -> None:
            begin(**known)
            ready.set()

        watcher.watching = begun  # type: ignore[method-assign]
        return watcher

    storage._wake_ups._make_watcher = make_and_tell  # type: ignore[assignment]
    listener = storage.listener()
    assert ready.wait(LONG)
    return listener


def enqueue_and_exit(url: str) -> None:
    """A program that enqueues a job and ends at once."""
    with_connections_left_open = SqlStorageProvider(url)
    enqueued(with_connections_left_open)


class TestFromElsewhere:
    def test_a_job_enqueued_elsewhere_wakes(self, storage: SqlStorageProvider, elsewhere: SqlStorageProvider) -> None:
        with closing(watching(storage)) as listener:
            for _ in range(3):
                enqueued(elsewhere)
                assert listener.wait(LONG) is True
                remove_everything(elsewhere)

    def test_a_job_wakes_after_a_while_without_one(self, postgresql: URL) -> None:
        with SqlStorageProvider(postgresql) as storage, SqlStorageProvider(postgresql) as elsewhere:
            storage.set_up()
            with closing(watching(storage)) as listener:
                enqueued(elsewhere)
                assert listener.wait(LONG) is True
                assert isinstance(elsewhere._dialect, PostgresqlDialect)
                changed: Any = elsewhere._dialect._notifier._changed
                eventually("its notifier waits", lambda: bool(changed._waiters))
                enqueued(elsewhere)
                assert listener.wait(LONG) is True
            remove_everything(storage)

    def test_a_program_that_enqueues_and_ends_has_told_the_others(self, url: URL, storage: SqlStorageProvider) -> None:
        with closing(watching(storage)) as listener:
            program = multiprocessing.get_context("spawn").Process(
                target=enqueue_and_exit, args=(url.render_as_string(hide_password=False),)
            )
            program.start()
            assert listener.wait(LONG) is True
            program.join()
            assert program.exitcode == 0

    def test_the_watch_goes_on_when_its_connection_was_lost(
        self, storage: SqlStorageProvider, elsewhere: SqlStorageProvider
    ) -> None:
        if storage._dialect.name == "sqlite":
            pytest.skip("there is no connection to lose")
        with closing(watching(storage)) as listener:
            kill_connections(elsewhere)
            enqueued(elsewhere)
            assert listener.wait(LONG) is True
        storage._dialect.engine.dispose()  # they were killed as well

    def test_a_job_that_waits_already_wakes_whoever_comes(
        self, storage: SqlStorageProvider, elsewhere: SqlStorageProvider
    ) -> None:
        enqueued(elsewhere)
        with closing(storage.listener()) as listener:
            assert listener.wait(LONG) is True


class TestQueues:
    def test_only_those_who_serve_a_queue_are_woken(self, postgresql: URL) -> None:
        with SqlStorageProvider(postgresql) as storage, SqlStorageProvider(postgresql) as elsewhere:
            storage.set_up()
            with closing(watching(storage)) as anything, closing(storage.listener(["mail"])) as mail:
                elsewhere.insert([a_job(queue="reports")])
                assert anything.wait(LONG) is True
                assert mail.wait(0) is False
                elsewhere.insert([a_job(queue="mail")])
                assert mail.wait(LONG) is True
            remove_everything(storage)

    def test_names_of_queues_that_are_too_long_together_wake_everybody(self, postgresql: URL) -> None:
        with SqlStorageProvider(postgresql) as storage, SqlStorageProvider(postgresql) as elsewhere:
            storage.set_up()
            with closing(watching(storage)), closing(storage.listener(["other"])) as other:
                elsewhere.insert([a_job(queue=f"{n:_>100}") for n in range(100)])
                assert other.wait(LONG) is True
            remove_everything(storage)


class TestCost:
    def test_many_jobs_are_few_notifications(self, postgresql: URL) -> None:
        with SqlStorageProvider(postgresql) as storage:
            storage.set_up()
            notifier = storage._dialect._notifier
            notify, sent, all_there = notifier._notify, [], threading.Event()

            def count(connection: Connection, parameters: Mapping[str, Any]) -> int:
                sent.append(parameters)
                assert all_there.wait(LONG)  # a notification that takes its time
                return notify(connection, parameters)

            notifier._notify = count
            for _ in range(300):
                enqueued(storage)
            all_there.set()
            storage._dialect.close()
            assert 1 <= len(sent) <= 2
        with SqlStorageProvider(postgresql) as storage:
            remove_everything(storage)

    def test_all_listeners_share_one_watcher_which_ends_with_the_last(self, storage: SqlStorageProvider) -> None:
        first, second = watching(storage), storage.listener()
        watcher = storage._wake_ups._watcher
        assert watcher is not None
        first.close()
        assert storage._wake_ups._watcher is watcher
        second.close()
        assert storage._wake_ups._watcher is None
        assert not watcher._thread.is_alive()


def test_who_has_to_ask_asks_often_while_it_is_always_another_job_that_waits(storage: SqlStorageProvider) -> None:
    """The pauses between looks are told by the waits for `stopped`; in each of them something happens."""
    pauses: list[float] = []
    server = announced(storage)

    class Stopped(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            pauses.append(timeout)
            if len(pauses) < 5:
                (job,) = storage.claim(server.id, server.name, 1)
                storage.update([succeed(job, storage.now())])
                enqueued(storage)
            return len(pauses) == 8

    dialect = storage._dialect
    watcher = PollingWatcher(dialect.engine, dialect.tables, lambda queues: None)
    watcher.stopped = Stopped()
    enqueued(storage)
    watcher.watch()

    often, seldom = pauses[:5], pauses[5:]  # at the end, the same job stays
    assert set(often) == {PollingWatcher._SHORTEST}
    assert seldom == sorted(set(seldom)) and seldom[0] > PollingWatcher._SHORTEST
