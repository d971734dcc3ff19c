"""``jobrunr enqueue``: words become arguments, options become options, and the id is all that is printed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from click.testing import Result

from jobrunr import Job, JobId, JobRunr, JobState
from jobrunr.cli.words import read_words
from jobrunr.errors import ArgumentError
from tests.cli import offered
from tests.cli.conftest import invoke

HERE = "tests.cli.offered"


def words_of(function: Callable[..., Any], *words: str) -> tuple[list[Any], dict[str, Any]]:
    runnable = JobRunr("memory://", application="tests").registry.describe(function)
    return read_words(runnable, words)


@pytest.mark.parametrize(
    ("function", "word", "value"),
    [
        (offered.send_welcome, "ada@example.org", "ada@example.org"),
        (offered.send_welcome, "42", "42"),
        (offered.send_welcome, '"42"', "42"),
        (offered.send_welcome, '"a=b"', "a=b"),
        (offered.send_welcome, "https://example.org/?q=1", "https://example.org/?q=1"),
        (offered.send_welcome, "null", "null"),
        (offered.send_welcome, "", ""),
        (offered.take_types, "2026-11-24", date(2026, 11, 24)),
        (offered.take_types, "null", None),
        (offered.take_anything, "42", 42),
        (offered.take_anything, "true", True),
        (offered.take_anything, '{"a": [1]}', {"a": [1]}),
        (offered.take_anything, "plain text", "plain text"),
        (offered.take_position, "3", 3),
        (offered.Mailer.send, "ada", "ada"),
        (offered.Mailer.purge, "7", 7),
        (offered.Mailer.check, "7", "7"),
    ],
)
def test_a_word_is_json_for_its_parameter_or_else_text(function: Callable[..., Any], word: str, value: object) -> None:
    args, kwargs = words_of(function, word)

    assert args == [value]
    assert type(args[0]) is type(value)
    assert kwargs == {}


def test_words_by_name_go_to_their_parameters() -> None:
    an_id = UUID(int=7)
    words = ["size=large", "share=1", f"id={an_id}", "flag=true", 'order={"id": 1, "lines": ["a=b"]}', "urgent=false"]

    assert words_of(offered.take_types, *words) == (
        [],
        {
            "size": offered.Size.LARGE,
            "share": 1.0,
            "id": an_id,
            "flag": True,
            "order": offered.Order(1, ["a=b"]),
            "urgent": False,
        },
    )


def test_words_beyond_the_last_parameter_go_to_the_rest() -> None:
    assert words_of(offered.take_types, "null", "small", "0.5", "null", "false", "1", "2")[0][5:] == [1, 2]


@pytest.mark.parametrize(
    ("function", "words", "complaint"),
    [
        (offered.send_welcome, ["ada", "two"], "'two' is neither JSON for int (parameter 'copies') nor a text for it"),
        (offered.send_welcome, ["ada", "copies=x"], "'x' is neither JSON for int (parameter 'copies')"),
        (offered.send_welcome, ["ada", "1", "2"], "too many arguments"),
        (offered.send_welcome, ["emial=ada"], "there is no parameter 'emial'"),
        (offered.take_position, ["number=3"], "there is no parameter 'number' to pass by name"),
        (offered.take_types, ["urgent=perhaps"], "'perhaps' is neither JSON for bool (parameter 'urgent')"),
        (offered.take_types, ["size=huge"], "'huge' is neither JSON for Size"),
        (offered.take_types, ['order={"id": "x"}'], "is neither JSON for Order | None (parameter 'order')"),
        (offered.send_welcome, ["\udc80"], "is neither JSON for str (parameter 'email')"),
    ],
)
def test_a_word_that_does_not_fit_is_refused_with_the_name_of_its_parameter(
    function: Callable[..., Any], words: list[str], complaint: str
) -> None:
    with pytest.raises(ArgumentError) as refusal:
        words_of(function, *words)

    assert complaint in str(refusal.value).replace("'Order | None'", "Order | None")


@pytest.fixture
def enqueue(url: str, jobrunr: JobRunr, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("JOBRUNR_URL", url)
    monkeypatch.setenv("JOBRUNR_APP", f"{HERE}:make")
    return lambda *words: invoke("enqueue", *words)


def made(jobrunr: JobRunr, result: Result) -> Job:
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return jobrunr.scheduler.get(result.stdout.removesuffix("\n"))


def test_it_prints_the_id_of_a_job_that_is_stored(enqueue: Callable[..., Result], jobrunr: JobRunr) -> None:
    job = made(jobrunr, enqueue(f"{HERE}:send_welcome", "ada@example.org", "copies=2"))

    assert job.state is JobState.ENQUEUED
    assert job.target == f"{HERE}:send_welcome"
    assert job.details.arguments == '{"email":"ada@example.org","copies":2}'


@pytest.mark.parametrize(
    ("target", "stored"), [("Mailer.send", "x"), ("Mailer.purge", "3"), ("Mailer.check", "x"), ("fetch", "x")]
)
def test_methods_and_coroutines_can_be_named(
    enqueue: Callable[..., Result], jobrunr: JobRunr, target: str, stored: str
) -> None:
    assert made(jobrunr, enqueue(f"{HERE}:{target}", stored)).target == f"{HERE}:{target}"


def test_options_become_options(enqueue: Callable[..., Result], jobrunr: JobRunr) -> None:
    job_id = str(JobId.from_key("order-17"))
    words = ["--queue", "reports", "--priority", "-5", "--label", "a", "--label", "b", "--retries", "0", "--id", job_id]
    job = made(jobrunr, enqueue(*words, "--name", "to {email}", f"{HERE}:send_welcome", "ada"))

    assert (job.queue, job.priority, job.labels, job.retries, str(job.id)) == ("reports", -5, ("a", "b"), 0, job_id)
    assert job.name == "to ada"


def test_where_and_for_how_long_a_job_runs_can_be_said(enqueue: Callable[..., Result], jobrunr: JobRunr) -> None:
    extras = made(jobrunr, enqueue("--timeout", "1m30s", "--execution", "process", f"{HERE}:send_welcome", "ada")).extras

    assert (extras.timeout, extras.execution) == (timedelta(seconds=90), "process")


def test_what_is_not_said_is_left_to_the_function(enqueue: Callable[..., Result], jobrunr: JobRunr) -> None:
    assert made(jobrunr, enqueue(f"{HERE}:Mailer.send", "x")).queue == "mail"


def test_an_id_that_exists_changes_nothing(enqueue: Callable[..., Result], jobrunr: JobRunr) -> None:
    job_id = str(JobId.from_key("order-17"))
    first = made(jobrunr, enqueue("--id", job_id, f"{HERE}:send_welcome", "ada"))
    second = made(jobrunr, enqueue("--id", job_id, f"{HERE}:send_welcome", "bob"))

    assert second == first


def test_a_job_can_be_scheduled_for_later(enqueue: Callable[..., Result], jobrunr: JobRunr) -> None:
    relative = made(jobrunr, enqueue("--in", "10m", f"{HERE}:send_welcome", "ada"))
    absolute = made(jobrunr, enqueue("--at", "2099-11-24T03:00+01:00", f"{HERE}:send_welcome", "ada"))

    assert relative.state is absolute.state is JobState.SCHEDULED
    assert relative.run_at is not None
    assert abs(relative.run_at - relative.created_at - timedelta(minutes=10)) < timedelta(minutes=1)
    assert absolute.run_at == datetime(2099, 11, 24, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (["--in", "soon", f"{HERE}:send_welcome"], 2, "'soon' is no duration; write"),
        (["--at", "tomorrow", f"{HERE}:send_welcome"], 2, "'tomorrow' is no moment; write 2026-11-24T03:00+01:00"),
        (["--at", "2026-11-24T03:00", f"{HERE}:send_welcome"], 2, "has no time zone; write 2026-11-24T03:00Z"),
        (["--in", "1m", "--at", "2099-01-01T00:00Z", f"{HERE}:send_welcome"], 2, "Give --in or --at, not both"),
        (["--timeout", "long", f"{HERE}:send_welcome", "ada"], 2, "'long' is no duration; write"),
        (["--timeout", "0", f"{HERE}:send_welcome", "ada"], 1, "timeout cannot be"),
        (["--execution", "fork", f"{HERE}:send_welcome", "ada"], 2, "'fork' is not one of 'thread', 'process'"),
        (["--id", "17", f"{HERE}:send_welcome"], 2, "'17' is no id of a job"),
        ([f"{HERE}:sent_welcome"], 2, f"{HERE}:sent_welcome: the module {HERE} has no 'sent_welcome'."),
        (["send_welcome"], 2, "send_welcome cannot be read. Write module:name"),
        ([f"{HERE}:send_welcome"], 1, "missing a required argument: 'email'"),
        ([f"{HERE}:NUMBER"], 1, "it cannot be called"),
        (["--retries", "-1", f"{HERE}:send_welcome", "ada"], 1, "retries cannot be -1"),
        (["subprocess:run", "ls"], 1, "is not offered as a job: the module subprocess belongs to the standard library"),
    ],
)
def test_what_cannot_become_a_job_is_refused_in_a_sentence(
    enqueue: Callable[..., Result], jobrunr: JobRunr, words: list[str], code: int, complaint: str
) -> None:
    result = enqueue(*words)

    assert result.exit_code == code
    assert complaint in " ".join(result.stderr.split())
    assert result.stdout == ""
    assert sum(jobrunr.scheduler.counts().values()) == 0
