"""A server is killed, or stopped for longer than others wait for it, in the middle of a job."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from jobrunr import Job, JobState
from tests.processes.conftest import Fleet, eventually
from tests.processes.jobs import stop_at_gate, take_effect

pytestmark = pytest.mark.timeout(200)  # they have several waits in a row
IMPATIENT = {"heartbeat_interval": "0.3s", "server_timeout": "2s", "workers": 2}
"""Servers that take each other for dead soon: still long enough that a busy machine does not make them."""


def the_job_was_rescued(job: Job, victim: str, rescuer: str) -> None:
    """The history says who ran the job, why it was run again, and who ran it then."""
    _, first, failed, again, second, _ = job.history
    assert [change.state for change in job.history] == [
        JobState.ENQUEUED,
        JobState.PROCESSING,
        JobState.FAILED,
        JobState.ENQUEUED,
        JobState.PROCESSING,
        JobState.SUCCEEDED,
    ]
    assert (first.server_name, first.attempt) == (victim, 1)
    assert failed.exception is not None
    assert failed.exception.type == "jobrunr.errors.ServerLostError"
    assert victim in failed.exception.message
    assert again.reason == "retry 1 of 10"
    assert (second.server_name, second.attempt) == (rescuer, 2)


def test_a_job_whose_server_is_killed_runs_again_and_its_history_says_why(fleet: Fleet, tmp_path: Path) -> None:
    victim = fleet.start("victim", **IMPATIENT)
    job_id = fleet.app.scheduler.enqueue(stop_at_gate, str(tmp_path / "gate that stays shut"))
    eventually("the job is in the middle", lambda: fleet.ledger() == ["attempt 1 begins on victim"])
    fleet.start("rescuer", **IMPATIENT)
    fleet.wait_until_up("victim", "rescuer")

    victim.send_signal(signal.SIGKILL)
    eventually("it is done after all", lambda: fleet.app.scheduler.get(job_id).state is JobState.SUCCEEDED)

    job = fleet.app.scheduler.get(job_id)
    the_job_was_rescued(job, "victim", "rescuer")
    assert job.result == "attempt 2"
    assert fleet.ledger()[1:] == ["attempt 2 begins on rescuer", "attempt 2 ends"]
    assert fleet.servers().keys() == {"rescuer"}


def test_a_server_that_comes_back_from_the_dead_records_nothing_and_joins_anew(fleet: Fleet, tmp_path: Path) -> None:
    jobs, gate = fleet.app.scheduler, tmp_path / "gate"
    zombie = fleet.start("zombie", **IMPATIENT)
    job_id = jobs.enqueue(stop_at_gate, str(gate))
    eventually("the job is in the middle", lambda: fleet.ledger() == ["attempt 1 begins on zombie"])
    fleet.start("rescuer", **IMPATIENT, queues="default")
    fleet.wait_until_up("zombie", "rescuer")
    before = fleet.servers()["zombie"]

    zombie.send_signal(signal.SIGSTOP)
    eventually("the job is done elsewhere", lambda: jobs.get(job_id).state is JobState.SUCCEEDED)
    done = jobs.get(job_id), jobs.logs(job_id), jobs.metadata(job_id), jobs.progress(job_id)
    the_job_was_rescued(done[0], "zombie", "rescuer")
    gate.touch()
    zombie.send_signal(signal.SIGCONT)
    fleet.wait_until_up("zombie", "rescuer")
    # What this job tells, its server writes behind what the first one told: then all of that was written, or refused.
    last_id = jobs.options(queue="served by the zombie only").enqueue(take_effect, 17)
    eventually("the zombie works again", lambda: jobs.get(last_id).state is JobState.SUCCEEDED)

    assert "attempt 1 ends" in fleet.ledger(), "the zombie went on with its job and tried to tell"
    assert (jobs.get(job_id), jobs.logs(job_id), jobs.metadata(job_id), jobs.progress(job_id)) == done
    assert [line.message for line in done[1]] == ["attempt 2 is past the gate"]
    assert done[2] == {"attempt 2": "past the gate"}
    assert fleet.servers()["zombie"].id != before.id
    assert "was taken for dead" in fleet.log("zombie")
