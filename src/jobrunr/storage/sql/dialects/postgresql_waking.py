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
import select
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy import select as select_sql

from jobrunr.states import JobState
from jobrunr.storage.sql.tables import Tables
from jobrunr.storage.sql.waking import Queues, Watcher

_log = logging.getLogger("jobrunr.storage")

_MAX_PAYLOAD = 7999
"""What PostgreSQL takes as payload of a notification, in bytes."""


def channel_of(connection: Connection, tables: Tables) -> str:
    """The channel for these tables: another one for other tables in the same database, and never longer than a name may be."""
    schema = tables.schema or connection.exec_driver_sql("SELECT current_schema()").scalar_one() or "public"
    return f"{tables.prefix}{schema}"[:63]


class Notifier:
    """Sends notifications from a thread of its own, at most one in a few milliseconds.

    Arguments:
        engine: makes connections that commit every statement.
        tables: which channel.
    """

    _INTERVAL = 0.005
    _IDLE = 60.0
    """Seconds after which the thread gives back its connection and ends."""

    def __init__(self, engine: Engine, tables: Tables) -> None:
        self._engine = engine
        self._tables = tables
        self._changed = threading.Condition()
        self._news: set[str] = set()
        self._is_any = False
        self._thread: threading.Thread | None = None
        self._is_sending = False
        self._closing = False
