"""Where it is measured: on the user's database, but not in the user's tables."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import URL

from jobrunr.errors import JobRunrError
from jobrunr.jobrunr import JobRunr
from jobrunr.settings import Settings
from jobrunr.storage.sql.database import where
from jobrunr.storage.sql.dialects.sqlite import check_place, is_in_memory, path_of
from jobrunr.storage.sql.engines import url_of
from jobrunr.storage.sql.temporary_tables import temporary_tables

_LONGEST_POLL = timedelta(seconds=5)
"""A server that nothing wakes shall not let us wait for longer."""


class BenchError(JobRunrError):
    """There is nothing to measure, or no place for it."""


@dataclass(frozen=True)
class Place:
    """A database in which we may do what we like, for a while."""

    where: str
    """Which database it is on, without user and password."""
    kind: str
    """sqlite, postgresql, mysql or mariadb."""
    url: str
    table_prefix: str
    settings: Settings

    def application(self, starts: SimpleQueue[float]) -> JobRunr:
        """A `JobRunr` there. Settings of the surroundings that would disturb it are overruled.

        Arguments:
            starts: gets what the jobs note of their starts.
        """
        settings = self.settings
        activator: Callable[[type[Any]], Any] = lambda cls: cls(starts)  # noqa: E731 - its type is that of the argument
        return JobRunr(
            self.url,
            application="jobrunr.bench",
            activator=activator,
            table_prefix=self.table_prefix,
            schema=settings.schema,
            storage_timeout=settings.storage_timeout,
            poll_interval=min(settings.poll_interval, _LONGEST_POLL),
            migrate=True,
            queues=(),
            delete_succeeded_after="1h",
        )


@contextmanager
def place_beside(jobrunr: JobRunr) -> Iterator[Place]:
    """A place on the database of an application, and nothing left of it afterwards.

    Raises:
        BenchError: the jobs are kept where nothing can be measured.
        StorageError: the database cannot be used.
        TablesLeftError: the tables could not be dropped.
    """
    url, settings = _url_of(jobrunr), jobrunr.settings
    kind = url.get_backend_name()
    if kind == "sqlite":
        with _folder_beside(url) as folder:
            file = URL.create(url.drivername, database=str(folder / "bench.db"))
            yield Place(where(url), kind, _whole(file), settings.table_prefix, settings)
        return
    prefix = f"jobrunr_bench_{secrets.token_hex(3)[:5]}_"  # as long as a prefix may be
    with temporary_tables(_whole(url), prefix, settings.schema):
        yield Place(where(url), kind, _whole(url), prefix, settings)


def _url_of(jobrunr: JobRunr) -> URL:
    if jobrunr.url is None:
        raise BenchError(
            "This application connects to its database by itself. Say the URL of that database: "
            "jobrunr bench postgresql://user@host/database."
        )
    if jobrunr.url == "memory://":
        raise BenchError("memory:// is no database: there is nothing to measure. Say the URL of one.")
    return url_of(jobrunr.url)


@contextmanager
def _folder_beside(url: URL) -> Iterator[Path]:
    """A folder on the same disk as a file of SQLite's."""
    if is_in_memory(url):
        raise BenchError("A SQLite database in memory has no disk to measure. Say a file: sqlite:///jobs.db.")
    check_place(url)
    try:
        folder = TemporaryDirectory(prefix="jobrunr-bench-", dir=path_of(url).parent)
    except OSError as error:
        raise BenchError(f"No file can be made beside {path_of(url)}: {error.strerror}.") from error
    with folder as name:
        yield Path(name)


def _whole(url: URL) -> str:
    return url.render_as_string(hide_password=False)
