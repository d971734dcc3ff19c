"""``jobrunr migrate``: the tables, or the SQL for them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from jobrunr import JobRunr
from tests.cli.conftest import invoke


def test_it_makes_the_tables_and_does_no_harm_when_they_are_there(url: str) -> None:
    first, second = invoke("migrate", "--url", url), invoke("migrate", "--url", url)

    assert first.stdout == second.stdout == f"The tables in {url} are ready.\n"
    with JobRunr(url, application="tests", migrate=False) as jobrunr:
        assert sum(jobrunr.scheduler.counts().values()) == 0


def test_it_migrates_although_the_setting_says_that_others_must_not(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBRUNR_MIGRATE", "false")

    assert invoke("migrate", "--url", url).exit_code == 0


@pytest.mark.parametrize("dialect", ["postgresql", "mysql", "mariadb", "sqlite", "oracle", "mssql"])
def test_sql_is_printed_and_nothing_is_touched(dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke("migrate", "--sql", dialect)

    assert result.exit_code == 0
    assert "CREATE TABLE jobrunr_jobs" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_sql_has_the_prefix_of_the_settings_and_can_be_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBRUNR_TABLE_PREFIX", "shop_")
    with sqlite3.connect(":memory:") as database:
        database.executescript(invoke("migrate", "--sql", "sqlite").stdout)
        names = {name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    database.close()

    assert "shop_jobs" in names
    assert {name for name in names if not name.startswith(("shop_", "sqlite_"))} == set()


def test_sql_for_an_unknown_database_is_refused() -> None:
    result = invoke("migrate", "--sql", "dbase")

    assert result.exit_code == 2
    assert "'dbase' is not one of" in result.stderr
