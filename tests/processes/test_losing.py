"""A server is killed, or stopped for longer than others wait for it, in the middle of a job."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from jobrunr import Job, JobId, JobState
from jobrunr.progress import Progress
from jobrunr.scheduler.job_scheduler import JobScheduler
from jobrunr.storage.contract import LogLine
from tests.processes.conftest import Fleet, eventually
from tests.processes.jobs import stop_at_gate, take_effect, tell_behind_gate

pytestmark = pytest.mark.timeout(200)  # they have several waits in a row
IMPATIENT = {"heartbeat_interval": "0.3s", "server_timeout": "2s", "workers": 2}
"""Servers that take each other for dead soon: still long enough that a busy machine does not make them."""
PATIENT = {"server_timeout": "10m"}
"""Servers whose heartbeats do not become too old within a test: whoever is gone is known by the lock that nobody holds."""


def test_a_job_whose_server_is_killed_runs_again_at_once_and_its_history_says_why(fleet: Fleet, tmp_path: Path) -> None:
    victim = fleet.start("victim", **PATIENT)
    job_id = fleet.app.scheduler.enqueue(stop_at_gate, str(tmp_path / "gate that stays shut"))
    eventually("the job is in the middle", lambda: fleet.ledger() == ["attempt 1 begins on victim"])
    fleet.start("rescuer", **PATIENT)
    fleet.wait_until_up("victim", "rescuer")

    victim.send_signal(signal.SIGKILL)
    eventually("it is done after all", lambda: fleet.app.scheduler.get(job_id).state is JobState.SUCCEEDED)

    job = fleet.app.scheduler.get(job_id)
    it_was_rescued(job, "victim", "rescuer")
    assert job.result == "attempt 2"
    assert fleet.ledger()[1:] == ["attempt 2 begins on rescuer"]
    assert fleet.servers().keys() == {"rescuer"}


def test_a_server_that_comes_back_from_the_dead_records_nothing_and_joins_anew(fleet: Fleet, tmp_path: Path) -> None:
    jobs, gate = fleet.app.scheduler, tmp_path / "gate"
    zombie = fleet.start("zombie", **IMPATIENT)
    ids = [jobs.enqueue(stop_at_gate, str(gate)), jobs.enqueue(tell_behind_gate, str(gate))]
    eventually("both jobs are in the middle", lambda: fleet.ledger() == ["attempt 1 begins on zombie"] * 2)
    fleet.start("rescuer", **IMPATIENT, queues="default")
    fleet.wait_until_up("zombie", "rescuer")
    before = fleet.servers()["zombie"]

    fleet.freeze(zombie)
    eventually("both are done elsewhere", lambda: all(jobs.get(job_id).state is JobState.SUCCEEDED for job_id in ids))
    done = [all_about(jobs, job_id) for job_id in ids]
    gate.touch()
    zombie.send_signal(signal.SIGCONT)
    fleet.wait_until_up("zombie", "rescuer")
    # What this job leaves, its server writes behind what the first two left: then all of that was written, or refused.
    last_id = jobs.options(queue="served by the zombie only").enqueue(take_effect, 17)
    eventually("the zombie works again", lambda: jobs.get(last_id).state is JobState.SUCCEEDED)

    assert "attempt 1 has told all" in fleet.ledger(), "the zombie went on with its jobs and tried"
    assert [all_about(jobs, job_id) for job_id in ids] == done
    for job, _, _, _ in done:
        it_was_rescued(job, "zombie", "rescuer")
    _, log, metadata, progress = done[1]
    assert [line.message for line in log] == ["attempt 2 is past the gate"]
    assert metadata == {"attempt 2": "past the gate"}
    assert progress is not None
    assert progress.done == 2
    assert fleet.servers()["zombie"].id != before.id
    assert "was taken for dead" in fleet.log("zombie")


def all_about(jobs: JobScheduler, job_id: JobId) -> tuple[Job, tuple[LogLine, ...], dict[str, Any], Progress | None]:
    """Everything that is kept of a job."""
    return jobs.get(job_id), jobs.logs(job_id), jobs.metadata(job_id), jobs.progress(job_id)


def it_was_rescued(job: Job, victim: str, rescuer: str) -> None:
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
    assert again.reason == "crash 1 of 3"
    assert job.failures == 0
    assert (second.server_name, second.attempt) == (rescuer, 2)
