"""Transactions of the application's on connections of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from jobrunr.storage.sql.database import Database
from jobrunr.storage.sql.dialects.base import Dialect


class Lending:
    """Lends connections.

    Arguments:
        database: the way to it, for what is ours.
        dialect: which kind of database.
    """

    def __init__(self, database: Database, dialect: Dialect) -> None:
        self._database = database
        self._dialect = dialect

    @contextmanager
    def session(self, sessions: Callable[..., Any] | None, conclude: Callable[[Connection], None]) -> Iterator[Any]:
        """A session in a transaction that is committed when the block ends.

        Arguments:
            sessions: makes it; by default `Session`.
            conclude: writes what comes last.
        """
        from sqlalchemy.orm import Session  # noqa: PLC0415 - slow to import: only who wants a session waits

        self._database.check_open()
        with ExitStack() as stack:
            try:
                connection = stack.enter_context(self._dialect.lending())
            except DBAPIError as error:
                self._database.give_up(error)
            # Whatever the block does with its session, begin and end of the transaction are ours.
            with (sessions or Session)(bind=connection, join_transaction_mode="create_savepoint") as session:
                yield session
                session.commit()
            self._dialect.end_if_silent(connection)  # from here on it keeps others from the row of the job
            conclude(connection)
