"""Running the revisions: on a database, or onto paper."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from jobrunr.storage.sql.migrations.revisions import HEAD, VERSION_TABLE
from jobrunr.storage.sql.tables import Tables


def upgrade(connection: Connection, tables: Tables) -> None:
    """Bring the tables to the newest revision. The transaction, and that nobody else does the same, are the caller's
    business."""
    _upgrade(tables, None, connection=connection)


def as_sql(dialect: str, tables: Tables) -> str:
    """What would be run on an empty database."""
    paper = io.StringIO()
    _upgrade(tables, paper, dialect_name=dialect)
    # Alembic's own INSERT asks for what it inserted, and on Oracle to be given a variable for it.
    return _first(dialect, tables) + re.sub(r"(?m)^(INSERT INTO .*?\)) RETURNING .*?(;?)$", r"\1\2", paper.getvalue())


def _first(dialect: str, tables: Tables) -> str:
    """What stands before everything else."""
    if dialect == "postgresql" and tables.schema is not None:
        return f"CREATE SCHEMA IF NOT EXISTS {tables.schema};\n\n"
    if dialect == "mssql":  # which has indexes over some of the rows only for those who say this, and sqlcmd does not
        return "SET QUOTED_IDENTIFIER ON;\n\nGO\n\n"
    return ""


def _upgrade(tables: Tables, paper: io.StringIO | None, **target: Any) -> None:
    """Run all revisions that are missing, on a connection or, with `paper`, from nothing."""
    config = Config()
    config.attributes["tables"] = tables
    script = ScriptDirectory(str(Path(__file__).parent))
    with EnvironmentContext(
        config,
        script,
        fn=lambda revision, _: script._upgrade_revs(HEAD, revision),  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - as Alembic itself does
        as_sql=paper is not None,
    ) as environment:
        environment.configure(
            **target,
            output_buffer=paper,
            literal_binds=paper is not None,
            version_table=tables.name(VERSION_TABLE),
            version_table_schema=tables.schema,
        )
        with environment.begin_transaction():
            environment.run_migrations()
