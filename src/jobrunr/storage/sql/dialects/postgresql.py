"""PostgreSQL 12 or newer, by psycopg 3."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, ClassVar

from sqlalchemy import (
    ARRAY,
    URL,
    ColumnElement,
    Connection,
    Engine,
    Table,
    Text,
    any_,
    bindparam,
    cast,
    create_engine,
    event,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.exc import DBAPIError

from jobrunr.clock import Clock
from jobrunr.errors import StorageSetupError
from jobrunr.storage.sql.column_types import Id, UtcTime
from jobrunr.storage.sql.dialects.base import Trouble
from jobrunr.storage.sql.dialects.on_conflict import OnConflictDialect
from jobrunr.storage.sql.dialects.postgresql_waking import ChannelWatcher, Notifier
from jobrunr.storage.sql.tables import Tables
from jobrunr.storage.sql.waking import Queues, Watcher

_CONFLICTS = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected
_UNAVAILABLE_CLASSES = frozenset({"08", "53", "57", "58"})  # connection, resources, operator intervention, system
_UNAVAILABLE = frozenset({"25006", "25P03", "25P04", "55P03"})  # read-only, idle or long in a transaction, lock not available


class PostgresqlDialect(OnConflictDialect):
    """A database of PostgreSQL."""

    name: ClassVar[str] = "postgresql"
    partial_indexes: ClassVar[bool] = True
    database_clock: ClassVar[ColumnElement[Any] | None] = func.statement_timestamp(type_=UtcTime())

    def __init__(self, engine: Engine, tables: Tables, clock: Clock | None, timeout: timedelta) -> None:
        super().__init__(engine, tables, clock, timeout)
        # Differs because a statement alone is a transaction, and BEGIN and COMMIT around it are two round trips more.
        self._autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._read_committed = engine.execution_options(isolation_level="READ COMMITTED")
        self._notifier = Notifier(self._autocommit, tables)

    @classmethod
    def make_engine(cls, url: URL, timeout: timedelta) -> Engine:
        engine = create_engine(
            url, hide_parameters=True, connect_args=_connect_args(url, timeout), pool_reset_on_return=None, pool_timeout=timeout.total_seconds()
        )
        if engine.dialect.driver == "psycopg":
            from jobrunr.storage.sql.dialects.psycopg_deadlines import connect_with_deadline  # noqa: PLC0415 - optional driver

            event.listen(engine, "do_connect", connect_with_deadline(timeout))
        return engine
