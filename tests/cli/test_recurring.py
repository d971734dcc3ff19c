"""``jobrunr recurring`` and ``jobrunr cron``."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from jobrunr import JobRunr, JobState
from jobrunr.recurring_job import SkipReason, Skips
from jobrunr.testing import factories
from tests.cli.conftest import invoke
from tests.cli.offered import send_welcome

NEXT = datetime(2030, 1, 1, 2, tzinfo=UTC)


@pytest.fixture
def nightly(jobrunr: JobRunr) -> str:
    scheduler = jobrunr.scheduler.options(id="nightly", zone="Europe/Brussels", labels=["mail"])
    return scheduler.schedule_recurrently("0 3 * * *", send_welcome, "ada")


def test_they_are_listed_with_their_next_run(url: str, jobrunr: JobRunr, nightly: str) -> None:
    jobrunr.scheduler.options(id="paused", paused=True).schedule_recurrently("PT1H", send_welcome, "b")
    halted = factories.registered(jobrunr.storage, id="halted", problem="it does not say when", next_run_at=None)

    result = invoke("recurring", "list", "--url", url)

    assert result.exit_code == 0
    head, *lines = [line.split() for line in result.stdout.splitlines()]
    assert head == ["ID", "SCHEDULE", "ZONE", "IS", "NEXT", "LAST"]
    assert [(line[0], "halted" in line, "paused" in line[1:], "active" in line) for line in lines] == [
        (halted.id, True, False, False),
        (nightly, False, False, True),
        ("paused", False, True, False),
    ]
    listed = json.loads(invoke("recurring", "list", "--url", url, "--json").stdout)
    assert [job["id"] for job in listed] == ["halted", "nightly", "paused"]
    assert listed[1]["schedule"] == "0 3 * * *"


def test_one_is_shown_with_what_became_of_its_runs(url: str, jobrunr: JobRunr, nightly: str) -> None:
    job = jobrunr.scheduler.recurring.get(nightly)
    skips = Skips(reason=SkipReason.MISSED, first=NEXT, last=NEXT + timedelta(days=2), count=3)
    firing = factories.a_firing(job, NEXT + timedelta(days=3), skips=(skips,))
    jobrunr.storage.fire([firing])

    shown = invoke("recurring", "show", nightly, "--url", url).stdout

    for text in (
        "calls         offered.send_welcome('ada')",
        "schedule      0 3 * * * (Europe/Brussels)",
        "labels        mail",
        "skipped 3 times, until 2030-01-03 03:00:00 +0100 (Europe/Brussels): missed",
        f"2030-01-04 03:00:00 +0100 (Europe/Brussels)  job {firing.runs[0].job.id}",
    ):
        assert text in shown
    runs = json.loads(invoke("recurring", "show", nightly, "--url", url, "--json").stdout)["runs"]
    assert runs[1]["skips"]["reason"] == "missed"


def test_its_next_runs_are_printed_in_its_zone(url: str, nightly: str) -> None:
    lines = invoke("recurring", "next", nightly, "--count", "3", "--url", url).stdout.splitlines()
    assert len(lines) == 3
    assert all(" 03:00:00 +0" in line for line in lines)
    assert len(json.loads(invoke("recurring", "next", nightly, "--json", "--url", url).stdout)) == 10


def test_it_is_paused_with_a_reason_and_resumed(url: str, jobrunr: JobRunr, nightly: str) -> None:
    result = invoke("recurring", "pause", nightly, "--reason", "the disk is full", "--url", url)
    assert (result.exit_code, result.stdout) == (0, "Recurring job nightly is paused.\n")
    assert jobrunr.scheduler.recurring.get(nightly).pause_reason == "the disk is full"
    assert "is            paused: the disk is full" in invoke("recurring", "show", nightly, "--url", url).stdout

    result = invoke("recurring", "resume", nightly, "--url", url)
    assert result.stdout.startswith("Recurring job nightly is active; its next run is ")
    assert not jobrunr.scheduler.recurring.get(nightly).is_paused


def test_it_is_triggered_and_the_id_of_the_job_is_printed(url: str, jobrunr: JobRunr, nightly: str) -> None:
    job_id = invoke("recurring", "trigger", nightly, "--url", url).stdout.strip()
    assert jobrunr.scheduler.get(job_id).state is JobState.ENQUEUED
    assert jobrunr.scheduler.get(job_id).recurring_job_id == nightly


def test_it_is_deleted(url: str, jobrunr: JobRunr, nightly: str) -> None:
    assert invoke("recurring", "delete", nightly, "--url", url).stdout == "Recurring job nightly is deleted.\n"
    assert jobrunr.scheduler.recurring.list() == []


@pytest.mark.parametrize("verb", ["show", "next", "pause", "resume", "trigger", "delete"])
def test_one_that_is_not_there_is_exit_code_1(url: str, jobrunr: JobRunr, verb: str) -> None:
    result = invoke("recurring", verb, "gone", "--url", url)
    assert result.exit_code == 1
    assert "'gone'" in result.stderr


class TestCron:
    def test_an_expression_is_said_in_words_with_its_next_runs(self) -> None:
        words = ("cron", "0 3 * * 1-5", "--zone", "Europe/Brussels", "--after", "2026-03-27T12:00Z", "--count", "2")
        result = invoke(*words)
        assert result.exit_code == 0
        assert result.stdout.splitlines() == [
            "At 03:00 on Monday to Friday (Europe/Brussels)",
            "",
            "Mon 2026-03-30 03:00:00 +0200",
            "Tue 2026-03-31 03:00:00 +0200",
        ]
        assert json.loads(invoke(*words, "--json").stdout) == ["2026-03-30T03:00:00+02:00", "2026-03-31T03:00:00+02:00"]

    @pytest.mark.parametrize("words", [("61 * * * *",), ("0 0 30 2 *",), ("@daily", "--zone", "Mars/Olympus")])
    def test_one_that_cannot_be_is_refused_in_one_sentence(self, words: tuple[str, ...]) -> None:
        result = invoke("cron", *words)
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: ")
        assert result.stderr.count("\n") == 1
