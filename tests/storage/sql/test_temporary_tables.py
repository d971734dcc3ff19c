"""Tables that are there for a while."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import URL, NullPool, create_engine, inspect

from jobrunr.errors import StorageUnavailableError, TablesLeftError
from jobrunr.storage.sql import SqlStorageProvider, temporary_tables
from jobrunr.testing.factories import enqueued


def names(url: URL, schema: str | None = None) -> set[str]:
    engine = create_engine(url, poolclass=NullPool)
    try:
        return set(inspect(engine).get_table_names(schema))
    finally:
        engine.dispose()


def as_text(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def test_they_are_dropped_with_what_is_in_them_and_all_others_stay(empty_database: URL) -> None:
    with SqlStorageProvider(empty_database, table_prefix="a_") as others:
        others.set_up()
        job = enqueued(others)
        before = names(empty_database)

        def fail() -> None:
            with (
                temporary_tables.temporary_tables(as_text(empty_database), "a_b_", None),
                SqlStorageProvider(empty_database, table_prefix="a_b_") as storage,
            ):
                storage.set_up()
                enqueued(storage)
                assert "a_b_alembic_version" in names(empty_database)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()

        assert names(empty_database) == before
        assert others.get(job.id) == job


@pytest.mark.parametrize("was_there", [False, True])
def test_a_schema_goes_only_if_it_came_with_them(postgresql: URL, was_there: bool) -> None:
    schema = f"temporary_{was_there}".lower()
    engine = create_engine(postgresql, poolclass=NullPool)
    with engine.begin() as connection:
        if was_there:
            connection.exec_driver_sql(f"CREATE SCHEMA {schema}")

    with (
        temporary_tables.temporary_tables(as_text(postgresql), "a_", schema),
        SqlStorageProvider(postgresql, table_prefix="a_", schema=schema) as storage,
    ):
        storage.set_up()

    assert (schema in inspect(engine).get_schema_names()) is was_there
    assert names(postgresql, schema) == set()
    engine.dispose()


def test_what_cannot_be_dropped_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporary_tables, "_PATIENCE", timedelta(seconds=0.2))
    url, file = f"sqlite:///{tmp_path}/jobs.db", tmp_path / "jobs.db"

    with closing(sqlite3.connect(file, isolation_level=None)) as somebody:

        def make_and_stand_in_the_way() -> None:
            with temporary_tables.temporary_tables(url, "a_", None):
                with SqlStorageProvider(url, table_prefix="a_") as storage:
                    storage.set_up()
                somebody.execute("BEGIN IMMEDIATE")

        with pytest.raises(TablesLeftError) as caught:
            make_and_stand_in_the_way()
        somebody.execute("ROLLBACK")
        somebody.executescript(str(caught.value).partition("Drop them when it is there again: ")[2])

    assert names(URL.create("sqlite", database=str(file))) == set()


def test_a_database_that_is_away_from_the_start_holds_no_tables() -> None:
    with (
        pytest.raises(StorageUnavailableError) as caught,
        temporary_tables.temporary_tables("postgresql://127.0.0.1:1/shop", "a_", None),
    ):
        raise AssertionError("nobody may come here")

    assert not isinstance(caught.value, TablesLeftError)
