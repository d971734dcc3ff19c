"""Whether the tables are what this version needs, and making them so."""

from __future__ import annotations

from types import ModuleType

from sqlalchemy import Connection, Executable, Exists, MetaData, Table, column, exists, inspect, select, table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import DropTable

from jobrunr.errors import SchemaMissingError, SchemaNewerError, StorageSetupError
from jobrunr.storage.sql.database import Database
from jobrunr.storage.sql.dialects.base import Dialect, Trouble
from jobrunr.storage.sql.dialects.sqlite import refuse_schema
from jobrunr.storage.sql.migrations.revisions import HEAD, REVISIONS, VERSION_TABLE
from jobrunr.storage.sql.tables import DEFAULT_PREFIX, Tables


class Schema:
    """Our tables as a whole."""

    def __init__(self, database: Database, dialect: Dialect) -> None:
        tables = dialect.tables
        self._database = database
        self._dialect = dialect
        self._version_table = tables.name(VERSION_TABLE)
        self._read_revision: Executable = select(column("version_num")).select_from(
            table(self._version_table, schema=tables.schema)
        )
        # Fails when one is not there; the answer does not matter.
        self._touch_all: Executable = select(*map(_has_rows, tables.metadata.sorted_tables))

    def set_up(self, *, migrate: bool) -> None:
        """Check the database and its tables; make or change the tables if need be and if that is wanted."""
        if not migrate and not self._dialect.exists():
            raise SchemaMissingError(self._database.where, None, HEAD)
        self._database.read(self._dialect.check)
        found = self._database.read(self._revision_at_a_glance)
        if self._is_current(found):
            self._database.read(lambda connection: connection.execute(self._touch_all))
            return
        if not migrate:
            raise SchemaMissingError(self._database.where, found, HEAD)
        try:
            self._database.migrate(self._migrate)
        except DBAPIError as error:
            raise StorageSetupError(
                f"The tables in {self._database.where} could not be made: {error.orig}. Let somebody run "
                f"`jobrunr migrate` who may create tables there, or apply what `jobrunr migrate --sql` prints."
            ) from error.orig

    def _revision_at_a_glance(self, connection: Connection) -> str | None:
        """The revision of the tables, by one statement when all is well."""
        try:
            return self._revision(connection)
        except DBAPIError as error:
            if self._dialect.trouble(error) is not Trouble.NO_TABLE:
                raise
            connection.rollback()
            # There by now: somebody else has just made it. Should it have been there all along, this fails as before.
            return self._revision(connection) if self._has_revision(connection) else None

    def _revision(self, connection: Connection) -> str | None:
        revision: str | None = connection.execute(self._read_revision).scalar_one_or_none()
        return revision

    def _has_revision(self, connection: Connection) -> bool:
        return inspect(connection).has_table(self._version_table, self._dialect.tables.schema)

    def _is_current(self, revision: str | None) -> bool:
        if revision is not None and revision not in REVISIONS:
            raise SchemaNewerError(self._database.where, revision, HEAD)
        return revision == HEAD

    def _migrate(self, connection: Connection) -> None:
        found = self._revision(connection) if self._has_revision(connection) else None  # others may have been faster
        if not self._is_current(found):
            _running().upgrade(connection, self._dialect.tables)


def _has_rows(table: Table) -> Exists:
    return exists().select_from(table)


def drop_tables(connection: Connection, tables: Tables) -> None:
    """Drop all tables of a prefix, and with them everything that was ever stored there; those that exist."""
    found = inspect(connection)
    for name in names_of_tables(tables):
        if found.has_table(name, tables.schema):
            connection.execute(DropTable(Table(name, MetaData(), schema=tables.schema)))


def names_of_tables(tables: Tables) -> list[str]:
    """The names of all tables of a prefix, that of the revision among them, without the schema."""
    return [*(table.name for table in tables.metadata.sorted_tables), tables.name(VERSION_TABLE)]


def migration_sql(dialect: str, *, table_prefix: str = DEFAULT_PREFIX, schema: str | None = None) -> str:
    """The SQL that makes the tables in an empty database, for people who want to run it themselves. No driver is needed.

    Arguments:
        dialect: postgresql, mysql, mariadb, sqlite, oracle or mssql.

    Raises:
        StorageSetupError: there is no such dialect, or prefix or schema are not acceptable.

    >>> "CREATE TABLE shop_jobs" in migration_sql("sqlite", table_prefix="shop_")
    True
    """
    if dialect not in _PRINTABLE:
        raise StorageSetupError(f"There is no SQL for {dialect!r}; there is for {', '.join(_PRINTABLE)}.")
    if dialect == "sqlite":
        refuse_schema(schema)
    printed: str = _running().as_sql(dialect, Tables(table_prefix, schema))
    return printed


_PRINTABLE = ("postgresql", "mysql", "mariadb", "sqlite", "oracle", "mssql")


def _running() -> ModuleType:
    # Alembic takes longer to import than the rest of us together, and is needed once in the life of a schema.
    from jobrunr.storage.sql.migrations import running  # noqa: PLC0415

    return running
