"""PostgreSQL 12 or newer, by psycopg 3."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from functools import cached_property
from types import TracebackType
from typing import Any, ClassVar
from uuid import UUID

import msgspec
from sqlalchemy import (
    ARRAY,
    URL,
    ColumnElement,
    Connection,
    Engine,
    Insert,
    Table,
    Text,
    TextClause,
    any_,
    bindparam,
    cast,
    collate,
    create_engine,
    event,
    func,
    inspect,
    text,
)
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.schema import CreateSchema

from jobrunr.clock import Clock
from jobrunr.errors import StorageSetupError
from jobrunr.storage.sql.column_types import UtcTime
from jobrunr.storage.sql.deadlines import DeadlinePool
from jobrunr.storage.sql.dialects.base import WITHOUT_LIMIT, Dialect, Run, Trouble
from jobrunr.storage.sql.dialects.postgresql_pooler import is_pooled
from jobrunr.storage.sql.dialects.postgresql_presence import AdvisoryLock, absent
from jobrunr.storage.sql.dialects.postgresql_waking import NOTIFY, ChannelWatcher, Notifier, channel_of, payload_of
from jobrunr.storage.sql.dialects.psycopg_direct import DirectStatement
from jobrunr.storage.sql.presence import SqlPresence
from jobrunr.storage.sql.server_engine import KEPT, KEPT_FOR_CLAIMS, engine_for_servers
from jobrunr.storage.sql.tables import Tables
from jobrunr.storage.sql.waking import PollingWatcher, Queues, Watcher

_STATEMENT = 0.6
"""The share of the time of a call that a statement may take: the database is to give up first, and to say so."""

_ACTIVE, _IN_TRANSACTION = 1, 2
"""States of a connection, as libpq counts: an answer is on its way; a transaction is begun, idle, and not failed."""

_BINARY = 1
"""A form of values in answers, as libpq counts: those that need not be read as text."""

_NEVER = 2**62
"""Uses after which psycopg prepares a statement unasked. None would keep it from preparing when asked, too."""

_NOT_FOR_CLAIMS = ("enable_seqscan", "enable_bitmapscan", "enable_sort", "enable_hashjoin", "enable_mergejoin", "jit")
"""What only helps those who read many rows, or compile for them."""

_CONFLICTS = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected
_ENDED = frozenset({"57P01", "57P02", "57P05"})  # the last words of a connection: by an administrator, in a crash, as idle
_UNAVAILABLE_CLASSES = frozenset({"08", "53", "57", "58"})  # connection, resources, operator intervention, system
_UNAVAILABLE = frozenset(
    {"25006", "25P03", "25P04", "55P03"}
)  # read-only, idle or long in a transaction, lock not available

_NO_TABLE = frozenset({"42P01"})  # undefined_table
_WRONG_SET_UP = frozenset({"3D000", "28000", "28P01", "42501"})  # no such database or user, wrong password, no such right
_REFUSED = re.compile(
    r'database ".*" does not exist|role ".*" does not exist|password authentication failed|no pg_hba\.conf entry'
    "|unsupported startup parameter"
)
"""The same while connecting, when psycopg has only the words of the server (in English, as long as nobody changed that)."""


class PostgresqlDialect(Dialect):
    """A database of PostgreSQL."""

    name: ClassVar[str] = "postgresql"
    partial_indexes: ClassVar[bool] = True
    reads_what_it_writes: ClassVar[bool] = True
    database_clock: ClassVar[ColumnElement[Any] | None] = func.statement_timestamp(type_=UtcTime())

    def __init__(self, engine: Engine, tables: Tables, clock: Clock | None, timeout: timedelta, *, owned: bool) -> None:
        super().__init__(engine, tables, clock, timeout, owned=owned)
        self._notifier = Notifier(self.server_engine, tables, self.shortest_way(NOTIFY))

    @staticmethod
    def engines_for_servers(engine: Engine) -> tuple[Engine, Engine]:
        if engine.dialect.driver != "psycopg" or engine_for_servers(engine) is engine:
            return Dialect.engines_for_servers(engine)  # of other drivers we cannot tell who is pooled
        claims = engine_for_servers(engine, KEPT_FOR_CLAIMS)
        event.listen(claims.pool, "connect", _plan_once)
        event.listen(claims.pool, "connect", _answer_in_binary)
        return engine_for_servers(engine, KEPT - KEPT_FOR_CLAIMS), claims

    @classmethod
    def make_engine(cls, url: URL, timeout: timedelta | None) -> Engine:
        is_psycopg = url.get_driver_name() == "psycopg"
        # Every transaction of ours ends before its connection goes back.
        options: dict[str, Any] = {"pool_reset_on_return": None}
        if timeout is not None:
            options |= {"poolclass": DeadlinePool, "pool_timeout": timeout.total_seconds()}
        else:
            options |= WITHOUT_LIMIT
        if is_psycopg:
            options["connect_args"] = _connect_args(url, timeout)
        engine = create_engine(url, hide_parameters=True, isolation_level="AUTOCOMMIT", **options)
        if is_psycopg and timeout is not None:
            # An optional driver: whoever uses another database does not have it.
            from jobrunr.storage.sql.dialects.psycopg_deadlines import connect_with_deadline  # noqa: PLC0415

            event.listen(engine, "do_connect", connect_with_deadline(timeout))
        return engine

    @classmethod
    def adopt_engine(cls, engine: Engine) -> Engine:
        # Differs because a statement alone is a transaction here; BEGIN and COMMIT around it are two round trips more.
        return engine.execution_options(isolation_level="AUTOCOMMIT")

    def reading(self, engine: Engine) -> AbstractContextManager[Connection]:
        return _Answered(engine.connect())

    @contextmanager
    def writing(self, engine: Engine) -> Iterator[Connection]:
        if engine.dialect.driver != "psycopg":  # others, psycopg2 for one, do not commit what they have not begun themselves
            with engine.connect().execution_options(isolation_level="READ COMMITTED") as connection, connection.begin():
                yield connection
            return
        with self.reading(engine) as connection:
            connection.exec_driver_sql("BEGIN ISOLATION LEVEL READ COMMITTED")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def end_if_silent(self, connection: Connection) -> None:
        limit = text("SELECT set_config('idle_in_transaction_session_timeout', :milliseconds, true)")
        connection.execute(limit, {"milliseconds": f"{self.seconds * 1000:.0f}"})

    def check_transactional(self, connection: Connection) -> None:
        driver: Any = connection.connection.dbapi_connection
        if getattr(getattr(driver, "info", None), "transaction_status", None) != _IN_TRANSACTION:
            super().check_transactional(connection)

    def tuple_cursor(self, driver: Any) -> Any:
        from psycopg.rows import tuple_row  # noqa: PLC0415 - an optional driver

        return driver.cursor(row_factory=tuple_row)

    def url_of(self, driver: Any) -> URL:
        place = driver.info
        return self.engine.url.set(host=place.host, port=place.port, database=place.dbname)

    def tell_at_commit(self, connection: Connection, queues: Queues) -> None:
        # Differs because a notification is sent with the commit; that it locks the whole instance for a moment is the price
        # of a connection that does not say when it is committed.
        connection.execute(NOTIFY, {"channel": self._channel, "payload": payload_of(queues)})

    @cached_property
    def _channel(self) -> str:
        with self.engine.connect() as connection:
            return channel_of(connection, self.tables)

    @contextmanager
    def lending(self) -> Iterator[Connection]:
        lent = self.lent.connect().execution_options(isolation_level="READ COMMITTED")
        with _Answered(lent) as connection, connection.begin():
            yield connection

    def writing_once(self, engine: Engine) -> AbstractContextManager[Connection]:
        return self.reading(engine)

    def shortest_way(self, statement: TextClause) -> Run:
        if self.engine.dialect.driver != "psycopg":
            return super().shortest_way(statement)
        # With an engine of the application's it is the application that decides; a pooler may stand in the way.
        return DirectStatement(self.engine.dialect, statement, prepare=self.owned)

    def among(self, column: ColumnElement[Any]) -> ColumnElement[bool]:
        return column == any_(bindparam("ids", type_=ARRAY(column.type)))

    def by_code_point(self, column: ColumnElement[str]) -> ColumnElement[str]:
        return collate(column, "C")

    def folded(self, column: ColumnElement[str]) -> ColumnElement[str]:
        return func.lower(collate(column, "C"))  # differs because other collations take many times as long

    def raw(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        return cast(column, Text)

    def contains(self, column: ColumnElement[Any], piece: ColumnElement[str]) -> ColumnElement[bool]:
        return func.strpos(column, piece) > 0

    def insert(self, connection: Connection, statement: Insert, rows: Sequence[Mapping[str, Any]]) -> None:
        assert isinstance(statement.table, Table)
        self._insert(connection, statement.table, rows, "NOTHING")

    def insert_missing(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        self._insert(connection, table, rows, "NOTHING")

    def insert_or_replace(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        keys = table.primary_key.columns.keys()
        # No statement may replace what it has inserted itself: of several rows under one key, the last one counts.
        last = [*{tuple(row[key] for key in keys): row for row in rows}.values()]
        quote = connection.dialect.identifier_preparer.quote
        others = ", ".join(f"{quote(name)} = excluded.{quote(name)}" for name in last[0] if name not in keys)
        self._insert(connection, table, last, f"UPDATE SET {others}", ", ".join(map(quote, keys)))

    def _insert(
        self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], otherwise: str, keys: str = ""
    ) -> None:
        """Insert rows in one statement.

        Differs because psycopg sends several as a pipeline, and a client that is cut off in the middle of one keeps its
        locks: to PostgreSQL it is neither idle in a transaction nor late with a statement.
        """
        preparer = connection.dialect.identifier_preparer
        name, columns = preparer.format_table(table), ", ".join(map(preparer.quote, rows[0]))
        chosen = f"SELECT {columns} FROM json_populate_recordset(CAST(NULL AS {name}), CAST(:rows AS json))"  # noqa: S608 - the names are ours
        conflict = f"ON CONFLICT {keys and f'({keys})'} DO {otherwise}"
        statement = text(f"INSERT INTO {name} ({columns}) {chosen} {conflict}")
        connection.execute(statement, {"rows": msgspec.json.encode(rows).decode()})

    def make_watcher(self, on_news: Callable[[Queues], None]) -> Watcher:
        if self.engine.dialect.driver != "psycopg":
            return PollingWatcher(self.server_engine, self.tables, on_news)
        return ChannelWatcher(self.server_engine, self.tables, self._notifier, on_news)

    def make_presence(self, server_id: UUID) -> SqlPresence | None:
        return AdvisoryLock.taken(self.engine, server_id) if self.engine.dialect.driver == "psycopg" else None

    def absent(self, connection: Connection, server_ids: Collection[UUID]) -> frozenset[UUID]:
        return absent(connection, server_ids)

    def tell_others(self, queues: Queues) -> None:
        self._notifier.tell(queues)

    def close(self) -> None:
        self._notifier.close()
        super().close()

    def start_anew_after_fork(self) -> None:
        super().start_anew_after_fork()
        self._notifier.start_anew_after_fork()

    def check(self, connection: Connection) -> None:
        is_replica, encoding = connection.execute(_STATE_OF_SERVER).one()
        if is_replica:
            raise StorageSetupError(
                "This PostgreSQL server is a replica, which can only be read. Connect to the primary; with several hosts in "
                "the URL, add target_session_attrs=read-write."
            )
        if encoding != "UTF8":
            raise StorageSetupError(f"The encoding of this database is {encoding}. Jobs hold any text and need UTF8.")

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        with self.unhurried() as connection:
            connection.exec_driver_sql("BEGIN ISOLATION LEVEL READ COMMITTED")
            connection.exec_driver_sql("SET LOCAL statement_timeout TO 0")
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _lock_key(self.tables)})
            if self.tables.schema is not None and not inspect(connection).has_schema(self.tables.schema):
                connection.execute(CreateSchema(self.tables.schema))
            yield connection
            connection.exec_driver_sql("COMMIT")

    def trouble(self, error: DBAPIError) -> Trouble | None:
        state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)  # psycopg2 calls it so
        if state in _NO_TABLE:
            return Trouble.NO_TABLE
        if state in _WRONG_SET_UP or (state is None and _REFUSED.search(str(error.orig))):
            return Trouble.WRONG_SET_UP
        if state in _CONFLICTS:
            return Trouble.CONFLICT
        if error.connection_invalidated or state in _ENDED:
            return Trouble.LOST
        if state is None:
            return Trouble.UNAVAILABLE if isinstance(error, OperationalError) else None
        return Trouble.UNAVAILABLE if state in _UNAVAILABLE or state[:2] in _UNAVAILABLE_CLASSES else None


_STATE_OF_SERVER = text("SELECT pg_is_in_recovery(), current_setting('server_encoding')")


class _Answered:
    """A connection for a block. One that is left by an exception, with an answer on its way that nobody read because the
    system let nobody wait for it, is given up: there can be no more questions on it. To SQLAlchemy, what did not come from
    the driver says nothing about the connection.

    A class, because each call to the database passes here, and a generator takes longer.
    """

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __enter__(self) -> Connection:
        return self._connection

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is not None and not self._connection.invalidated:
                driver: Any = self._connection.connection.dbapi_connection
                if getattr(getattr(driver, "info", None), "transaction_status", None) == _ACTIVE:
                    self._connection.invalidate()
        finally:
            self._connection.close()


def _plan_once(driver: Any, record: object) -> None:
    """Have each statement planned once for a connection, always by the indexes that are there for it.

    Planning takes longer than claiming a job. The plan is good for tables of any size, because it does not depend on what
    PostgreSQL has noticed of them: as long as it does not know how many jobs are waiting by now, it would rather collect and
    sort all of them, for each claim anew, than read the first ones by the index that has them in order.
    """
    try:
        if not is_pooled(driver):
            for setting in _NOT_FOR_CLAIMS:
                driver.execute(f"SET {setting} = off")
            if driver.prepare_threshold is not None:  # nobody says that something on the way cannot bear it
                driver.execute("SET plan_cache_mode = force_generic_plan")
                driver.prepare_threshold = 0
        if not driver.autocommit:
            driver.commit()
    except BaseException:
        driver.close()  # SQLAlchemy forgets it
        raise


def _answer_in_binary(driver: Any, record: object) -> None:
    """Have answers come in a form that is read in half the time."""
    from psycopg import Cursor  # noqa: PLC0415 - an optional driver

    def in_binary(driver: Any, **options: Any) -> Any:
        cursor: Any = Cursor(driver, **options)
        cursor.format = _BINARY
        return cursor

    if driver.cursor_factory is Cursor:  # others, those that put values into the text for one, may not know that form
        driver.cursor_factory = in_binary


def _connect_args(url: URL, timeout: timedelta | None) -> dict[str, Any]:
    """What a connection is told at its beginning; what the URL says goes before it."""
    options = ["-c timezone=UTC"]
    ours: dict[str, Any] = {
        "application_name": "jobrunr",
        "client_encoding": "utf8",
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 25_000,
        # A prepared statement may be run by a plan that was made when the table was small. Planning anew each time costs a
        # tenth of a millisecond and always fits; `shortest_way` is for those that need no plan.
        "prepare_threshold": _NEVER,
    }
    if timeout is not None:
        milliseconds = int(timeout.total_seconds() * 1000)
        # A client that stopped, or that the network cut off without a word, must not keep its locks until somebody notices.
        options += [f"-c idle_in_transaction_session_timeout={milliseconds}"]
        options += [f"-c statement_timeout={int(milliseconds * _STATEMENT)}"]
        options += ["-c tcp_keepalives_idle=10", "-c tcp_keepalives_interval=5", "-c tcp_keepalives_count=3"]
        ours |= {"connect_timeout": max(2, milliseconds // 2000), "tcp_user_timeout": milliseconds}
    ours = {key: value for key, value in ours.items() if key not in url.query}
    return ours | {"options": " ".join([*options, str(url.query.get("options", ""))])}


def _lock_key(tables: Tables) -> int:
    """A number for an advisory lock that belongs to these tables."""
    return zlib.crc32(f"jobrunr migration {tables.schema}.{tables.prefix}".encode())
