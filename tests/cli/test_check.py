"""``jobrunr check``: every job that may still run is held against the code."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import create_engine, text

from jobrunr import Job, JobRunr, JobState
from jobrunr.cli import check
from jobrunr.jobs import JobDetails
from jobrunr.recurring_job import JobTemplate
from jobrunr.testing import factories
from jobrunr.transitions import fail_and_retry
from tests.cli.conftest import invoke

HERE = "tests.cli.offered"


@pytest.fixture
def checked(jobrunr: JobRunr, url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("JOBRUNR_URL", url)
    return lambda *words: invoke("check", "--app", f"{HERE}:make", *words)


def a_job(
    jobrunr: JobRunr,
    function: str = "send_welcome",
    arguments: str = '{"email":"ada"}',
    made: Callable[..., Job] = factories.enqueued,
    **options: Any,
) -> Job:
    target = function if ":" in function else f"{HERE}:{function}"
    return made(jobrunr.storage, details=JobDetails(target, arguments), **options)


def groups(result: Result) -> dict[str, dict[str, Any]]:
    return {group["target"]: group for group in json.loads(result.stdout)["groups"]}


def test_jobs_that_fit_are_counted_and_that_is_all(checked: Callable[..., Result], jobrunr: JobRunr) -> None:
    a_job(jobrunr)
    a_job(jobrunr, made=factories.scheduled)

    result = checked()

    assert result.exit_code == 0
    assert result.stdout == "2 jobs still to run or FAILED, and this code can run all of them.\n"


@pytest.mark.parametrize(
    ("function", "arguments", "reason"),
    [
        ("sent_welcome", "{}", f"the module {HERE} has no 'sent_welcome'"),
        ("gone.jobs:send", "{}", "there is no module gone.jobs"),
        ("os:system", '{"command":"ls"}', "the module os belongs to the standard library"),
        ("send_welcome", '{"email":"ada","times":2}', "there is no parameter 'times'"),
        ("send_welcome", '{"email":"ada","copies":"two"}', "parameter 'copies': Expected `int`, got `str`"),
        ("send_welcome", "{}", "parameter 'email' is missing"),
        ("send_welcome", "nonsense", "they are not JSON"),
    ],
)
def test_a_job_that_does_not_fit_is_listed_with_the_reason(
    checked: Callable[..., Result], jobrunr: JobRunr, function: str, arguments: str, reason: str
) -> None:
    job = a_job(jobrunr, function, arguments)
    a_job(jobrunr)

    result = checked()

    assert result.exit_code == 1
    text = " ".join(result.stdout.split())
    assert f"{job.target}: 1 job " in text
    assert reason in text
    assert f"For example {job.id} (ENQUEUED)" in text
    assert text.endswith("2 jobs still to run or FAILED, and this code cannot run 1 of them.")


def test_every_state_from_which_a_job_may_run_is_looked_at_and_no_other(
    checked: Callable[..., Result], jobrunr: JobRunr
) -> None:
    may_run = [factories.awaiting, factories.scheduled, factories.enqueued, factories.processing, factories.failed]
    over = [factories.succeeded, factories.deleted]
    for made in may_run + over:
        a_job(jobrunr, f"gone_{made.__name__}", "{}", made, queue=made.__name__)

    found = groups(checked("--json"))

    assert set(found) == {f"{HERE}:gone_{made.__name__}" for made in may_run}
    assert found[f"{HERE}:gone_failed"]["example_state"] == "FAILED"


def test_a_target_without_end_is_cut_for_people(checked: Callable[..., Result], jobrunr: JobRunr) -> None:
    job = a_job(jobrunr, "gone" * 2000, "{}")
    assert len(checked().stdout) < 1500
    assert job.target in groups(checked("--json"))


def test_a_retry_that_is_due_later_is_looked_at(checked: Callable[..., Result], jobrunr: JobRunr) -> None:
    storage = jobrunr.storage
    running = a_job(jobrunr, "gone", "{}", factories.processing)
    later = timedelta(hours=1)
    update = fail_and_retry(running, storage.now(), "no", None, delay=later, retry_reason="retry 1 of 10")
    factories.written(storage, update)

    assert groups(checked("--json"))[f"{HERE}:gone"]["example_state"] == "SCHEDULED"


def test_jobs_are_grouped_by_target_and_reason_the_largest_group_first(
    checked: Callable[..., Result], jobrunr: JobRunr, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "_PAGE", 2)  # several pages of jobs
    a_job(jobrunr, "gone", "{}")
    for times in range(5):
        a_job(jobrunr, "send_welcome", f'{{"email":"ada","times":{times}}}')
    a_job(jobrunr, "send_welcome", '{"mail":"ada"}')

    found = json.loads(checked("--json").stdout)

    assert (found["checked"], found["cannot_run"]) == (7, 7)
    assert [group["count"] for group in found["groups"]] == [5, 1, 1]
    assert found["groups"][0]["target"] == f"{HERE}:send_welcome"


def test_a_row_that_cannot_be_read_is_listed(checked: Callable[..., Result], jobrunr: JobRunr, url: str) -> None:
    job = a_job(jobrunr, labels=("a",))
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobrunr_jobs SET extras = 'nonsense'"))
    engine.dispose()

    result = checked()

    assert result.exit_code == 1
    assert "Its row cannot be read" in result.stdout
    assert str(job.id) in result.stdout


def test_checking_runs_nothing_and_changes_nothing(checked: Callable[..., Result], jobrunr: JobRunr) -> None:
    job = a_job(jobrunr, "gone", "{}")

    checked()

    assert jobrunr.scheduler.get(job.id) == job
    assert jobrunr.scheduler.get(job.id).state is JobState.ENQUEUED


def test_a_recurring_job_that_this_code_cannot_run_is_listed_with_the_reason(
    checked: Callable[..., Result], jobrunr: JobRunr
) -> None:
    sound = factories.a_recurring_job(jobrunr.storage.now(), id="sound", template=a_template("fetch", '{"url":"x"}'))
    gone = factories.a_recurring_job(jobrunr.storage.now(), id="gone", template=a_template("sent_welcome", "{}"))
    odd = factories.a_recurring_job(jobrunr.storage.now(), id="odd", template=sound.template, schedule="61 * * * *")
    assert all(map(jobrunr.storage.save_recurring, (sound, gone, odd)))

    result = checked()

    assert result.exit_code == 1
    assert "recurring job gone\n" in result.stdout
    assert "has no 'sent_welcome'" in result.stdout
    found = json.loads(checked("--json").stdout)["recurring"]
    assert found.keys() == {"gone", "odd"}
    assert "61" in found["odd"]


def a_template(function: str, arguments: str) -> JobTemplate:
    return JobTemplate(details=JobDetails(f"{HERE}:{function}", arguments), name=function)
