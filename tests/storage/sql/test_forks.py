"""A process that forks: the child has connections of its own, and the parent's stay what they were."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import URL

from jobrunr.storage.sql import SqlStorageProvider
from jobrunr.testing.factories import enqueued

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")


def in_a_fork(work: Callable[[], Any]) -> Any:
    """Run a function in the child of a fork, and return what it returns."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer: Any = work()
        except BaseException as error:
            answer = repr(error)
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(answer, pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pickle.load(pipe)
    os.waitpid(child, 0)
    return answer


def connection_id(storage: SqlStorageProvider) -> object:
    ask = {"postgresql": "SELECT pg_backend_pid()", "mysql": "SELECT CONNECTION_ID()", "sqlite": "SELECT 1"}
    with storage._dialect.reading(storage._dialect.engine) as connection:
        return connection.exec_driver_sql(ask[storage._dialect.name]).scalar_one()


class TestForks:
    def test_parent_and_child_share_no_connection(self, empty_database: URL) -> None:
        with SqlStorageProvider(empty_database) as storage:
            storage.set_up()
            mine = connection_id(storage)
            job = enqueued(storage)

            found, theirs = in_a_fork(lambda: (storage.get(job.id), connection_id(storage)))

            assert found == job
            assert storage.get(job.id) == job
            if storage._dialect.name != "sqlite":
                assert theirs != mine

    def test_a_child_can_write_though_a_thread_of_the_parent_was_writing(self, empty_database: URL) -> None:
        writing, done = threading.Event(), threading.Event()

        def write_slowly() -> None:
            with storage._dialect.writing(storage._dialect.engine) as connection:
                if storage._dialect.name == "sqlite":
                    connection.rollback()  # the file is free again, only the lock inside the parent is not
                writing.set()
                done.wait(30)

        with SqlStorageProvider(empty_database) as storage, ThreadPoolExecutor(1) as thread:
            storage.set_up()
            slow = thread.submit(write_slowly)
            writing.wait(30)
            name = in_a_fork(lambda: enqueued(storage).name)
            done.set()
            slow.result()
            assert name == enqueued(storage).name

    def test_a_child_can_listen_and_tell(self, empty_database: URL) -> None:
        def listen_in_child() -> bool:
            with closing(storage.listener()) as listener:
                enqueued(storage)
                woken = listener.wait(30)
            storage.close()  # says what is left to say
            return woken

        with SqlStorageProvider(empty_database) as storage:
            storage.set_up()
            enqueued(storage)
            with closing(storage.listener()) as listener:
                assert listener.wait(30) is True
                assert in_a_fork(listen_in_child) is True
                assert listener.wait(30) is True
