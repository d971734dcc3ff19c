"""The way to the database over a connection of the caller's, inside his transaction."""

from __future__ import annotations

from typing import NoReturn, TypeVar

from sqlalchemy import NestedTransaction
from sqlalchemy.exc import DBAPIError

from jobrunr.errors import BindError, StorageUnavailableError
from jobrunr.storage.sql.callers_connection import CallersConnection
from jobrunr.storage.sql.database import Database, Work
from jobrunr.storage.sql.dialects.base import Dialect, Trouble

T = TypeVar("T")


class BoundDatabase(Database):
    """Runs each piece of work in a savepoint: what fails leaves nothing behind, and the transaction can go on.

    Nothing is sent again here, and there are no deadlines: both would be the business of who began the transaction.

    Arguments:
        database: over the storage's own connections.
        dialect: which kind of database.
        connection: the caller's.
    """

    def __init__(self, database: Database, dialect: Dialect, connection: CallersConnection) -> None:
        super().__init__(dialect, dialect.engine)
        self._database = database
        self._connection = connection

    def check_open(self) -> None:
        self._database.check_open()

    def read(self, work: Work[T]) -> T:
        return self._run_inside(work, writes=False)

    def write(self, work: Work[T]) -> T:
        return self._run_inside(work, writes=True)

    def write_once(self, work: Work[T]) -> T:
        return self._run_inside(work, writes=True)

    def migrate(self, work: Work[T]) -> NoReturn:
        raise BindError("tables are not made in a transaction of yours", "Set up the storage before you bind it.")

    def close(self) -> None:
        """Nothing here is ours."""

    def _run_inside(self, work: Work[T], *, writes: bool) -> T:
        self.check_open()
        connection = self._connection.present()
        try:
            if writes:
                self._dialect.begin_to_write(connection)
            savepoint = connection.begin_nested()
            try:
                done = work(connection)
            except BaseException as error:
                self._undo(savepoint, error)
                raise
            savepoint.commit()
        except DBAPIError as error:
            self.give_up(error)
        return done

    def _undo(self, savepoint: NestedTransaction, error: BaseException) -> None:
        """Take back what this call has written. After some errors the database has taken back the whole transaction, and
        the savepoint with it; then it is the first error that counts."""
        try:
            savepoint.rollback()
        except DBAPIError:
            if not isinstance(error, DBAPIError):
                raise

    def _give_up(self, error: DBAPIError, trouble: Trouble | None) -> NoReturn:
        if trouble in (Trouble.CONFLICT, Trouble.LOST):
            why = f"{self._why(error)}. Roll your transaction back, and do all of it again"
            raise StorageUnavailableError(self.where, why) from error.orig
        super()._give_up(error, trouble)
