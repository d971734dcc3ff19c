"""``jobrunr migrate``: make the tables, bring them up to date, or print the SQL for somebody who does it by hand."""

from __future__ import annotations

import click

from jobrunr.cli.application import find_storage
from jobrunr.cli.options import storage_options
from jobrunr.cli.verb import Verb

DIALECTS = ("postgresql", "mysql", "mariadb", "sqlite", "oracle", "mssql")

_EXAMPLES = (
    ("Before the new version of an application starts", "jobrunr migrate --app shop.jobs:jobrunr"),
    ("For a database administrator", "jobrunr migrate --sql postgresql > jobrunr.sql"),
)


@click.command("migrate", cls=Verb, examples=_EXAMPLES)
@storage_options
@click.option("--sql", "dialect", type=click.Choice(DIALECTS), help="Print the SQL for an empty database; touch nothing.")
def verb(app: str | None, url: str | None, dialect: str | None) -> None:
    """Create the tables, or bring them up to date.

    Safe to run again, and by many at once. Servers do the same when they start, unless the setting migrate is false.
    """
    if dialect is not None:
        _print_sql(app, dialect)
        return
    with find_storage(app, url) as jobrunr:
        jobrunr.provider.set_up(migrate=True)
        click.echo(f"The tables in {jobrunr.provider.where} are ready.")


def _print_sql(app: str | None, dialect: str) -> None:
    # SQLAlchemy and Alembic are slow to import: only who needs them waits.
    from jobrunr.storage.sql import migration_sql  # noqa: PLC0415

    settings = find_storage(app, None).settings
    click.echo(migration_sql(dialect, table_prefix=settings.table_prefix, schema=settings.schema), nl=False)
