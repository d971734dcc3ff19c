"""SQLite: one file, one writer at a time, no server and no clock of its own."""

from __future__ import annotations

import random
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Engine,
    LargeBinary,
    Table,
    bindparam,
    cast,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DBAPIError, OperationalError

from jobrunr.clock import Clock, SystemClock
from jobrunr.errors import BindError, StorageSetupError, StorageUnavailableError
from jobrunr.storage.sql.column_types import IdList
from jobrunr.storage.sql.deadlines import DeadlinePool, seconds_left
from jobrunr.storage.sql.dialects.base import AUTOCOMMIT, Dialect, Trouble
from jobrunr.storage.sql.dialects.sqlite_file import watch_file
from jobrunr.storage.sql.dialects.sqlite_presence import LockedFile, absent, remove
from jobrunr.storage.sql.presence import SqlPresence
from jobrunr.storage.sql.tables import Tables
from jobrunr.storage.sql.waking import Queues, Watcher

_MOUNTS = Path("/proc/mounts")
_NETWORK = re.compile(
    r"nfs\d?|cifs|smb\w*|9p|afs|ncpfs|ceph|glusterfs|lustre|beegfs|fuse\.(sshfs|glusterfs|s3fs|rclone|davfs\w*|ceph)"
)

_UNAVAILABLE = frozenset(
    {"SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_READONLY", "SQLITE_IOERR", "SQLITE_CANTOPEN"}
    | {"SQLITE_NOMEM", "SQLITE_PROTOCOL", "SQLITE_INTERRUPT"}
)
_PATIENCE = timedelta(seconds=10)
"""With a new file that others want for themselves, where there is no other time limit."""
_WRONG_SET_UP = frozenset({"SQLITE_NOTADB", "SQLITE_CORRUPT"})


def refuse_schema(schema: str | None) -> None:
    """Refuse what SQLite does not have.

    Raises:
        StorageSetupError: there is a schema.
    """
    if schema is not None:
        raise StorageSetupError("SQLite has no schemas. Use another file, or another table prefix.")


def path_of(url: URL) -> Path:
    """The file that a URL names."""
    return Path(str(url.database).removeprefix("file:").partition("?")[0]).absolute()


def is_in_memory(url: URL) -> bool:
    """Whether a URL names no file."""
    database = url.database
    return database in (None, "", ":memory:") or "mode=memory" in str(database) or url.query.get("mode") == "memory"


def check_place(url: URL, mounts: str | None = None) -> None:
    """Refuse a database that is not a file on a disk of this machine.

    Arguments:
        mounts: the mounted file systems, as in ``/proc/mounts``; read from there by default, where there is such a thing.

    Raises:
        StorageSetupError: it is in memory, on a network file system, or its folder does not exist.
    """
    if is_in_memory(url):
        raise StorageSetupError(
            "A SQLite database in memory is seen by one connection only, so no worker would see its jobs. "
            "Use memory:// for jobs that live as long as this process, or sqlite:///jobs.db for a file."
        )
    path = path_of(url)
    if not path.parent.is_dir():
        raise StorageSetupError(
            f"The folder {path.parent} of the SQLite database {path.name} does not exist. Make it first."
        )
    if mounts is None:
        mounts = _MOUNTS.read_text(errors="replace") if _MOUNTS.exists() else ""
    kind = _file_system(path.parent.resolve(), mounts)
    if _NETWORK.fullmatch(kind):
        raise StorageSetupError(
            f"The SQLite database {path} is on a network file system ({kind}), where its locks do not hold and files get "
            f"corrupted. Put it on a local disk, or use PostgreSQL or MariaDB for more than one machine."
        )


def _file_system(folder: Path, mounts: str) -> str:
    """The kind of file system that a folder is on: that of the longest mount point above it; the last one where equal."""
    best, kind = -1, ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = Path(re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), fields[1]))
        if folder.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), fields[2]
    return kind


def _write_ahead(connection: sqlite3.Connection, patience: timedelta) -> None:
    """Let readers and a writer work beside each other, which a new file does not yet do.

    Who makes it so wants the file for itself for a moment, and SQLite does not let others wait for that.
    """
    deadline = time.monotonic() + seconds_left(patience.total_seconds())
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
            time.sleep(random.uniform(0.005, 0.02))  # noqa: S311 - not a secret
        else:
            return


class SqliteDialect(Dialect):
    """A file of SQLite 3.35 or newer."""

    name: ClassVar[str] = "sqlite"
    partial_indexes: ClassVar[bool] = True
    first_try: ClassVar[float] = 1.0
    database_clock: ClassVar[ColumnElement[Any] | None] = None

    def __init__(self, engine: Engine, tables: Tables, clock: Clock | None, timeout: timedelta, *, owned: bool) -> None:
        super().__init__(engine, tables, clock or SystemClock(), timeout, owned=owned)
        refuse_schema(tables.schema)
        self._writer = threading.Lock()

    @classmethod
    def make_engine(cls, url: URL, timeout: timedelta | None) -> Engine:
        check_place(url)
        options: dict[str, Any] = {"connect_args": {"timeout": 0.5}}
        if timeout is not None:
            seconds = timeout.total_seconds()
            # The driver waits for a moment; who may wait longer asks again, see `writing`.
            options["connect_args"]["timeout"] = min(0.5, seconds / 10)
            options |= {"poolclass": DeadlinePool, "pool_timeout": seconds}
        engine = create_engine(url, hide_parameters=True, **options)

        @event.listens_for(engine, "connect")
        def set_up(connection: sqlite3.Connection, record: object) -> None:
            connection.isolation_level = None  # the driver begins nothing on its own; we say BEGIN IMMEDIATE
            _write_ahead(connection, _PATIENCE if timeout is None else timeout)
            connection.execute("PRAGMA synchronous = FULL")  # what is committed survives a power cut, too

        watch_file(engine, path_of(url))
        return engine

    @contextmanager
    def writing(self, engine: Engine) -> Iterator[Connection]:
        """A transaction that is the only writer from its start.

        Differs because SQLite has one writer at a time, and a transaction that begins by reading and then wants to write
        fails at once, whatever the time-out. The threads of this process stand in line at a lock, so that at most one
        of them competes with other processes for the file.
        """
        if not self._writer.acquire(timeout=seconds_left(self.seconds)):
            raise StorageUnavailableError(
                str(self.engine.url.database), "other threads kept writing until the time-out was over"
            )
        try:
            with engine.connect() as connection:
                connection.begin()
                self._begin(connection, time.monotonic() + seconds_left(self.seconds))
                yield connection
                connection.commit()
        finally:
            self._writer.release()

    def lending(self) -> AbstractContextManager[Connection]:
        return self.writing(self.engine)  # there is one transaction at a time, whoever writes

    def _begin(self, connection: Connection, deadline: float) -> None:
        while True:
            try:
                _begin_immediate(connection)
            except OperationalError as error:
                if _code(error) != "SQLITE_BUSY" or time.monotonic() >= deadline:
                    raise
                # SQLite's own waiting sleeps longer and longer, so that new-comers overtake who has waited for long.
                # Beginning anew with short, random pauses gives everybody the same chance.
                time.sleep(random.uniform(0.0005, 0.003))  # noqa: S311 - not a secret
            else:
                return

    def tuple_cursor(self, driver: Any) -> Any:
        cursor = driver.cursor(sqlite3.Cursor)
        cursor.row_factory = None
        return cursor

    def url_of(self, driver: Any) -> URL:
        files = {name: path for _, name, path in self.tuple_cursor(driver).execute("PRAGMA database_list")}
        return self.engine.url.set(database=files["main"] or ":memory:")

    def begin_to_write(self, connection: Connection) -> None:
        """Differs because the driver begins nothing before a savepoint; to release an outermost one is to commit."""
        if not connection.in_transaction():
            connection.begin()
        driver: Any = connection.connection.driver_connection  # aiosqlite tells it where its adapter does not
        if driver.in_transaction:
            return
        if driver.isolation_level is None:  # neither the driver nor the application has begun when it was time to
            raise BindError(*AUTOCOMMIT)
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def among(self, column: ColumnElement[Any]) -> ColumnElement[bool]:
        ids = func.json_each(bindparam("ids", type_=IdList)).table_valued("value")
        return column.in_(select(ids.c.value))

    def raw(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        return cast(column, LargeBinary)

    def contains(self, column: ColumnElement[Any], piece: ColumnElement[str]) -> ColumnElement[bool]:
        return func.instr(column, piece) > 0

    def insert_missing(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        connection.execute(insert(table).on_conflict_do_nothing(), rows)

    def insert_or_replace(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        statement = insert(table)
        values = {column.name: statement.excluded[column.name] for column in table.c if not column.primary_key}
        connection.execute(statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=values), rows)

    def make_watcher(self, on_news: Callable[[Queues], None]) -> Watcher:
        return FileWatcher(self.server_engine, self.tables, on_news)

    def make_presence(self, server_id: UUID) -> SqlPresence | None:
        return LockedFile.taken(self._servers_folder / str(server_id))

    def absent(self, connection: Connection, server_ids: Collection[UUID]) -> frozenset[UUID]:
        return absent(self._servers_folder, server_ids)

    def forget_presence_of(self, server_ids: Collection[UUID]) -> None:
        for server_id in server_ids:
            remove(self._servers_folder / str(server_id))

    @property
    def _servers_folder(self) -> Path:
        path = path_of(self.engine.url)
        return path.with_name(f"{path.name}-servers")

    def start_anew_after_fork(self) -> None:
        super().start_anew_after_fork()
        self._writer = threading.Lock()

    def exists(self) -> bool:
        check_place(self.engine.url)
        return path_of(self.engine.url).exists()

    def check(self, connection: Connection) -> None:
        check_place(self.engine.url)

    def migrating(self) -> AbstractContextManager[Connection]:
        """Nothing more is needed: there is one transaction at a time, and changes of tables are part of it."""
        return self.writing(self.engine)

    def trouble(self, error: DBAPIError) -> Trouble | None:
        if str(error.orig).startswith("no such table"):
            return Trouble.NO_TABLE
        code = "_".join(_code(error).split("_")[:2])
        if code in _WRONG_SET_UP:
            return Trouble.WRONG_SET_UP
        return Trouble.UNAVAILABLE if code in _UNAVAILABLE else None


class FileWatcher(Watcher):
    """Asks SQLite every few milliseconds whether another connection has committed anything, which costs it a glance at
    shared memory; and only then, whether there is work."""

    _INTERVAL = 0.018

    def __init__(self, engine: Engine, tables: Tables, on_news: Callable[[Queues], None]) -> None:
        super().__init__(on_news)
        self._engine = engine
        self._look = tables.any_enqueued_and_earliest()

    def watch(self) -> None:
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.detach()
            cursor = connection.connection.cursor()
            seen = None
            while not self.stopped.wait(self._INTERVAL):
                version = cursor.execute("PRAGMA data_version").fetchone()
                if version != seen:
                    enqueued, *times = connection.execute(self._look).one()
                    self.watching(is_work_waiting=enqueued is not None)
                    self.watch_times(times)
                seen = version


def _begin_immediate(connection: Connection) -> None:
    """Begin, also where the driver or the application has begun a transaction that only reads so far."""
    driver: Any = connection.connection.dbapi_connection
    if driver.in_transaction:
        connection.exec_driver_sql("ROLLBACK")
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _code(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlite_errorname", "")
