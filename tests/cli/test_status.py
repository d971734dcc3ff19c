"""``jobrunr status``: counts, servers, backlog."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import click
import pytest
from msgspec.structs import replace

from jobrunr import JobRunr, JobState
from jobrunr.cli import status
from jobrunr.errors import StorageUnavailableError
from jobrunr.server_record import ServerRecord
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing import TestClock, factories
from tests.cli.conftest import Run, invoke

TIMEOUT = timedelta(seconds=12)


@pytest.fixture
def clock() -> TestClock:
    return TestClock(datetime(2026, 11, 23, 22, 0, tzinfo=UTC))


@pytest.fixture
def storage(clock: TestClock) -> MemoryStorageProvider:
    return MemoryStorageProvider(clock)


def lines(storage: MemoryStorageProvider) -> list[str]:
    return [click.unstyle(line) for line in status.status_as_text(status.read_status(storage, TIMEOUT), TIMEOUT)]


def test_every_state_has_its_count(url: str, jobrunr: JobRunr) -> None:
    factories.failed(jobrunr.storage)
    factories.scheduled(jobrunr.storage)
    factories.scheduled(jobrunr.storage)

    counts = [line.split()[:2] for line in invoke("status", "--url", url).stdout.splitlines()[2:9]]

    assert counts == [
        ["AWAITING", "0"],
        ["SCHEDULED", "2"],
        ["ENQUEUED", "0"],
        ["PROCESSING", "0"],
        ["SUCCEEDED", "0"],
        ["FAILED", "1"],
        ["DELETED", "0"],
    ]


def test_the_first_line_says_which_storage_and_by_its_clock_when(storage: MemoryStorageProvider) -> None:
    assert lines(storage)[0] == "MemoryStorageProvider                                    2026-11-23 22:00:00 UTC"


def test_the_age_of_the_backlog_is_that_of_its_oldest_job(storage: MemoryStorageProvider, clock: TestClock) -> None:
    factories.enqueued(storage)
    clock.advance(minutes=4, seconds=12)
    factories.enqueued(storage)

    assert "  ENQUEUED    2   the oldest for 4 min" in lines(storage)
    assert status.read_status(storage, TIMEOUT).backlog_age == 252


def test_servers_are_shown_with_load_and_age_of_their_heartbeat(storage: MemoryStorageProvider, clock: TestClock) -> None:
    first = factories.announced(storage, name="shop-1:17", workers=16)
    clock.advance(hours=3)
    storage.heartbeat(replace(first, busy=8, memory=88_080_384))
    factories.announced(storage, name="shop-2:18", workers=4, queues=("mail", "reports"))
    clock.advance(seconds=2)

    assert lines(storage)[-3:] == [
        "  SERVER              BUSY  HEARTBEAT  UP FOR  MEMORY   QUEUES",
        "  shop-1:17 (master)  8/16  2 s ago    3 h     84 MiB   all",
        "  shop-2:18            0/4  2 s ago    2 s     0 bytes  mail, reports",
    ]


def test_a_server_that_is_silent_is_marked_and_is_no_master(storage: MemoryStorageProvider, clock: TestClock) -> None:
    factories.announced(storage, name="silent")
    clock.advance(seconds=13)
    alive: ServerRecord = factories.announced(storage, name="alive")

    assert any(line.split()[:5] == ["silent", "0/8", "13", "s", "ago"] and " ! " in line for line in lines(storage))
    assert status.read_status(storage, TIMEOUT).master == alive.id


def test_without_a_server_it_says_how_to_start_one(storage: MemoryStorageProvider) -> None:
    assert lines(storage)[-1] == "  No server is running. Start one: jobrunr worker --app module:name"


def test_json_holds_the_same(url: str, jobrunr: JobRunr) -> None:
    factories.enqueued(jobrunr.storage)
    server = factories.announced(jobrunr.storage)

    found = json.loads(invoke("status", "--url", url, "--json").stdout)

    assert found["storage"] == url
    assert found["jobs"]["ENQUEUED"] == 1
    assert set(found["jobs"]) == set(JobState)
    assert UUID(found["master"]) == server.id
    assert found["servers"][0]["name"] == "shop-1:4711"
    assert found["backlog_age"] >= 0
    assert datetime.fromisoformat(found["now"]).tzinfo is not None


@pytest.mark.parametrize("as_json", [False, True])
def test_watching_shows_it_again_and_sees_an_outage_pass(
    url: str, jobrunr: JobRunr, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    read = status.read_status
    rounds = iter([None, StorageUnavailableError("sqlite", "it is locked"), None, KeyboardInterrupt()])

    def read_status(*facts: object) -> status.Status:
        trouble = next(rounds)
        if trouble is not None:
            raise trouble
        return read(*facts)  # type: ignore[arg-type]

    monkeypatch.setattr(status, "read_status", read_status)
    monkeypatch.setattr(status, "WATCH_SECONDS", 0)

    result = invoke("status", "--url", url, "--watch", *(["--json"] if as_json else []))

    assert result.exit_code == 130
    assert result.stdout.count("ENQUEUED") == 2
    assert result.stderr == "The storage sqlite is not available: it is locked\n\n"


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (["--url", "sqlite:///nothing.db"], 4, "There is no database {folder}/nothing.db. Are you in the right folder?"),
        (["--url", "sqlite:///empty.db"], 4, "The tables in sqlite:///empty.db do not exist"),
        (["--url", "dbase://here"], 4, "Jobs cannot be kept in 'dbase'."),
        (["--url", "postgresql://127.0.0.1:1/shop"], 3, "The storage postgresql://127.0.0.1:1/shop is not available"),
    ],
)
def test_a_storage_that_is_not_there_is_neither_made_nor_hidden(
    run: Run, shop: Path, words: list[str], code: int, complaint: str
) -> None:
    (shop / "empty.db").touch()

    outcome = run("status", *words)

    assert outcome.returncode == code
    assert complaint.format(folder=shop) in outcome.stderr
    assert not (shop / "nothing.db").exists()


def test_a_wrong_setting_is_exit_code_2(run: Run) -> None:
    outcome = run("status", JOBRUNR_RETRIES="many")

    assert outcome.returncode == 2
    assert "Setting retries cannot be 'many'" in outcome.stderr


def test_a_problem_is_shown(url: str, jobrunr: JobRunr) -> None:
    jobrunr.storage.put_metadata("problem-carbon-forecast", "There is no forecast of carbon intensity: refused")

    assert "  There is no forecast of carbon intensity: refused" in invoke("status", "--url", url).stdout.splitlines()
    assert json.loads(invoke("status", "--url", url, "--json").stdout)["problems"] == [
        "There is no forecast of carbon intensity: refused"
    ]
