"""What the provider wants to know about a database, and what is true of most of them."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    URL,
    BindParameter,
    ColumnElement,
    Connection,
    Engine,
    Insert,
    Select,
    Table,
    TextClause,
    bindparam,
    func,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError

from jobrunr.clock import Clock
from jobrunr.errors import BindError
from jobrunr.storage.sql.column_types import UtcTime
from jobrunr.storage.sql.presence import SqlPresence
from jobrunr.storage.sql.server_engine import engine_for_servers
from jobrunr.storage.sql.tables import Tables
from jobrunr.storage.sql.waking import Queues, Watcher

Run = Callable[[Connection, Mapping[str, Any]], int]
"""Runs a statement with its parameters, and returns how many rows came back."""


_TABLES = ("jobs", "job_counts", "job_labels", "servers")
"""What statements in a database's own words can name."""

WITHOUT_LIMIT = {"max_overflow": -1, "pool_pre_ping": True}
"""Options of an engine whose pool lets nobody wait, and asks a connection first whether it is still one."""

AUTOCOMMIT = ("this connection commits every statement (AUTOCOMMIT)", "Use one with another isolation level.")


class Trouble(Enum):
    """What an error of the database means for the call that met it."""

    CONFLICT = auto()
    """The transaction was rolled back because of others. Sending it again at once is right."""
    LOST = auto()
    """The connection is gone, and nobody knows whether the last statement was carried out."""
    UNAVAILABLE = auto()
    """The database does not serve us now."""
    WRONG_SET_UP = auto()
    """The database will not serve us unless somebody changes something."""
    NO_TABLE = auto()
    """A table of ours is not there."""


class Dialect(ABC):
    """One kind of database, with our tables in it.

    Arguments:
        engine: connects to the database.
        tables: ours.
        owned: whether the engine is ours, or the application's.
        clock: decides what time it is, instead of the clock of the database.
        timeout: the longest that a call may take, with all that belongs to it.
    """

    name: ClassVar[str]
    partial_indexes: ClassVar[bool]
    reads_what_it_writes: ClassVar[bool] = False
    """Whether a query can hold an UPDATE, and read what that leaves."""
    first_try: ClassVar[float] = 0.7
    """The share of the time of a call after which a connection of the pool that says nothing is given up for another."""
    database_clock: ClassVar[ColumnElement[datetime] | None]
    """The moment at which the statement began, by the clock of the database; None when it has none."""

    def __init__(self, engine: Engine, tables: Tables, clock: Clock | None, timeout: timedelta, *, owned: bool) -> None:
        self.engine = engine
        self.server_engine, self.claim_engine = self.engines_for_servers(engine)
        self.owned = owned
        self.tables = tables
        self.seconds = timeout.total_seconds()
        self.clock = clock
        self.now_sql: ColumnElement[datetime]
        """The present moment, inside a statement. This is the one place that chooses between the clocks."""
        if clock is not None:
            self.now_sql = bindparam("now", callable_=clock.now, type_=UtcTime(), unique=False)
        else:
            assert self.database_clock is not None
            self.now_sql = self.database_clock
        self._read_now = select(self.now_sql)
        self.lent = self.make_engine(engine.url, None) if owned else engine
        """Makes connections without deadlines of ours."""
        self._presences: weakref.WeakSet[SqlPresence] = weakref.WeakSet()

    @classmethod
    @abstractmethod
    def make_engine(cls, url: URL, timeout: timedelta | None) -> Engine:
        """An engine of ours, every call of which ends in time; with None it may take any time, and nobody waits for others.

        Raises:
            StorageSetupError: there cannot be a database of ours.
            ImportError: the driver is not installed.
        """

    @staticmethod
    def engines_for_servers(engine: Engine) -> tuple[Engine, Engine]:
        """What servers connect by, and what they take jobs by, that wait or are due: always in the order of an index."""
        both = engine_for_servers(engine)
        return both, both

    @classmethod
    def adopt_engine(cls, engine: Engine) -> Engine:
        """The application's engine as we use it. It stays as it is for the application."""
        return engine

    def now(self, connection: Connection) -> datetime:
        """The present moment."""
        if self.clock is not None:
            return self.clock.now()
        return connection.execute(self._read_now).scalar_one()

    # -- transactions

    def reading(self, engine: Engine) -> AbstractContextManager[Connection]:
        """A connection of an engine, for one statement that changes nothing."""
        return engine.connect()

    def writing(self, engine: Engine) -> AbstractContextManager[Connection]:
        """A transaction, committed in the end."""
        return engine.begin()

    def writing_once(self, engine: Engine) -> AbstractContextManager[Connection]:
        """For what is one statement on some databases: there without BEGIN and COMMIT around it, a transaction on others."""
        return self.writing(engine)

    def check_transactional(self, connection: Connection) -> None:
        """Refuse a connection of a caller that commits every statement.

        Raises:
            BindError: it does.
        """
        proxied = connection.connection
        for driver in (proxied.dbapi_connection, proxied.driver_connection):  # they differ for those of asyncio
            ask = getattr(driver, "get_autocommit", None)  # as MySQL's drivers have it; others have an attribute
            if ask() if callable(ask) else getattr(driver, "autocommit", False) is True:
                raise BindError(*AUTOCOMMIT)

    @abstractmethod
    def tuple_cursor(self, driver: Any) -> Any:
        """A cursor of a caller's connection that gives rows as tuples, whatever he has set."""

    @abstractmethod
    def url_of(self, driver: Any) -> URL:
        """Where a caller's connection leads, as far as it tells."""

    def tell_at_commit(self, connection: Connection, queues: Queues) -> None:
        """Tell of these queues with the commit of a caller's connection, where our watchers do not notice by themselves."""

    def begin_to_write(self, connection: Connection) -> None:
        """Begin to write on a connection of a caller."""

    @contextmanager
    def unhurried(self) -> Iterator[Connection]:
        """A connection without a deadline that is closed in the end, and with it goes whatever was set or locked in it."""
        with self.lent.connect() as connection:
            connection.detach()
            yield connection

    def lending(self) -> AbstractContextManager[Connection]:
        """A transaction for the application, at READ COMMITTED and without a deadline, committed in the end."""
        return self.lent.begin()

    def end_if_silent(self, connection: Connection) -> None:
        """From now on, a lent transaction whose client says nothing for the time of a call is ended by the database, where
        there is such a setting: it may be frozen, or cut off without a word."""

    # -- pieces of statements

    def by_index(self, selection: Select[*tuple[Any, ...]], table: Table, index: str) -> Select[*tuple[Any, ...]]:
        """The same rows, locked one by one in the order of an index, where the database might think of another way.

        Arguments:
            index: as `Tables` names it, without the prefix.
        """
        return selection

    def statement(self, sql: str, **parts: str) -> TextClause:
        """A statement in this database's own words.

        Arguments:
            sql: with ``{jobs}``, ``{job_counts}``, ``{job_labels}`` and ``{servers}`` for our tables, and ``{now}`` for the
                present moment.
            parts: more words to be filled in, with the same in them.
        """
        preparer = self.engine.dialect.identifier_preparer
        words = {name: preparer.format_table(getattr(self.tables, name)) for name in _TABLES}
        words["now"] = str(self.now_sql.compile(dialect=self.engine.dialect)) if self.clock is None else ":now"
        filled = sql.format(**words, **{name: part.format(**words) for name, part in parts.items()})
        clause = text(filled)
        return clause.bindparams(self.now_sql) if isinstance(self.now_sql, BindParameter) and ":now" in filled else clause

    def shortest_way(self, statement: TextClause) -> Run:
        """How to run a statement for which every microsecond counts. There must be one good plan for it, whatever is in the
        tables and in the parameters."""
        return lambda connection, parameters: len(connection.execute(statement, parameters).all())

    def among(self, column: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether a column, an id, is one of the values in the parameter ``ids``."""
        return column.in_(bindparam("ids", expanding=True))

    def by_code_point(self, column: ColumnElement[str]) -> ColumnElement[str]:
        """A text to sort and compare by its code points, as Python does."""
        return column

    def folded(self, column: ColumnElement[str]) -> ColumnElement[str]:
        """A text in lower case, as far as its characters are ASCII at least."""
        return func.lower(column)

    @abstractmethod
    def raw(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """A column in a form that the driver can hand out whatever is in it."""

    @abstractmethod
    def contains(self, column: ColumnElement[Any], piece: ColumnElement[str]) -> ColumnElement[bool]:
        """Whether a text contains a piece, byte by byte."""

    def insert(self, connection: Connection, statement: Insert, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows that are new."""
        connection.execute(statement, rows)

    @abstractmethod
    def insert_missing(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows, and leave those alone whose primary key exists."""

    @abstractmethod
    def insert_or_replace(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows, and overwrite those whose primary key exists."""

    # -- waking up

    @abstractmethod
    def make_watcher(self, on_news: Callable[[Queues], None]) -> Watcher:
        """Something that notices when other processes may have enqueued jobs."""

    def tell_others(self, queues: Queues) -> None:
        """Tell other processes that jobs were enqueued, where they do not find out by themselves. Does not wait."""

    # -- presence of servers

    def presence(self, server_id: UUID) -> SqlPresence | None:
        """A lock that is released when this process dies; None where there is none that can be relied upon."""
        presence = self.make_presence(server_id)
        if presence is not None:
            self._presences.add(presence)
        return presence

    def make_presence(self, server_id: UUID) -> SqlPresence | None:
        """As `presence`."""
        return None

    def absent(self, connection: Connection, server_ids: Collection[UUID]) -> frozenset[UUID]:
        """Whose locks are surely free."""
        return frozenset()

    def forget_presence_of(self, server_ids: Collection[UUID]) -> None:
        """Clear away what is left of the presence of servers that are gone, where something is."""

    # -- life

    def close(self) -> None:
        """Give back all that is ours."""
        for engine in {self.server_engine, self.claim_engine} - {self.engine}:
            engine.dispose()
        if self.owned:
            self.engine.dispose()
            self.lent.dispose()

    def start_anew_after_fork(self) -> None:
        """Forget what cannot be used in the child of a fork: connections, locks, threads."""
        for engine in {self.engine, self.server_engine, self.claim_engine, self.lent}:
            engine.dispose(close=False)
        for presence in self._presences:
            presence.let_go_after_fork()

    # -- set-up and trouble

    def exists(self) -> bool:
        """Whether there is a database to look at. Where connecting makes none, connecting says it better."""
        return True

    @abstractmethod
    def check(self, connection: Connection) -> None:
        """Refuse a database that cannot be used.

        Raises:
            StorageSetupError: it cannot be used as it is set up.
        """

    @abstractmethod
    def migrating(self) -> AbstractContextManager[Connection]:
        """A transaction without a deadline during which nobody else migrates these tables."""

    @abstractmethod
    def trouble(self, error: DBAPIError) -> Trouble | None:
        """What an error of the database means; None when it is a mistake of ours."""
