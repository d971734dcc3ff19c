"""A worker dies at a named point of the protocol, or does not get the answer to what it did there."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import URL

from chaos import jobs
from chaos.trial import Trial
from jobrunr import JobState
from tests.faults.conftest import MakeTrial
from tests.processes.conftest import eventually

pytestmark = pytest.mark.timeout(200)


@pytest.mark.parametrize(
    ("point", "times_begun"),
    [
        pytest.param("after claim: kill", 1, id="between claim and start"),
        pytest.param("before update: kill", 2, id="between effect and outcome"),
    ],
)
def test_a_job_whose_worker_dies_at_a_point_runs_to_its_end(trial: Trial, point: str, times_begun: int) -> None:
    victim = trial.crew.fork("victim", point=point)
    trial.crew.wait_until_up("victim")
    job_id = trial.ask(jobs.take_effect)
    victim.wait_for_death()
    trial.crew.fork_all("rescuer")

    trial.wait_until_over()

    assert trial.objections() == []
    assert trial.begun(job_id) == times_begun


@pytest.mark.parametrize(
    ("point", "times_begun"),
    [
        pytest.param("before commit: kill", 2, id="killed before the commit"),
        pytest.param("after commit: kill", 1, id="killed behind the commit"),
        pytest.param("after commit: lose", 1, id="the answer is lost"),
        pytest.param("after update: lose", 1, id="the point is none of its own"),
    ],
)
def test_the_effect_of_a_jobs_own_transaction_is_there_exactly_once(trial: Trial, point: str, times_begun: int) -> None:
    victim = trial.crew.fork("victim", point=point)
    trial.crew.wait_until_up("victim")
    job_id = trial.ask(jobs.take_effect_in_transaction)
    if point.endswith("kill"):
        victim.wait_for_death()
        trial.crew.fork_all("rescuer")

    trial.wait_until_over()

    assert trial.objections() == []
    assert trial.crew.query("SELECT job FROM effects") == [(str(job_id),)]
    assert trial.begun(job_id) == times_begun


@pytest.mark.parametrize("url", ["postgresql", "mariadb"], indirect=True)
def test_who_is_frozen_before_the_commit_of_a_job_holds_up_nobody(url: URL, make_trial: MakeTrial, tmp_path: Path) -> None:
    """The database has the job's row locked for him, until it notices that he says nothing any more."""
    trial = make_trial(url, storage_timeout="3s")
    victim = trial.crew.fork("victim", point="before commit: stop", workers=2)
    trial.crew.wait_until_up("victim")
    neighbour = trial.ask(jobs.wait_at_gates, str(tmp_path / "never"))
    trial.wait_until_begun(neighbour)
    job_id = trial.ask(jobs.take_effect_in_transaction)
    victim.wait_for_pause()
    trial.crew.fork_all("rescuer")

    eventually("the neighbour runs again", lambda: trial.begun(neighbour) == 2)
    eventually("so does the job", lambda: trial.app.scheduler.get(job_id).state is JobState.SUCCEEDED)
    victim.go_on()
    (tmp_path / "never").touch()
    trial.wait_until_over()

    assert trial.objections() == []
    assert trial.crew.query("SELECT job FROM effects") == [(str(job_id),)]


def test_an_effect_that_is_committed_apart_from_its_success_is_noticed(postgresql: URL, make_trial: MakeTrial) -> None:
    trial = make_trial(postgresql)
    victim = trial.crew.fork("victim", protocol="two commits", point="before update: kill")
    trial.crew.wait_until_up("victim")
    job_id = trial.ask(jobs.take_effect_in_transaction)
    victim.wait_for_death()
    trial.crew.fork_all("rescuer")

    trial.wait_until_over()

    assert trial.objections() == [f"not once: job {job_id} is SUCCEEDED, and took effect 2 times in its own transaction"]


@pytest.mark.parametrize("verb", ["promote", "fire", "remove_dead", "orphans"])
def test_a_master_that_dies_in_the_middle_of_a_duty_is_followed_by_another(
    postgresql: URL, make_trial: MakeTrial, verb: str
) -> None:
    trial = make_trial(postgresql)
    master = trial.crew.fork("master", point=f"after {verb}: kill", queues="default")
    trial.crew.wait_until_up("master")
    trial.crew.fork_all("next", queues="default")
    give_a_master_something_to_do(trial, verb)

    master.wait_for_death()
    eventually("no run will follow", lambda: trial.app.scheduler.recurring.list() == [])
    trial.wait_until_over()

    assert trial.objections() == []


def give_a_master_something_to_do(trial: Trial, verb: str) -> None:
    """What brings a master to call a verb of the storage with success."""
    if verb == "promote":
        trial.schedule(timedelta(milliseconds=300), jobs.take_effect)
    elif verb == "fire":
        until = trial.app.storage.now() + timedelta(seconds=3)
        trial.app.scheduler.options(until=until).schedule_recurrently(timedelta(seconds=1), jobs.tick)
    else:
        victim = trial.crew.fork("victim", queues="victims")
        trial.crew.wait_until_up("victim")
        job_id = trial.ask(jobs.wait_at_gates, "/nowhere", queue="victims")
        trial.wait_until_begun(job_id)
        victim.kill()
        trial.crew.fork_all("heir", queues="victims")


@pytest.mark.parametrize("verb", ["append", "update", "heartbeat"])
def test_what_was_done_without_an_answer_is_done_once(postgresql: URL, make_trial: MakeTrial, verb: str) -> None:
    trial = make_trial(postgresql)
    worker = trial.crew.fork("worker", point=f"after {verb}: lose")
    trial.crew.wait_until_up("worker")
    trial.ask_for(20)

    trial.wait_until_over()

    assert trial.objections() == []
    assert len(trial.effects()) == 40, "each began once and took effect once"
    worker.terminate()
    assert worker.wait() == 0
