"""``jobrunr worker`` as a process, with real signals."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from jobrunr import Job, JobRunr, JobState
from jobrunr.cli.root import root
from jobrunr.cli.supervise import server_commands
from jobrunr.jobs import JobDetails
from jobrunr.settings import Settings
from jobrunr.testing.factories import enqueued
from tests.cli.conftest import Run, Worker, eventually, wait_for

Start = Callable[..., Worker]

EVENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d (DEBUG|INFO|WARNING|ERROR|CRITICAL) +[\w.]+: .+")


def a_welcome(jobs: JobRunr, email: str = "ada@example.org", **options: Any) -> Job:
    details = JobDetails("shop.jobs:send_welcome", json.dumps({"email": email}))
    return enqueued(jobs.storage, **({"details": details, "retries": 0} | options))


def a_running_job(jobs: JobRunr, folder: Path, function: str = "wait") -> Job:
    """A job that has begun in another process and waits there."""
    arguments = {"began": "began"} | ({"go": "go"} if function == "wait" else {})
    job = enqueued(jobs.storage, details=JobDetails(f"shop.jobs:{function}", json.dumps(arguments)))
    eventually((folder / "began").exists, "the job has begun")
    return job


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_runs_what_is_enqueued_and_stops_cleanly_on_a_signal(jobs: JobRunr, worker: Start, number: int) -> None:
    process = worker()
    job = a_welcome(jobs)

    assert wait_for(jobs, job.id, JobState.SUCCEEDED).result == "1 to ada@example.org"
    process.tell_to_stop(number)
    assert process.wait() == 0
    assert jobs.storage.servers() == []


def test_the_log_says_what_it_serves_and_what_became_of_each_job(jobs: JobRunr, worker: Start) -> None:
    process = worker("--name", "worker-7", "--queue", "mail", "--queue", "reports")
    good = a_welcome(jobs, queue="mail")
    bad = a_welcome(jobs, "nobody", queue="mail", name="two\nlines")
    late = a_welcome(jobs, "nobody", queue="reports", retries=3)
    wait_for(jobs, good.id, JobState.SUCCEEDED)
    wait_for(jobs, bad.id, JobState.FAILED)
    wait_for(jobs, late.id, JobState.SCHEDULED)
    process.tell_to_stop()
    process.wait()

    log = process.log
    assert "worker-7 runs jobs of the queues mail, reports from sqlite:///shop.db" in log
    assert re.search(f"INFO +jobrunr.job: job {good.id} .* succeeded after", log)
    assert re.search(
        f"ERROR +jobrunr.job: job {bad.id} .two\\\\nlines. failed after .*: ValueError: 'nobody' is no address", log
    )
    assert re.search(f"WARNING +jobrunr.job: job {late.id} .*: ValueError: 'nobody' is no address; retry 1 of 3 in 3 s", log)
    assert [line for line in log.splitlines() if not EVENT.fullmatch(line)] == []


def test_a_job_of_another_queue_is_left_alone(jobs: JobRunr, worker: Start) -> None:
    worker("--queue", "mail")
    elsewhere = a_welcome(jobs, queue="reports")
    here = a_welcome(jobs, queue="mail")

    wait_for(jobs, here.id, JobState.SUCCEEDED)
    assert jobs.scheduler.get(elsewhere.id).state is JobState.ENQUEUED


def test_it_lets_running_jobs_end(jobs: JobRunr, shop: Path, worker: Start) -> None:
    process = worker("--grace", "1m")
    job = a_running_job(jobs, shop)

    process.tell_to_stop()
    (shop / "go").touch()

    assert process.wait() == 0
    assert jobs.scheduler.get(job.id).state is JobState.SUCCEEDED
    assert "stopping, on SIGTERM; 1 job is running" in process.log
    assert re.search(f"job {job.id} .* succeeded", process.log)


@pytest.mark.parametrize("function", ["wait", "wait_politely"])
def test_a_second_signal_gives_running_jobs_back_at_once(jobs: JobRunr, shop: Path, worker: Start, function: str) -> None:
    process = worker("--grace", "1h")
    running = a_running_job(jobs, shop, function)

    process.tell_to_stop()
    again = time.monotonic()
    process.tell_again()

    assert process.wait() == 5
    assert time.monotonic() - again < 10
    job = jobs.scheduler.get(running.id)
    assert (job.state, job.failures) == (JobState.ENQUEUED, 0)
    assert f"job {job.id} " in process.log
    assert "1 job is given back" in process.log


def test_a_job_that_outlasts_the_grace_is_given_back_and_the_exit_code_says_so(
    jobs: JobRunr, shop: Path, worker: Start
) -> None:
    process = worker("--grace", "0s")
    job = a_running_job(jobs, shop)

    process.tell_to_stop()

    assert process.wait() == 5
    assert jobs.scheduler.get(job.id).state is JobState.ENQUEUED


def test_a_job_that_ends_when_it_is_told_to_counts_as_ended(jobs: JobRunr, shop: Path, worker: Start) -> None:
    process = worker("--grace", "0s")
    job = a_running_job(jobs, shop, "end_early")

    process.tell_to_stop()

    assert process.wait() == 0
    assert jobs.scheduler.get(job.id).result == "half of it"


def test_an_application_that_sets_up_its_logging_keeps_it(shop: Path, worker: Start) -> None:
    with (shop / "shop" / "jobs.py").open("a") as code:
        code.write("\nimport logging\nlogging.basicConfig(level='INFO', format='mine: %(message)s')\n")
    process = worker()

    process.tell_to_stop()
    assert process.wait() == 0
    assert {line.partition(" ")[0] for line in process.log.splitlines()} == {"mine:"}


def test_a_quiet_worker_logs_only_what_is_bad(jobs: JobRunr, worker: Start) -> None:
    good, bad = a_welcome(jobs), a_welcome(jobs, "nobody")
    process = worker("--log-level", "error", is_up=lambda log: str(bad.id) in log)

    wait_for(jobs, good.id, JobState.SUCCEEDED)
    process.tell_again()
    assert process.wait() == 0
    assert [line.split()[2] for line in process.log.splitlines()] == ["ERROR"]


def test_a_storage_that_is_away_is_exit_code_3(run: Run) -> None:
    outcome = run("worker", "--app", "shop.jobs:make_remote")

    assert outcome.returncode == 3
    assert outcome.stderr.startswith("Error: The storage postgresql://127.0.0.1:1/shop is not available")


def commands(*words: str, count: int, **settings: Any) -> list[list[str]]:
    """How the servers are started when the supervisor was started like this; without what starts Python."""
    verb = root.get_command(click.Context(root), "worker")
    assert verb is not None
    context = verb.make_context("worker", list(words))
    made = server_commands(context, Settings(**settings), count)
    assert {command[-1] for command in made} == {"--supervised"}
    return [command[command.index("worker") + 1 : -1] for command in made]


def test_the_servers_of_a_supervisor_get_its_options_and_the_first_of_them_the_dashboard() -> None:
    options = [
        "--app",
        "shop.jobs:jobrunr",
        "--workers",
        "4",
        "--queue",
        "mail",
        "--queue",
        "big reports",
        "--grace",
        "90.5s",
    ]
    everybody = [*options, "--log-level", "DEBUG", "--debug"]
    dashboard = ["--dashboard", "--dashboard-port", "8080"]

    first, second = commands(*options, *dashboard, "--log-level", "debug", "--debug", "--processes", "2", count=2)

    assert second == everybody
    assert sorted(first) == sorted([*everybody, *dashboard])


@pytest.mark.parametrize(("count", "names"), [(1, ["shop"]), (2, ["shop-1", "shop-2"])])
def test_the_servers_of_a_supervisor_have_names_that_differ(count: int, names: list[str]) -> None:
    made = commands("--name", "shop", "--processes", str(count), count=count, server_name="shop")
    assert made == [["--name", name] for name in names]


def test_a_supervisor_refuses_jobs_that_other_processes_do_not_reach(run: Run) -> None:
    outcome = run("worker", "--app", "shop.jobs:make_forgetful", "--processes", "2")

    assert outcome.returncode == 2
    assert "Error: --processes needs a database: memory:// lives in one process." in outcome.stderr
