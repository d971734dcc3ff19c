"""A worker dies at a named point of the protocol, or does not get the answer to what it did there."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import URL

from chaos import jobs
from chaos.trial import Trial
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
