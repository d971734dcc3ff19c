"""Locks that prove that a process lives.

Most databases release the locks of a session the moment its connection ends, and the operating system ends the connections
of a process that dies. So the lock has a connection of its own. That connection says nothing: a thread waits on its socket,
and takes the lock anew, on another, as soon as it is cut.
"""

from __future__ import annotations

import logging
import os
import selectors
import threading
import time
from abc import abstractmethod
from typing import Any, Self
from uuid import UUID

from sqlalchemy import Engine, PoolProxiedConnection

from jobrunr.storage.presence import Presence

_log = logging.getLogger("jobrunr.storage")


class SqlPresence(Presence):
    """A lock of one server."""

    @abstractmethod
    def let_go_after_fork(self) -> None:
        """In the child of a fork: hold nothing that would keep the lock of the parent alive, and do not release it."""


class NoSessionError(Exception):
    """Locks of a session cannot be relied upon here. The message says why."""


class ConnectionPresence(SqlPresence):
    """Holds a lock on a connection of its own, which is never one of the pool: a process that was forked may have those too.

    Arguments:
        engine: knows how to connect.
        server_id: whose lock.

    Raises:
        NoSessionError: such locks do not work here. Where it is only the connection that could not be made, one is tried for
            until it can.
    """

    _PROBE = 30.0
    """Seconds of silence after which the connection is asked whether it is still one."""
    _FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
    """Seconds between tries to take the lock anew. Others look twice, and 0.7 seconds apart at least."""

    def __init__(self, engine: Engine, server_id: UUID) -> None:
        self._pool = engine.pool.recreate()
        self._server_id = server_id
        self._held_since: float | None = None
        self._descriptor = -1
        self._stopped = threading.Event()
        connection = self._first()
        self._wake_end, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._run, args=(connection,), name="jobrunr-presence", daemon=True)
        self._thread.start()

    @classmethod
    def taken(cls, engine: Engine, server_id: UUID) -> Self | None:
        """The lock, or None where there cannot be one. A server does without it as well."""
        try:
            return cls(engine, server_id)
        except NoSessionError as error:
            _log.info("whether this process lives is known by its heartbeats alone: %s", error)
            return None

    @property
    def held_for(self) -> float:
        held_since = self._held_since
        return 0.0 if held_since is None else time.monotonic() - held_since

    def close(self) -> None:
        if self._stopped.is_set():
            return
        self._stopped.set()
        os.write(self._wake, b".")
        self._thread.join(timeout=5)
        if not self._thread.is_alive():
            os.close(self._wake_end)
            os.close(self._wake)

    def let_go_after_fork(self) -> None:
        if self._descriptor >= 0:
            # Closed would be wrong: the number could become another file, and the driver still believes that it is its own.
            nothing = os.open(os.devnull, os.O_RDWR)
            os.dup2(nothing, self._descriptor, inheritable=False)
            os.close(nothing)

    # -- what differs

    @abstractmethod
    def descriptor_of(self, driver: Any) -> int:
        """The socket of a connection."""

    @abstractmethod
    def take_lock(self, driver: Any, server_id: UUID) -> bool:
        """Take the lock on a connection. False while another connection holds it: an old one of ours, of which the database
        does not know yet that it is gone.

        Raises:
            NoSessionError: such locks do not work here.
        """

    @abstractmethod
    def hear(self, driver: Any) -> None:
        """Take in what has arrived on the socket. An error of the driver when the connection is cut."""

    @abstractmethod
    def probe(self, driver: Any) -> None:
        """Ask whether the connection is still one. An error of the driver when it is not."""

    # -- the thread

    def _first(self) -> PoolProxiedConnection | None:
        """The first connection, or None when there was none to be had."""
        try:
            return self._take()
        except NoSessionError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the driver raises
            _log.info("until we have its lock, whether this process lives is known by its heartbeats alone: %s", error)
            return None

    def _run(self, connection: PoolProxiedConnection | None) -> None:
        pause = self._FIRST_PAUSE
        while not self._stopped.is_set():
            try:
                connection = connection or self._take()
                pause = self._FIRST_PAUSE
                self._watch(connection.dbapi_connection)
            except Exception as error:  # noqa: BLE001 - whatever it is, we try again
                _log.debug("the lock that proves that this process lives was lost or not had (%s); trying again", error)
                self._release(connection)
                connection = None
                self._stopped.wait(self._PROBE if isinstance(error, NoSessionError) else pause)
                pause = min(pause * 2, self._LONGEST_PAUSE)
        self._release(connection)

    def _take(self) -> PoolProxiedConnection:
        connection = self._pool.connect()
        connection.detach()
        try:
            self._descriptor = self.descriptor_of(connection.dbapi_connection)
            if not self.take_lock(connection.dbapi_connection, self._server_id):
                raise BlockingIOError("another connection holds the lock of this server")
        except BaseException:
            self._release(connection)
            raise
        self._held_since = time.monotonic()
        return connection

    def _watch(self, driver: Any) -> None:
        """Wait until the connection is cut, or nobody wants the lock any more."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.descriptor_of(driver), selectors.EVENT_READ, self.hear)
            selector.register(self._wake_end, selectors.EVENT_READ)
            while not self._stopped.is_set():
                events = selector.select(self._PROBE)
                for key, _ in events:
                    if key.data is not None:
                        key.data(driver)
                if not events:
                    self.probe(driver)

    def _release(self, connection: PoolProxiedConnection | None) -> None:
        self._held_since = None
        self._descriptor = -1
        if connection is not None:
            try:
                connection.close()
            except Exception as error:  # noqa: BLE001 - it was cut, and is gone in any case
                _log.debug("a connection that was cut does not close well: %s", error)
