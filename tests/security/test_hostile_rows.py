"""Rows that a stranger wrote into the table of jobs, run as a server would run them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from jobrunr import JobId, JobRunr, JobState, NewJob
from jobrunr.jobs import JobDetails
from jobrunr.testing import drain

touched: list[object] = []


def send(email: str) -> None:
    touched.append(email)


def row(target: str, arguments: str = "{}") -> NewJob:
    return NewJob(id=JobId.new(), details=JobDetails(target, arguments), name="send a mail", retries=10)


@pytest.mark.parametrize(
    ("target", "arguments", "error", "reason"),
    [
        ("os:system", '{"command":"touch %s"}', "TargetForbiddenError", "the module os belongs to the standard library"),
        (
            "builtins:eval",
            '{"*":["open(%r, \'w\')"]}',
            "TargetForbiddenError",
            "the module builtins belongs to the standard",
        ),
        (f"{__name__}:sys.exit", "{}", "TargetNotFoundError", "'sys' is of type module"),
        (f"{__name__}:send.__globals__", "{}", "TargetForbiddenError", "begins with two underscores"),
        (f"{__name__}:sent", "{}", "TargetNotFoundError", "has no 'sent'"),
        (f"{__name__}:send", '{"mail":"x"}', "ArgumentsMisfitError", "there is no parameter 'mail'"),
        (
            f"{__name__}:send",
            '{"email":{"py/object":"os.system"}}',
            "ArgumentsMisfitError",
            "Expected `str`, got `object`",
        ),
        (f"{__name__}:send", "not JSON", "ArgumentsUnreadableError", "they are not JSON"),
        ("", "", "TargetForbiddenError", "does not have the form"),
    ],
)
def test_fail_at_once_with_a_reason_and_hurt_no_other(
    tmp_path: Path, target: str, arguments: str, error: str, reason: str
) -> None:
    jobrunr = JobRunr("memory://")
    hostile = row(target, arguments % (tmp_path / "touched") if "%" in arguments else arguments)
    neighbour = jobrunr.scheduler.enqueue(send, "ada@example.org")
    jobrunr.storage.insert([hostile])
    touched.clear()
    drain(jobrunr)
    job = jobrunr.scheduler.get(hostile.id)
    last = job.history[-1]
    assert (job.state, job.failures) == (JobState.FAILED, 1)
    assert last.exception is not None
    assert last.exception.type == f"jobrunr.errors.{error}"
    assert reason in last.exception.message
    assert last.reason == "a retry would not help"
    assert not (tmp_path / "touched").exists()
    assert touched == ["ada@example.org"]
    assert jobrunr.scheduler.get(neighbour).state is JobState.SUCCEEDED


def test_import_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages" / "bomb_in_a_row.py").write_text("raise SystemExit('the bomb was imported')\n")
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    jobrunr = JobRunr("memory://")
    hostile = row("bomb_in_a_row:run")
    jobrunr.storage.insert([hostile])
    drain(jobrunr)
    assert jobrunr.scheduler.get(hostile.id).state is JobState.FAILED
    assert "bomb_in_a_row" not in sys.modules
