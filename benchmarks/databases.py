"""The databases to measure on. Each measurement gets one of its own, which is dropped behind it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from sqlalchemy import URL, NullPool, create_engine, make_url

NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mariadb": "MariaDB", "mysql": "MySQL"}
VARIABLES = ("JOBRUNR_TEST_POSTGRESQL", "JOBRUNR_TEST_MARIADB")
"""Where `tools/services.py` says which servers it found."""


class Database:
    """A kind of database, and where it can be had.

    Arguments:
        url: a connection that may create databases; for SQLite, any file in the folder to use.
    """

    def __init__(self, url: URL) -> None:
        self.kind = url.get_backend_name()
        self.name = NAMES[self.kind]
        self._url = url

    @contextmanager
    def fresh(self) -> Iterator[URL]:
        """An empty database."""
        with self._fresh_file() if self.kind == "sqlite" else self._fresh_on_server() as url:
            yield url

    def version(self) -> str:
        """What the database calls itself."""
        question = "SELECT sqlite_version()" if self.kind == "sqlite" else "SELECT version()"
        with self.fresh() as url, create_engine(url, poolclass=NullPool).connect() as connection:
            return str(connection.exec_driver_sql(question).scalar_one())

    @contextmanager
    def _fresh_file(self) -> Iterator[URL]:
        folder = Path(self._url.database).parent if self._url.database else None
        with TemporaryDirectory(prefix="jobrunr-bench-", dir=folder) as name:
            yield URL.create("sqlite", database=f"{name}/jobs.db")

    @contextmanager
    def _fresh_on_server(self) -> Iterator[URL]:
        name = f"jobrunr_bench_{uuid4().hex[:12]}"
        engine = create_engine(self._url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        try:
            yield self._url.set(database=name)
        finally:
            with engine.connect() as connection:
                connection.exec_driver_sql(f"DROP DATABASE {name}{' WITH (FORCE)' if self.kind == 'postgresql' else ''}")


def databases(urls: Iterable[str]) -> list[Database]:
    """Those of the URLs; without any, SQLite and whatever `tools/services.py` found."""
    found = list(urls) or ["sqlite://", *(os.environ[name] for name in VARIABLES if os.environ.get(name))]
    return [Database(make_url(url)) for url in found]
