"""``jobrunr bench``: figures of a database, and nothing left in it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import URL, Engine, NullPool, create_engine, inspect

from jobrunr import JobRunr
from jobrunr.bench import measures, what_limits
from jobrunr.cli.bench import Outcome
from jobrunr.errors import StorageUnavailableError
from jobrunr.testing import factories
from tests.cli.conftest import PATIENCE, Run, eventually, invoke
from tests.storage.conftest import empty_database, postgresql

__all__ = ["empty_database", "postgresql"]

QUICK = ("--seconds", "0.01", "--workers", "2")


@pytest.fixture
def database(empty_database: URL) -> Iterator[Engine]:
    engine = create_engine(empty_database, poolclass=NullPool)
    yield engine
    engine.dispose()


def as_text(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def tables_of(database: Engine) -> set[str]:
    """The tables, and for SQLite the files around it."""
    with database.connect() as connection:
        found = set(inspect(connection).get_table_names())
    if database.dialect.name == "sqlite":
        found |= {path.name for path in Path(str(database.url.database)).parent.iterdir()}
    return found


def test_it_prints_figures_and_leaves_nothing(empty_database: URL, database: Engine) -> None:
    before = tables_of(database)

    result = invoke("bench", as_text(empty_database), *QUICK)

    assert (result.exit_code, result.stderr) == (0, "")
    figures, limits = result.stdout.split("What limits it")
    lines = [line.split() for line in figures.splitlines() if line.startswith("  ")]
    assert [line[0] for line in lines] == ["Round", "Small", "Start", "Enqueue", "Enqueue", "Run"]
    assert all("ms" in line for line in lines[:3])
    assert all("jobs/s" in line for line in lines[3:])
    assert limits.strip()
    assert max(map(len, result.stdout.splitlines()[1:])) <= 80  # the first names the database
    assert tables_of(database) == before


def test_json_holds_figures_and_sentences_and_nothing_else_is_printed(url: str) -> None:
    result = invoke("bench", url, *QUICK, "--json")

    outcome = msgspec.json.decode(result.stdout, type=Outcome)
    assert (outcome.figures.storage, outcome.figures.workers) == (url, 2)
    assert outcome.figures.drain.count > 0
    assert outcome.limits == what_limits(outcome.figures)


def test_the_jobs_of_an_application_are_neither_run_nor_counted(shop: Path, run: Run, jobs: JobRunr) -> None:
    waiting = factories.enqueued(jobs.storage)

    outcome = run("bench", "--app", "shop.jobs:jobrunr", *QUICK)

    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert jobs.scheduler.get(waiting.id) == waiting
    assert sum(jobs.scheduler.counts().values()) == 1


def test_the_settings_say_where_and_nobody_is_disturbed_by_the_others(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBRUNR_URL", url)
    monkeypatch.setenv("JOBRUNR_QUEUES", "mail")
    monkeypatch.setenv("JOBRUNR_MIGRATE", "false")
    monkeypatch.setenv("JOBRUNR_DELETE_SUCCEEDED_AFTER", "0")

    result = invoke("bench", *QUICK)

    assert result.exit_code == 0
    assert result.stdout.startswith(f"Measuring {url}\n")
    assert list(tmp_path.iterdir()) == []


def test_a_schema_that_is_not_there_yet_is_not_there_afterwards(postgresql: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBRUNR_SCHEMA", "measured")

    assert invoke("bench", as_text(postgresql), *QUICK).exit_code == 0

    engine = create_engine(postgresql, poolclass=NullPool)
    assert "measured" not in inspect(engine).get_schema_names()
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "code", "complaint"),
    [
        ("memory://", 1, "memory:// is no database"),
        ("sqlite://", 1, "in memory has no disk"),
        ("sqlite:///:memory:", 1, "in memory has no disk"),
        ("sqlite:////nowhere/jobs.db", 4, "The folder /nowhere"),
        ("shop.db", 4, "The URL of the storage cannot be read"),
        ("dbase://here", 4, "Jobs cannot be kept in 'dbase'"),
        ("postgresql://127.0.0.1:1/shop", 3, "127.0.0.1:1/shop is not available: connection failed"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_a_sentence(url: str, code: int, complaint: str) -> None:
    result = invoke("bench", url, *QUICK)

    assert result.exit_code == code
    assert complaint in result.stderr
    assert result.stdout == ""


def test_an_application_with_an_engine_of_its_own_is_asked_for_the_url(shop: Path, run: Run) -> None:
    (shop / "shop" / "own.py").write_text(
        "from jobrunr import JobRunr\nfrom sqlalchemy import create_engine\n"
        "jobrunr = JobRunr(create_engine('sqlite:///own.db'))\n"
    )

    outcome = run("bench", "--app", "shop.own:jobrunr")

    assert outcome.returncode == 1
    assert "connects to its database by itself. Say the URL" in outcome.stderr


def test_an_error_in_the_middle_leaves_nothing(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    during: list[str] = []

    def break_off(*_: object) -> None:
        during.extend(path.name for path in tmp_path.iterdir())
        raise StorageUnavailableError("here", "the network is gone")

    monkeypatch.setattr(measures, "drain", break_off)

    result = invoke("bench", url, *QUICK)

    assert result.exit_code == 3
    assert [name[:14] for name in during] == ["jobrunr-bench-"]
    assert list(tmp_path.iterdir()) == []


INTERRUPTED_IN_A_FINALIZER = """
import signal, time
from jobrunr.cli.bench import _interrupted_once

class Interrupted:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

try:
    with _interrupted_once():
        Interrupted()
        time.sleep(60)
except KeyboardInterrupt:
    print("heard")
"""


def test_a_signal_in_the_middle_of_a_finalizer_is_not_lost() -> None:
    command = ["env", "--default-signal", sys.executable, "-c", INTERRUPTED_IN_A_FINALIZER]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)

    assert ended.stdout == "heard\n"
    assert ended.stderr == "\nInterrupted; removing what was made ...\n"


SIGNALS = {"sqlite": signal.SIGHUP, "postgresql": signal.SIGINT, "mariadb": signal.SIGTERM, "mysql": signal.SIGTERM}


def test_a_signal_leaves_nothing(empty_database: URL, database: Engine) -> None:
    before = tables_of(database)
    unmuted = ["env", "--default-signal"]  # whoever runs the tests in the background may have signals ignored
    # Python that is run by -m dies of a SIGINT of its own when it is interrupted within an exec(), whatever it exits with.
    script = str(Path(sys.executable).with_name("jobrunr"))
    command = [*unmuted, script, "bench", as_text(empty_database), "--seconds", "600"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            eventually(lambda: tables_of(database) > before or process.poll() is not None, "it has begun")
            process.send_signal(SIGNALS[empty_database.get_backend_name()])
            process.communicate(timeout=PATIENCE)
        finally:
            process.kill()

    assert process.returncode == 130
    assert tables_of(database) == before
