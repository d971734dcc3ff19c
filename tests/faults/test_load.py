"""There is too much: dead servers at once, unreadable rows, jobs that are due, people who look."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from sqlalchemy import URL, NullPool, create_engine

from chaos import jobs
from chaos.crew import APPLICATION
from chaos.trial import Trial
from jobrunr import JobId
from jobrunr.storage.sql.tables import Tables
from tests.faults.conftest import MakeTrial
from tests.processes.conftest import eventually

pytestmark = pytest.mark.timeout(200)


def test_a_thousand_jobs_in_the_hands_of_servers_that_are_killed_at_once_run_to_their_end(
    postgresql: URL, make_trial: MakeTrial
) -> None:
    trial = make_trial(postgresql, workers=250)
    victims = trial.crew.fork_all("one", "two", "three", "four")
    trial.ask_for(1000, jobs.take_effect_at_the_second_attempt)
    eventually("all are in work", lambda: len(trial.effects()) == 1000, every=0.1)

    for victim in victims:
        victim.kill()
    trial.crew.fork_all("five", "six")
    trial.wait_until_over()

    assert trial.objections() == []
    assert {effect.server for effect in trial.effects() if effect.what == "effect"} == {"five", "six"}
    assert trial.crew.query("SELECT DISTINCT state, attempts, failures FROM jobrunr_jobs") == [("SUCCEEDED", 2, 0)]


# -- rows


def multiply(url: URL, job_id: JobId, count: int, **columns: str) -> None:
    """Put so many copies of a job beside it.

    Arguments:
        columns: what is different in the copies, as SQL.
    """
    own = {"id": "gen_random_uuid()", **columns}
    names = [column.name for column in Tables().jobs.c]
    values = ", ".join(own.get(name, name) for name in names)
    with create_engine(url, poolclass=NullPool).begin() as connection:
        connection.exec_driver_sql(
            f"INSERT INTO jobrunr_jobs ({', '.join(names)}) SELECT {values} FROM jobrunr_jobs, generate_series(1, {count})"
            f" WHERE id = '{job_id}'"
        )


def test_unreadable_rows_at_the_head_of_the_queue_fail_and_let_others_have_their_turn(
    postgresql: URL, make_trial: MakeTrial
) -> None:
    trial = make_trial(postgresql)
    (first,) = trial.ask_for(1)
    multiply(postgresql, first, 3000, extras="'not JSON'", priority="priority + 1")
    trial.ask_for(100)
    trial.crew.fork_all("worker")

    trial.wait_until_over()

    assert Counter(state for (state,) in trial.crew.query("SELECT state FROM jobrunr_jobs")) == {
        "SUCCEEDED": 101,
        "FAILED": 3000,
    }
    assert len(trial.effects()) == 202


def test_while_the_master_promotes_what_is_due_at_one_moment_its_heartbeat_goes_on(
    postgresql: URL, make_trial: MakeTrial
) -> None:
    trial = make_trial(postgresql, queues="default")
    trial.crew.fork_all("master", "other")
    due = trial.app.scheduler.options(queue="of nobody").enqueue(jobs.take_effect)
    multiply(postgresql, due, 8_000, state="'SCHEDULED'", run_at="now()", scheduled_at="now()")
    trial.ask_for(100, jobs.take_effect, 0.02)

    eventually("all are promoted", lambda: states_of(trial) == {"ENQUEUED"}, every=0.1)
    with create_engine(postgresql, poolclass=NullPool).begin() as connection:
        connection.exec_driver_sql("DELETE FROM jobrunr_jobs WHERE queue = 'of nobody'")
    trial.wait_until_over()

    assert trial.objections() == []
    assert trial.crew.query("SELECT DISTINCT state, attempts FROM jobrunr_jobs") == [("SUCCEEDED", 1)]


def states_of(trial: Trial) -> set[str]:
    return {state for (state,) in trial.crew.query("SELECT DISTINCT state FROM jobrunr_jobs WHERE queue = 'of nobody'")}


# -- people


ASKED = [
    "",
    "jobs?state=succeeded&limit=1000000000",
    "jobs?after=1000000000",
    "api/jobs?limit=1000000000",
    "api/jobs?limit=100&text=x",
    "servers",
    "nowhere",
]


def test_jobs_go_on_while_many_look_at_the_dashboard(postgresql: URL, make_trial: MakeTrial) -> None:
    trial = make_trial(postgresql, server_timeout="4s")
    trial.crew.fork_all("other")
    trial.crew.start("worker", "--dashboard", "--dashboard-port", "0", app=APPLICATION, **trial.settings)
    trial.crew.wait_until_up("worker")
    address = re.search(r"the dashboard is at (\S+)", trial.crew.log("worker"))
    assert address is not None

    with flood(address[1]) as answers:
        eventually("they are at it", lambda: sum(answers.values()) > 20)
        trial.ask_for(150, jobs.take_effect, 0.02)
        trial.wait_until_over()

    assert trial.objections() == []
    assert trial.crew.query("SELECT DISTINCT state, attempts FROM jobrunr_jobs") == [("SUCCEEDED", 1)]
    assert {effect.server for effect in trial.effects()} == {"worker", "other"}
    assert max(answers) < 500
    assert answers[200] > 20


@contextmanager
def flood(address: str) -> Iterator[Counter[int]]:
    """Twenty that watch, and four that ask again and again. How often they got which answer."""
    answers: Counter[int] = Counter()
    is_over = threading.Event()

    def ask() -> None:
        for path in cycle(ASKED):
            if is_over.is_set():
                return
            answers[status_of(address + path)] += 1

    watching = [urlopen(f"{address}live?topic=counts", timeout=60) for _ in range(20)]
    asking = [threading.Thread(target=ask) for _ in range(4)]
    for each in asking:
        each.start()
    try:
        yield answers
    finally:
        is_over.set()
        for each in asking:
            each.join()
        for stream in watching:
            stream.close()


def status_of(address: str) -> int:
    try:
        with urlopen(address, timeout=60) as answer:
            answer.read()
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code
