"""MySQL 8.0.17 and MariaDB 10.6, or newer, by PyMySQL."""

from __future__ import annotations

import socket
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Engine,
    LargeBinary,
    Select,
    Table,
    cast,
    create_engine,
    event,
    func,
    inspect,
    literal_column,
    text,
)
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.exc import DBAPIError, InterfaceError

from jobrunr.errors import StorageSetupError
from jobrunr.storage.sql.column_types import UtcTime
from jobrunr.storage.sql.deadlines import DeadlinePool
from jobrunr.storage.sql.dialects.base import WITHOUT_LIMIT, Dialect, Trouble
from jobrunr.storage.sql.dialects.mysql_presence import NamedLock, absent
from jobrunr.storage.sql.dialects.mysql_silence import (
    be_patient_again,
    end_if_silent,
    is_mariadb,
    limits_of_silence,
    replace_what_was_idle,
)
from jobrunr.storage.sql.presence import SqlPresence
from jobrunr.storage.sql.tables import Tables
from jobrunr.storage.sql.waking import PollingWatcher, Queues, Watcher

DUPLICATE_ENTRY = 1062

_KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 25_000}
"""After how long, in seconds and at last in milliseconds, a connection is taken for dead whose other end answers nothing."""

_LOCK = 0.6
"""The share of the time of a call that a statement may wait for a lock: the database is to give up first, and to say so."""

_CONFLICTS = frozenset({1205, 1213, 1020})  # waited too long for a lock, deadlock, record has changed since last read
_LOST = frozenset({2006, 2013, 2014, 2055, 1927, 4031})  # gone away, lost, out of step, lost, killed, idle for too long
_UNAVAILABLE = (
    frozenset(
        {2002, 2003, 2005, 1040, 1203, 1129, 1053, 1158, 1159, 1160, 1161}
    )  # no way to the server, or it is full or ends
    | frozenset({1290, 1836, 1792})  # read-only
    | frozenset({1969, 3024, 1317, 1021, 1114, 1047})  # too slow, interrupted, disk or table full, not part of its cluster
)
_NO_SUCH_DATABASE, _NO_SUCH_TABLE = 1049, 1146
_WRONG_SET_UP = frozenset({1044, 1045, 1698, 1130, 1142, 1143, _NO_SUCH_DATABASE})  # access denied, six ways


class MysqlDialect(Dialect):
    """A database of MySQL or MariaDB."""

    name: ClassVar[str] = "mysql"
    partial_indexes: ClassVar[bool] = False
    database_clock: ClassVar[ColumnElement[Any] | None] = literal_column("UTC_TIMESTAMP(6)", UtcTime())

    @classmethod
    def make_engine(cls, url: URL, timeout: timedelta | None) -> Engine:
        settings = "time_zone = '+00:00', sql_mode = CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES')"
        options: dict[str, Any] = {}
        if timeout is not None:
            seconds = timeout.total_seconds()
            settings += f", innodb_lock_wait_timeout = {_whole(seconds * _LOCK)}"
            settings += limits_of_silence(_whole(seconds))
            options |= {"poolclass": DeadlinePool, "pool_timeout": seconds}
            limits = ("connect_timeout", "read_timeout", "write_timeout")
            options["connect_args"] = dict.fromkeys(limits, _whole(seconds))
        else:
            options |= WITHOUT_LIMIT
        options.setdefault("connect_args", {})["init_command"] = f"SET SESSION {settings}"
        # Every transaction of ours ends before its connection goes back; a ROLLBACK then would be one more round trip.
        options["pool_reset_on_return"] = None
        engine = create_engine(url, hide_parameters=True, isolation_level="READ COMMITTED", **options)
        if timeout is not None:
            replace_what_was_idle(engine, _whole(timeout.total_seconds()))
        if engine.dialect.driver == "pymysql":
            event.listen(engine, "connect", _notice_silence)
            if timeout is not None:
                # An optional driver: whoever uses another database does not have it.
                from jobrunr.storage.sql.dialects.pymysql_deadlines import connect_with_deadline  # noqa: PLC0415

                event.listen(engine, "do_connect", connect_with_deadline)
        return engine

    @classmethod
    def adopt_engine(cls, engine: Engine) -> Engine:
        return engine.execution_options(isolation_level="READ COMMITTED")

    @contextmanager
    def lending(self) -> Iterator[Connection]:
        with self.lent.connect() as connection:
            try:
                with connection.begin():
                    yield connection
            finally:
                be_patient_again(connection)

    def end_if_silent(self, connection: Connection) -> None:
        end_if_silent(connection, _whole(self.seconds))

    def tuple_cursor(self, driver: Any) -> Any:
        return driver.cursor(self.engine.dialect.loaded_dbapi.cursors.Cursor)

    def url_of(self, driver: Any) -> URL:
        host, port, database = (getattr(driver, name, None) for name in ("host", "port", "db"))
        named = database.decode() if isinstance(database, bytes) else database
        return URL.create(self.engine.url.drivername, host=host, port=port, database=named)

    def by_index(self, selection: Select[*tuple[Any, ...]], table: Table, index: str) -> Select[*tuple[Any, ...]]:
        # MySQL reads a small table as a whole, and locks all of it for whoever wants the first rows alone.
        return selection.with_hint(table, f"FORCE INDEX ({self.tables.name(index)})")

    def raw(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        return cast(column, LargeBinary)

    def contains(self, column: ColumnElement[Any], piece: ColumnElement[str]) -> ColumnElement[bool]:
        return func.instr(column, piece) > 0

    def insert_missing(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        # Differs because INSERT IGNORE would ignore all other mistakes as well.
        first = next(iter(table.primary_key))
        connection.execute(insert(table).on_duplicate_key_update({first.name: first}), rows)

    def insert_or_replace(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        statement = insert(table)
        values = {column.name: statement.inserted[column.name] for column in table.c if not column.primary_key}
        connection.execute(statement.on_duplicate_key_update(values), rows)

    def make_watcher(self, on_news: Callable[[Queues], None]) -> Watcher:
        return PollingWatcher(self.server_engine, self.tables, on_news)

    def make_presence(self, server_id: UUID) -> SqlPresence | None:
        return NamedLock.taken(self.engine, server_id) if self.engine.dialect.driver == "pymysql" else None

    def absent(self, connection: Connection, server_ids: Collection[UUID]) -> frozenset[UUID]:
        return absent(connection, server_ids)

    def check(self, connection: Connection) -> None:
        version = connection.dialect.server_version_info or ()
        kind, wanted = ("MariaDB", (10, 6)) if is_mariadb(connection) else ("MySQL", (8, 0, 17))
        if version < wanted:
            raise StorageSetupError(
                f"This is {kind} {'.'.join(map(str, version))}; {kind} {'.'.join(map(str, wanted))} or newer is needed."
            )

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        with self.unhurried() as connection:
            lock = {"name": _lock_name(connection, self.tables)}
            while not connection.execute(text("SELECT GET_LOCK(:name, 5)"), lock).scalar():
                pass  # somebody is at it
            connection.commit()
            schema = self.tables.schema
            if schema is not None and not inspect(connection).has_schema(schema):
                # Differs because a schema is a whole database here, and a mistyped one should not come into being.
                raise StorageSetupError(
                    f"There is no database {schema!r} on this server, which is what the setting schema names here. Correct "
                    f"it or leave it out, or create the database first: CREATE DATABASE `{schema}`."
                )
            yield connection
            connection.commit()

    def trouble(self, error: DBAPIError) -> Trouble | None:
        code = error.orig.args[0] if error.orig is not None and error.orig.args else None
        if code in _CONFLICTS:
            return Trouble.CONFLICT
        if error.connection_invalidated or code in _LOST or isinstance(error, InterfaceError):
            return Trouble.LOST
        if code == _NO_SUCH_TABLE or (code == _NO_SUCH_DATABASE and error.statement is not None):  # of the schema, there
            return Trouble.NO_TABLE
        if code in _WRONG_SET_UP:
            return Trouble.WRONG_SET_UP
        return Trouble.UNAVAILABLE if code in _UNAVAILABLE else None


def _whole(seconds: float) -> int:
    """What the server and most drivers understand."""
    return max(1, int(seconds))


def _notice_silence(driver: Any, record: object) -> None:
    """A statement may last, but a server that is there acknowledges what it gets."""
    connected: socket.socket = driver._sock  # noqa: SLF001 - there is no other way to it
    if connected.family != socket.AF_UNIX:
        for name in _KEEPALIVE.keys() & vars(socket):  # not all of them are on each system
            connected.setsockopt(socket.IPPROTO_TCP, vars(socket)[name], _KEEPALIVE[name])


def _lock_name(connection: Connection, tables: Tables) -> str:
    """The name of a lock that belongs to these tables; locks are common to all databases of a server."""
    schema = tables.schema or connection.execute(text("SELECT DATABASE()")).scalar_one()
    return f"jobrunr-migration-{zlib.crc32(f'{schema}.{tables.prefix}'.encode())}"
