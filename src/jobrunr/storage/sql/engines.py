"""From what the application gives us, a URL or its own engine, to a dialect with an engine."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from jobrunr.clock import Clock
from jobrunr.errors import MissingDriverError, StorageSetupError
from jobrunr.storage.sql.dialects.base import Dialect
from jobrunr.storage.sql.dialects.mysql import MysqlDialect
from jobrunr.storage.sql.dialects.postgresql import PostgresqlDialect
from jobrunr.storage.sql.dialects.sqlite import SqliteDialect
from jobrunr.storage.sql.tables import Tables

_DIALECTS: dict[str, type[Dialect]] = {
    "sqlite": SqliteDialect,
    "postgresql": PostgresqlDialect,
    "mysql": MysqlDialect,
    "mariadb": MysqlDialect,
}

_SCHEMES = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}
"""The drivers of our extras, for URLs that name none; SQLAlchemy's own choices are others."""

_EXTRAS = {"postgresql": "postgresql", "mysql": "mysql", "mariadb": "mysql"}


def open_dialect(
    given: Engine | URL | str, prefix: str, schema: str | None, clock: Clock | None, timeout: timedelta
) -> Dialect:
    """The dialect for a URL, with an engine of ours, or for an engine of the application.

    Raises:
        StorageSetupError: there is no such kind of database, or this one cannot be used.
        MissingDriverError: its driver is not installed.
    """
    if isinstance(given, Engine):
        kind = _kind_of(given.dialect.name)
        engine = kind.adopt_engine(given)
    else:
        url = url_of(given)
        kind = _kind_of(url.get_backend_name())
        engine = _engine_for(kind, url, timeout)
    tables = Tables(prefix, schema, partial_indexes=kind.partial_indexes)
    return kind(engine, tables, clock, timeout, owned=not isinstance(given, Engine))


def _kind_of(backend: str) -> type[Dialect]:
    kind = _DIALECTS.get(backend)
    if kind is None:
        raise StorageSetupError(
            f"Jobs cannot be kept in {backend!r}. They can in {', '.join(sorted(_DIALECTS))}, and in memory."
        )
    return kind


def url_of(given: object) -> URL:
    """A URL, with the driver of our extra where it names none.

    Raises:
        StorageSetupError: it is none.
    """
    if not isinstance(given, URL | str):
        raise StorageSetupError(
            f"Jobs cannot be kept in {given!r:.200}. Pass a URL such as sqlite:///jobs.db, an Engine of SQLAlchemy, "
            f"or an instance of StorageProvider."
        )
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):
        raise StorageSetupError(
            "The URL of the storage cannot be read. Write sqlite:///jobs.db, postgresql://user:password@host/database, "
            "mysql://… or mariadb://…; in user and password, write %40 for @, %3A for :, %2F for /."
        ) from None  # the text of the URL may hold a password, so neither it nor the cause is shown
    return url.set(drivername=_SCHEMES.get(url.drivername, url.drivername))


def _engine_for(kind: type[Dialect], url: URL, timeout: timedelta) -> Engine:
    try:
        return kind.make_engine(url, timeout)
    except (ImportError, NoSuchModuleError) as error:
        extra = _EXTRAS.get(url.get_backend_name())
        if extra is None:
            raise StorageSetupError(f"There is no driver for {url.drivername!r}: {error}") from error
        raise MissingDriverError(url.drivername, extra) from error
