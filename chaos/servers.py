"""What can happen to a database server of our own, each for the duration of a block."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress

from sqlalchemy import URL, Connection, NullPool, create_engine
from sqlalchemy.exc import DBAPIError

from tools.services import OwnServer, is_postgresql

Happening = Callable[[OwnServer], AbstractContextManager[None]]


@contextmanager
def restarted(server: OwnServer) -> Iterator[None]:
    """It is stopped in order and started again."""
    server.stop()
    yield
    server.start()


@contextmanager
def crashed(server: OwnServer) -> Iterator[None]:
    """It ends at once: PostgreSQL by an immediate shutdown, MariaDB by the operating system."""
    server.stop(signal.SIGQUIT if is_postgresql(server.url) else signal.SIGKILL)
    yield
    server.start()


@contextmanager
def read_only(server: OwnServer) -> Iterator[None]:
    """It can only be read, as after a fail-over to a replica. MariaDB lets root write all the same."""
    if not is_postgresql(server.url):
        _do(server.url, "SET GLOBAL read_only = 1")
        yield
        _do(server.url, "SET GLOBAL read_only = 0")
        return
    _do(server.url, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
    yield
    _do(server.url, "SET default_transaction_read_only = off", "ALTER SYSTEM RESET ALL", "SELECT pg_reload_conf()")


@contextmanager
def full(server: OwnServer) -> Iterator[None]:
    """Nobody has a connection any more, because somebody else has them all."""
    with ExitStack() as taken:
        first, *others = _take_all(server.url, taken)
        _end_all_but(first, {_number_of(each) for each in (first, *others)})
        _take_all(server.url, taken)
        yield


@contextmanager
def without_connections(server: OwnServer) -> Iterator[None]:
    """All connections end at once."""
    with create_engine(server.url, poolclass=NullPool).connect() as connection:
        _end_all_but(connection, {_number_of(connection)})
    yield


def _take_all(url: URL, taken: ExitStack) -> list[Connection]:
    """Open connections until there are no more."""
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    connections = []
    with suppress(DBAPIError):
        while True:
            connections.append(taken.enter_context(engine.connect()))
    return connections


def _number_of(connection: Connection) -> int:
    question = "SELECT pg_backend_pid()" if is_postgresql(connection.engine.url) else "SELECT connection_id()"
    return int(connection.exec_driver_sql(question).scalar_one())


def _end_all_but(connection: Connection, kept: set[int]) -> None:
    """End the connections that are not among these."""
    listed, end = (
        ("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'", "SELECT pg_terminate_backend({})")
        if is_postgresql(connection.engine.url)
        else ("SELECT id FROM information_schema.processlist WHERE command <> 'Daemon'", "KILL {}")
    )
    for (number,) in connection.exec_driver_sql(listed).all():
        if number not in kept:
            with suppress(DBAPIError):  # it has ended by itself
                connection.exec_driver_sql(end.format(number))


def _do(url: URL, *statements: str) -> None:
    with create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT").connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
