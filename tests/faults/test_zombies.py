"""A server that was taken for dead comes back and reports. The protocol holds, and where it is broken on purpose the oracle
says so: a check that cannot fail is no check."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import URL

from chaos import jobs
from chaos.trial import Trial
from jobrunr import JobState
from tests.faults.conftest import MakeTrial
from tests.processes.conftest import eventually

pytestmark = pytest.mark.timeout(200)


def come_back_from_the_dead(trial: Trial, gate: Path, protocol: str) -> None:
    """A server is paused in the moment in which it wants to report a success, and goes on while another runs the job."""
    zombie = trial.crew.fork("zombie", point="before update: stop", protocol=protocol)
    trial.crew.wait_until_up("zombie")
    open_gate = gate.with_name("open")
    open_gate.touch()
    job_id = trial.ask(jobs.wait_at_gates, str(open_gate), str(gate))
    zombie.wait_for_pause()
    trial.crew.fork_all("rescuer", queues="default")
    eventually("the rescuer runs it", lambda: trial.begun(job_id) == 2)
    zombie.go_on()
    # What this job leaves, the zombie writes behind the outcome with which it came back.
    last = trial.ask(jobs.take_effect, queue="served by the zombie only")
    eventually("the zombie works again", lambda: trial.app.scheduler.get(last).state is JobState.SUCCEEDED)
    gate.touch()
    trial.wait_until_over()


def test_a_zombie_that_reports_a_success_is_not_heard(postgresql: URL, make_trial: MakeTrial, tmp_path: Path) -> None:
    trial = make_trial(postgresql)
    come_back_from_the_dead(trial, tmp_path / "gate", protocol="")

    assert trial.objections() == []


@pytest.mark.parametrize("protocol", ["no token", "no owner"])
def test_a_protocol_that_hears_zombies_is_noticed(
    postgresql: URL, make_trial: MakeTrial, tmp_path: Path, protocol: str
) -> None:
    trial = make_trial(postgresql)
    come_back_from_the_dead(trial, tmp_path / "gate", protocol)

    assert "wrong owner" in kinds(trial)


def test_rescue_by_the_clock_of_a_machine_is_noticed(postgresql: URL, make_trial: MakeTrial, tmp_path: Path) -> None:
    trial = make_trial(postgresql)
    trial.crew.fork_all("healthy")
    gate = tmp_path / "gate"
    job_id = trial.ask(jobs.wait_at_gates, str(gate))
    trial.wait_until_begun(job_id)
    trial.crew.fork_all("hasty", protocol="own clock")
    eventually("it runs again", lambda: trial.begun(job_id) > 1)
    gate.touch()
    trial.wait_until_over()

    assert "false alarm" in kinds(trial)


def kinds(trial: Trial) -> set[str]:
    """What kinds of objections there are."""
    return {sentence.split(":")[0] for sentence in trial.objections()}
