"""The way to the database: calls that end in time, are tried again where that is right, and fail in our own words."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import NoReturn, TypeVar

from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from jobrunr.errors import StorageError, StorageSetupError, StorageUnavailableError, TableMissingError
from jobrunr.storage.sql.deadlines import Deadline
from jobrunr.storage.sql.dialects.base import Dialect, Trouble

T = TypeVar("T")
Work = Callable[[Connection], T]

_TRIES = 6


class Database:
    """Runs work in transactions. Everything given to it can be sent again, so it does that after a deadlock.

    Each call ends in time, whatever becomes of it: the time-out of the dialect is for all that belongs to it.

    Arguments:
        dialect: which kind of database.
        engine: whose connections to use.
    """

    def __init__(self, dialect: Dialect, engine: Engine) -> None:
        self._dialect = dialect
        self._engine = engine
        self._closed = False
        self.where = where(engine.url)

    def read(self, work: Work[T]) -> T:
        """Run one statement that changes nothing."""
        return self._run(partial(self._dialect.reading, self._engine), work)

    def write(self, work: Work[T]) -> T:
        """Run a transaction."""
        return self._run(partial(self._dialect.writing, self._engine), work)

    def write_once(self, work: Work[T]) -> T:
        """Run what is one statement on some databases: there without BEGIN and COMMIT around it, a transaction on others."""
        return self._run(partial(self._dialect.writing_once, self._engine), work)

    def migrate(self, work: Work[T]) -> T:
        """Run a transaction without a deadline in which nobody else migrates."""
        return self._run(self._dialect.migrating, work, seconds=math.inf)

    def check_open(self) -> None:
        """Refuse to go on after `close`.

        Raises:
            StorageError: the storage was closed.
        """
        if self._closed:
            raise StorageError(f"The storage {self.where} was closed. Make a new one.")

    def close(self) -> None:
        """Refuse everything from here on."""
        self._closed = True

    def _run(
        self, connected: Callable[[], AbstractContextManager[Connection]], work: Work[T], seconds: float | None = None
    ) -> T:
        self.check_open()
        with Deadline(self._dialect.seconds if seconds is None else seconds, self._dialect.first_try) as deadline:
            for tries in range(1, _TRIES + 1):
                try:
                    with connected() as connection:
                        return work(connection)
                except DBAPIError as error:
                    self._prepare_next_try(error, tries, deadline)
                except PoolTimeoutError as error:
                    raise StorageUnavailableError(self.where, "all connections of the pool are in use") from error
                except OSError as error:  # of the system, not of the driver: no files are left, perhaps
                    raise StorageUnavailableError(self.where, str(error)) from error
        raise AssertionError("unreachable")

    def _prepare_next_try(self, error: DBAPIError, tries: int, deadline: Deadline) -> None:
        """Raise what an error of the database means to the caller, unless it is right to try again."""
        trouble = self._dialect.trouble(error)
        if trouble is Trouble.CONFLICT and tries < _TRIES and not deadline.is_over:
            time.sleep(min(deadline.left, random.uniform(0, 0.01 * 2**tries)))  # noqa: S311 - not a secret
        elif trouble is Trouble.LOST and tries == 1 and not deadline.is_over:
            # A connection of the pool may have died long ago, so once more. Its neighbours there are hardly better.
            self._engine.dispose()
            deadline.take_all()
        else:
            self.give_up(error)

    def give_up(self, error: DBAPIError) -> NoReturn:
        """Raise what an error of the database means to the caller."""
        self._give_up(error, self._dialect.trouble(error))

    def _give_up(self, error: DBAPIError, trouble: Trouble | None) -> NoReturn:
        if trouble is None:
            raise error
        why = self._why(error)
        if trouble is Trouble.WRONG_SET_UP:
            raise StorageSetupError(
                f"The storage {self.where} refuses us: {why}. Correct its URL, or what is there."
            ) from error.orig
        if trouble is Trouble.NO_TABLE:
            raise TableMissingError(self.where, why, self._dialect.tables.prefix) from error.orig
        raise StorageUnavailableError(self.where, why) from error.orig

    def _why(self, error: DBAPIError) -> str:
        """What the driver says, without statement, parameters and password."""
        why = " ".join(str(error.orig).split()) or type(error.orig).__name__
        password = self._engine.url.password
        return why.replace(password, "***") if password else why


def where(url: URL) -> str:
    """A URL for messages: which database, but neither who nor with what password.

    >>> from sqlalchemy import make_url
    >>> where(make_url("postgresql+psycopg://ada:secret@db:5432/shop?sslpassword=secret"))
    'postgresql://db:5432/shop'
    """
    bare = URL.create(url.get_backend_name(), host=url.host, port=url.port, database=url.database)
    return bare.render_as_string(hide_password=False)
