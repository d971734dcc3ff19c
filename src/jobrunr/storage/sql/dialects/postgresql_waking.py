"""Waking up on PostgreSQL: LISTEN and NOTIFY.

A commit with NOTIFY takes a lock on the whole instance, so the transactions that enqueue jobs never do. A thread behind them
does, on a connection of its own and without waiting for the disk, and says once what many have enqueued in the meantime.
A notification that is lost costs the time until the next poll.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import selectors
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine, text

from jobrunr.storage.sql.dialects.base import Run
from jobrunr.storage.sql.dialects.postgresql_pooler import is_pooled
from jobrunr.storage.sql.tables import Tables
from jobrunr.storage.sql.waking import PollingWatcher, Queues

_log = logging.getLogger("jobrunr.storage")

_MAX_PAYLOAD = 7999
"""What PostgreSQL takes as the payload of a notification, in bytes."""

NOTIFY = text("SELECT pg_notify(:channel, :payload)")


def channel_of(connection: Connection, tables: Tables) -> str:
    """The channel for these tables: another one for other tables in the same database, no longer than a name may be."""
    schema = tables.schema or connection.exec_driver_sql("SELECT current_schema()").scalar_one() or "public"
    return f"{tables.prefix}{schema}"[:63]


class Notifier:
    """Sends notifications from a thread of its own, at most one in a few milliseconds.

    Arguments:
        engine: makes connections that commit every statement.
        tables: whose news.
        notify: runs `NOTIFY` on a connection.
    """

    _INTERVAL = 0.01
    _IDLE = 60.0
    """Seconds after which the thread gives back its connection and ends."""

    def __init__(self, engine: Engine, tables: Tables, notify: Run) -> None:
        self._engine = engine
        self._tables = tables
        self._notify = notify
        self.backend_pid: int | None = None
        """Which process of the server sends for us: a listener of ours need not listen to it."""
        self.start_anew_after_fork()
        _notifiers.add(self)

    def start_anew_after_fork(self) -> None:
        """The thread and what it had to say stayed in the parent."""
        self._changed = threading.Condition()
        self._news: set[str] | None = set()
        self._is_closing = False
        self._thread: threading.Thread | None = None
        self.backend_pid = None

    def tell(self, queues: Queues) -> None:
        """Say soon that these queues got jobs."""
        with self._changed:
            is_first = self._news == set()
            if queues is None or self._news is None:
                self._news = None
            else:
                self._news.update(queues)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="jobrunr-Notifier", daemon=True)
                self._thread.start()
            if is_first:  # otherwise it is on its way
                self._changed.notify()

    def close(self) -> None:
        """Say what is left to say, and end."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join(timeout=2)

    def _run(self) -> None:
        connection: Connection | None = None
        channel = ""
        try:
            while (news := self._next_news()) != set():
                try:
                    if connection is None:
                        connection, channel = self._connect()
                    self._notify(connection, {"channel": channel, "payload": payload_of(news)})
                except Exception as error:  # noqa: BLE001 - a hint less; whoever waits for it polls
                    _log.debug("other processes were not told about new jobs: %s", error)
                    if connection is not None:
                        _discard(connection)
                    connection = None
                time.sleep(self._INTERVAL)
        finally:
            if connection is not None:
                connection.close()

    def _next_news(self) -> set[str] | None:
        """What is to be said, None for everything; an empty set when it is time to end."""
        with self._changed:
            if self._news == set() and not self._is_closing:
                self._changed.wait(self._IDLE)
            news, self._news = self._news, set()
            if news == set():
                self._thread = None  # under the lock: who comes now starts another
            return news

    def _connect(self) -> tuple[Connection, str]:
        connection = self._engine.connect()
        connection.detach()
        driver: Any = connection.connection.dbapi_connection
        try:
            if connection.dialect.driver == "psycopg" and not is_pooled(driver):  # with others we cannot tell
                connection.exec_driver_sql("SET synchronous_commit TO off")
                self.backend_pid = driver.info.backend_pid
            return connection, channel_of(connection, self._tables)
        except BaseException:
            _discard(connection)
            raise


def _discard(connection: Connection) -> None:
    """Close a connection that is no pool's and that something is wrong with, which SQLAlchemy would only forget."""
    if not connection.invalidated:
        driver: Any = connection.connection.dbapi_connection
        connection.invalidate()
        driver.close()
    connection.close()


_notifiers: weakref.WeakSet[Notifier] = weakref.WeakSet()


@atexit.register
def _say_what_is_left() -> None:
    """A program that enqueues and ends has told the others."""
    for notifier in list(_notifiers):
        notifier.close()


def payload_of(news: Queues) -> str:
    """The queues that got jobs; nothing stands for any."""
    text = "" if news is None else json.dumps(sorted(news))
    return text if len(text) <= _MAX_PAYLOAD else ""


def _queues_of(payload: str) -> Queues:
    try:
        queues = json.loads(payload) if payload else None
    except ValueError:
        return None
    return queues if isinstance(queues, list) else None


class ChannelWatcher(PollingWatcher):
    """Listens on a channel, on a connection of its own. Behind a pooler nothing is heard there, so it looks instead."""

    _PROBE = 30.0
    """Seconds of silence after which the connection is asked whether it is still one."""

    def __init__(self, engine: Engine, tables: Tables, notifier: Notifier, on_news: Callable[[Queues], None]) -> None:
        super().__init__(engine, tables, on_news)
        self._tables = tables
        self._notifier = notifier
        self._any_enqueued = tables.any_enqueued()
        self._wake_end, self._wake = os.pipe()

    def interrupt(self) -> None:
        os.write(self._wake, b".")

    def watch(self) -> None:
        with self._engine.connect() as connection:
            connection.detach()
            try:
                if not is_pooled(connection.connection.dbapi_connection):
                    self._listen(connection)
                    return
            except BaseException:
                _discard(connection)
                raise
        _log.info(
            "a connection pooler stands between us and the database: new jobs are looked for, because nobody can tell us"
        )
        super().watch()

    def _listen(self, connection: Connection) -> None:
        with selectors.DefaultSelector() as selector:
            driver: Any = connection.connection.dbapi_connection
            driver.add_notify_handler(lambda notify: self._hear(notify.pid, notify.payload))
            channel = channel_of(connection, self._tables)
            connection.exec_driver_sql(f'LISTEN "{channel}"')
            self.watching(is_work_waiting=connection.execute(self._any_enqueued).first() is not None)
            selector.register(driver.fileno(), selectors.EVENT_READ)
            selector.register(self._wake_end, selectors.EVENT_READ)
            while not self.stopped.is_set():
                if not selector.select(self._PROBE):
                    connection.exec_driver_sql("SELECT 1")
                    continue
                driver.pgconn.consume_input()
                while notification := driver.pgconn.notifies():
                    self._hear(notification.be_pid, notification.extra.decode())

    def _hear(self, sender: int, payload: str) -> None:
        if sender != self._notifier.backend_pid:
            self.on_news(_queues_of(payload))

    def give_back(self) -> None:
        os.close(self._wake_end)
        os.close(self._wake)
