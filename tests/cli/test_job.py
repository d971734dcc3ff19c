"""``jobrunr job``: look at jobs and steer them."""

from __future__ import annotations

import json
import logging
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

import click
import msgspec
import pytest

from jobrunr import Job, JobFilter, JobRunr, JobState
from jobrunr.cli.job_as_json import job_as_json
from jobrunr.cli.job_as_text import job_as_text
from jobrunr.history import ExceptionRecord
from jobrunr.jobs import JobDetails, JobExtras
from jobrunr.storage.contract import LogLine, RunRecord
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing import TestClock, factories
from jobrunr.transitions import fail, fail_and_retry, leave, succeed
from tests.cli.conftest import Run, invoke, wait_for

BEGIN = datetime(2026, 11, 23, 22, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> TestClock:
    return TestClock(BEGIN)


@pytest.fixture
def storage(clock: TestClock) -> MemoryStorageProvider:
    return MemoryStorageProvider(clock)


def shown(storage: MemoryStorageProvider, job: Job) -> str:
    """What a person sees of a job, without colours."""
    job = factories.present(storage, job)
    lines = job_as_text(job, storage.logs(job.id), storage.data(job.id), storage.now())
    return "\n".join(map(click.unstyle, lines))


# -- show, for people


A_LIFE = """\
Send welcome  SUCCEEDED
  id          {id}
  call        from shop.jobs import send_welcome
              send_welcome(email='ada@example.org', copies=2)
  queue       mail, priority 5
  labels      a, b
  retries     1 of 2 used
  progress    ██████████░░░░░░░░░░ 50%  3 of 8, 1 failed (attempt 1)
  metadata    provider = "smtp-2"
  result      "250 OK"

History (UTC)
  2026-11-23
  22:00:00.000  ENQUEUED    waited 12 s
  22:00:12.000  PROCESSING  ran 118 ms       attempt 1 on shop-1:17
  22:00:12.118  FAILED                       ValueError: no such mailbox; a retry follows
  22:00:12.118  SCHEDULED   waited 24 h      for 22:00:15.118; retry 1 of 2
  2026-11-24
  22:00:12.118  ENQUEUED    waited 1 s
  22:00:13.118  PROCESSING  ran 2 s          attempt 2 on shop-1:17
  22:00:15.118  SUCCEEDED

Last exception
  Traceback (most recent call last):
    File x
  ValueError: no

Log (UTC)
  attempt 1, 2026-11-23
  22:00:12.000  WARNING  mailbox
    full"""


def test_a_job_that_was_left_for_other_servers_did_not_run_and_says_why(
    storage: MemoryStorageProvider, clock: TestClock
) -> None:
    job = factories.processing(storage, factories.announced(storage, name="shop-1:17"))
    clock.advance(minutes=7)
    factories.written(storage, leave(job, clock.now(), "shop-1:17 does not know it", delay=timedelta(minutes=1)))

    assert shown(storage, job).splitlines()[-2:] == [
        "  22:00:00.000  PROCESSING                   attempt 1 on shop-1:17",
        "  22:07:00.000  SCHEDULED   waits 0 s        for 22:08:00.000; shop-1:17 does not know it",
    ]


def test_the_whole_life_of_a_job_is_told(storage: MemoryStorageProvider, clock: TestClock) -> None:
    details = JobDetails("shop.jobs:send_welcome", '{"email":"ada@example.org","copies":2}')
    server = factories.announced(storage, name="shop-1:17")
    factories.enqueued(storage, details=details, name="Send welcome", queue="mail", priority=5, labels=("a", "b"), retries=2)
    clock.advance(seconds=12)
    (job,) = storage.claim(server.id, server.name, 1)
    claim = factories.claim_of(job)
    line = LogLine(1, 0, clock.now(), logging.WARNING, "mailbox\nfull")
    kept = {"progress.1": '{"done":3,"failed":1,"total":8}', "metadata.provider": '"smtp-2"'}
    storage.append([RunRecord(claim=claim, logs=(line,), data=kept)])
    clock.advance(seconds=0.118)
    record = ExceptionRecord(
        "builtins.ValueError", "no such mailbox", "Traceback (most recent call last):\n  File x\nValueError: no\n"
    )
    delay = timedelta(seconds=3)
    factories.written(
        storage, fail_and_retry(job, clock.now(), "a retry follows", record, delay=delay, retry_reason="retry 1 of 2")
    )
    clock.advance(days=1)
    storage.promote(10)
    clock.advance(seconds=1)
    (job,) = storage.claim(server.id, server.name, 1)
    clock.advance(seconds=2)
    factories.written(storage, succeed(job, clock.now(), '"250 OK"'))

    assert shown(storage, job) == A_LIFE.format(id=job.id)


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (JobState.ENQUEUED, "22:00:00.000  ENQUEUED    waits 1 min 30 s"),
        (JobState.PROCESSING, "22:00:00.000  PROCESSING  runs 1 min 30 s  attempt 1 on shop-1:4711"),
        (JobState.SCHEDULED, "22:00:00.000  SCHEDULED   waits 1 min 30 s  for 23:00:00.000"),
    ],
)
def test_a_job_that_is_not_over_tells_for_how_long_so_far(state: JobState, line: str) -> None:
    job = factories.a_stored_job(state, BEGIN)

    lines = [click.unstyle(text).strip() for text in job_as_text(job, (), {}, BEGIN + timedelta(seconds=90))]

    assert line in lines


def test_a_scheduled_job_says_when_it_is_due(storage: MemoryStorageProvider) -> None:
    job = factories.scheduled(storage, BEGIN + timedelta(minutes=10))

    assert "  due         2026-11-23 22:10:00.000, in 10 min" in shown(storage, job)


def test_a_job_says_how_it_runs_if_it_wants_that(storage: MemoryStorageProvider) -> None:
    both = factories.enqueued(storage, extras=JobExtras(timeout=timedelta(seconds=90), execution="process"))
    limited = factories.enqueued(storage, extras=JobExtras(timeout=timedelta(seconds=90)))

    assert "  runs        in a process of its own, for 1 min 30 s at most" in shown(storage, both)
    assert "  runs        for 1 min 30 s at most" in shown(storage, limited)
    assert "  runs " not in shown(storage, factories.enqueued(storage))
    as_json = job_as_json(both, (), {})
    assert (as_json["execution"], as_json["timeout"]) == ("process", 90)


def test_a_job_says_how_often_its_process_died_and_what_that_means() -> None:
    def told(job: Job) -> str:
        return click.unstyle("\n".join(job_as_text(job, (), {}, BEGIN)))

    suspect = factories.a_stored_job(crashes=2)
    quarantined = factories.a_stored_job(JobState.FAILED, crashes=3)
    only_once = factories.a_stored_job(JobState.FAILED, crashes=1, retries=0)

    assert "  crashes     its process died twice while it ran, which uses up no retry;" in told(suspect)
    assert "  crashes     its process died 3 times while it ran, so it is quarantined:" in told(quarantined)
    assert "  crashes     its process died once while it ran\n" in told(only_once)
    assert "  crashes " not in told(factories.a_stored_job(JobState.FAILED))
    as_json = [job_as_json(job) for job in (suspect, quarantined, only_once)]
    assert [(each["crashes"], each["is_quarantined"]) for each in as_json] == [(2, False), (3, True), (1, False)]


def test_lines_are_broken_where_the_terminal_ends(storage: MemoryStorageProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobrunr.cli.job_as_text.columns", lambda: 80)
    running = factories.processing(storage)
    update = fail(running, storage.now(), "no retry is left", ExceptionRecord("ValueError", "a word " * 20))
    factories.written(storage, update)

    lines = shown(storage, running).splitlines()

    assert max(map(len, lines[:-2])) <= 80
    assert sum(line.startswith(" " * 45) for line in lines) > 1


def test_what_strangers_wrote_cannot_steer_the_terminal(storage: MemoryStorageProvider) -> None:
    evil = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202eevil"
    details = JobDetails("shop.jobs:send", json.dumps({"x": evil}))
    job = factories.processing(storage, details=details, name=evil, queue=evil, labels=(evil,))
    line = LogLine(1, 0, storage.now(), 20, evil)
    claim = factories.claim_of(job)
    storage.append([RunRecord(claim=claim, logs=(line,), data={"metadata.a": json.dumps(evil), "metadata." + evil: "1"})])
    factories.written(storage, fail(job, storage.now(), evil, ExceptionRecord(evil, evil, evil)))

    text = shown(storage, job)

    assert {character for character in text if not character.isprintable()} <= {"\n"}
    assert "\\x1b[2J" in text


def test_a_job_without_a_history_that_can_be_read_is_shown() -> None:
    job = factories.a_stored_job(JobState.FAILED, past="", unreadable="its past is nonsense")
    text = "\n".join(job_as_text(job, [], {}, BEGIN))
    assert "There is none that can be read." in text
    assert "its past is nonsense" in text


@pytest.mark.parametrize("column", ["details", "labels_json", "extras_json", "result_json", "past", "unreadable"])
def test_a_job_that_is_damaged_is_shown_all_the_same(column: str) -> None:
    job = factories.a_stored_job(JobState.SUCCEEDED, BEGIN)
    nonsense = JobDetails("shop.jobs:send", "nonsense") if column == "details" else "nonsense\n"

    text = "\n".join(job_as_text(msgspec.structs.replace(job, **{column: nonsense}), (), {"progress.1": "x"}, BEGIN))

    assert str(job.id) in text
    assert "SUCCEEDED" in text


# -- show, for scripts


def test_json_holds_everything(url: str, jobrunr: JobRunr) -> None:
    details = JobDetails("shop.jobs:send", '{"to":"ada","*":[1]}')
    job = factories.processing(jobrunr.storage, details=details, labels=("a",))
    claim = factories.claim_of(job)
    line = LogLine(1, 0, jobrunr.storage.now(), 20, "hello")
    kept = {"progress.1": '{"done":1,"failed":0,"total":2}', "metadata.a": "[1]", "metadata.gone": ""}
    jobrunr.storage.append([RunRecord(claim=claim, logs=(line,), data=kept)])
    factories.written(jobrunr.storage, fail(job, jobrunr.storage.now(), "it failed", factories.an_exception()))

    found = json.loads(invoke("job", "show", "--url", url, "--json", str(job.id)).stdout)

    assert found["id"] == str(job.id)
    assert found["target"] == "shop.jobs:send"
    assert found["arguments"] == {"to": "ada", "*": [1]}
    assert found["labels"] == ["a"]
    assert [change["state"] for change in found["history"]] == ["ENQUEUED", "PROCESSING", "FAILED"]
    assert found["history"][1]["attempt"] == 1
    assert found["history"][2]["exception"]["type"] == "builtins.ValueError"
    assert found["logs"][0]["message"] == "hello"
    assert found["progress"] == {"1": {"done": 1, "failed": 0, "total": 2}}
    assert found["metadata"] == {"a": [1]}
    assert found["result"] is None


def test_a_job_that_is_not_there_is_exit_code_1(url: str, jobrunr: JobRunr) -> None:
    job_id = str(uuid4())

    for verb in ("show", "delete", "requeue"):
        result = invoke("job", verb, "--url", url, job_id)
        assert result.exit_code == 1
        assert result.stderr.startswith(f"Error: There is no job {job_id}.")


# -- list


def test_a_list_of_nothing_says_so(url: str, jobrunr: JobRunr) -> None:
    assert invoke("job", "list", "--url", url, "--state", "failed").stdout == "There is no such job.\n"
    assert invoke("job", "list", "--url", url, "--state", "failed", "--json").stdout.strip() == "[]"


def test_jobs_are_listed_the_newest_first(url: str, jobrunr: JobRunr) -> None:
    first = factories.failed(jobrunr.storage, name="the first")
    second = factories.enqueued(jobrunr.storage, name="the second")

    lines = invoke("job", "list", "--url", url).stdout.splitlines()

    assert lines[0].split() == ["ID", "STATE", "FOR", "NAME"]
    assert [line.split()[:2] for line in lines[1:]] == [[str(second.id), "ENQUEUED"], [str(first.id), "FAILED"]]
    assert lines[1].endswith("the second")


@pytest.mark.parametrize(
    "words",
    [("--state", "failed"), ("--state", "FAILED"), ("--queue", "mail"), ("--label", "a"), ("--target", "shop.jobs:send")],
)
def test_the_list_can_be_narrowed(url: str, jobrunr: JobRunr, words: tuple[str, str]) -> None:
    wanted = factories.failed(jobrunr.storage, queue="mail", labels=("a",), details=JobDetails("shop.jobs:send"))
    factories.enqueued(jobrunr.storage)

    assert [job["id"] for job in json.loads(invoke("job", "list", "--url", url, "--json", *words).stdout)] == [
        str(wanted.id)
    ]


def test_a_list_that_is_cut_says_so(url: str, jobrunr: JobRunr) -> None:
    for _ in range(3):
        factories.enqueued(jobrunr.storage)

    cut, whole = (invoke("job", "list", "--url", url, "--limit", limit) for limit in ("2", "3"))

    assert (len(cut.stdout.splitlines()), cut.stderr) == (3, "There are more; --limit shows more than 2.\n")
    assert (len(whole.stdout.splitlines()), whole.stderr) == (4, "")


# -- steer


def test_a_job_is_deleted_and_its_history_says_by_whom(url: str, jobrunr: JobRunr) -> None:
    job = factories.enqueued(jobrunr.storage)

    result = invoke("job", "delete", "--url", url, str(job.id))

    assert result.stdout == f"Job {job.id} is DELETED.\n"
    change = jobrunr.scheduler.get(job.id).history[-1]
    assert change.state is JobState.DELETED
    assert change.reason == "deleted on the command line"
    shown = " ".join(invoke("job", "show", "--url", url, str(job.id)).stdout.split())
    assert f"deleted on the command line; by {change.by}" in shown
    assert (change.by or "").endswith(f" on {socket.gethostname()}")


def test_a_job_is_requeued_for_a_reason(url: str, jobrunr: JobRunr) -> None:
    job = factories.failed(jobrunr.storage)

    result = invoke("job", "requeue", "--url", url, "--reason", "the disk is back", str(job.id))

    assert result.stdout == f"Job {job.id} is ENQUEUED.\n"
    assert jobrunr.scheduler.get(job.id).history[-1].reason == "the disk is back"


@pytest.mark.parametrize("verb", ["list", "show", "delete", "requeue"])
def test_a_database_that_is_not_there_is_not_made(tmp_path: Path, verb: str) -> None:
    words = [] if verb == "list" else [str(uuid4())]

    result = invoke("job", verb, "--url", f"sqlite:///{tmp_path}/nothing.db", *words)

    assert result.exit_code == 4
    assert list(tmp_path.iterdir()) == []


def test_doing_it_twice_is_no_error(url: str, jobrunr: JobRunr) -> None:
    job = factories.enqueued(jobrunr.storage)

    assert [invoke("job", "delete", "--url", url, str(job.id)).exit_code for _ in range(2)] == [0, 0]
    assert [invoke("job", "requeue", "--url", url, str(job.id)).exit_code for _ in range(2)] == [0, 0]


def test_a_job_that_runs_cannot_be_requeued(url: str, jobrunr: JobRunr) -> None:
    job = factories.processing(jobrunr.storage)

    result = invoke("job", "requeue", "--url", url, str(job.id))

    assert result.exit_code == 1
    assert result.stderr == f"Error: Job {job.id} is PROCESSING and cannot become ENQUEUED.\n"


class Witness(JobFilter):
    """Remembers what the command line did."""

    changes: ClassVar[list[tuple[JobState, JobState]]] = []

    def state_changed(self, job: Job, old: JobState, new: JobState) -> None:
        self.changes.append((old, new))


def make_watched() -> JobRunr:
    return JobRunr(filters=[Witness()])


def test_the_filters_of_the_application_see_what_the_command_line_does(
    url: str, jobrunr: JobRunr, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBRUNR_URL", url)
    monkeypatch.setattr(Witness, "changes", [])
    job = factories.enqueued(jobrunr.storage)

    invoke("job", "delete", "--app", "tests.cli.test_job:make_watched", str(job.id))

    assert Witness.changes == [(JobState.ENQUEUED, JobState.DELETED)]


def test_from_enqueue_to_a_second_look(run: Run, jobs: JobRunr, worker: object) -> None:
    """The way that a user goes, with a process for each command."""
    said = run("enqueue", "--app", "shop.jobs:jobrunr", "shop.jobs:say", "hello").stdout.strip()
    worker()  # type: ignore[operator]
    wait_for(jobs, said, JobState.SUCCEEDED)  # type: ignore[arg-type]

    outcome = run("job", "show", "--app", "shop.jobs:jobrunr", said)

    assert outcome.returncode == 0
    assert "INFO     said hello" in outcome.stdout
    assert run("job", "requeue", "--app", "shop.jobs:jobrunr", said).stdout == f"Job {said} is ENQUEUED.\n"
