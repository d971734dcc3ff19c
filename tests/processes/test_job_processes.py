"""Jobs in processes of their own, on a worker as people start it, and a real database."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from jobrunr import FixedDelays, JobState
from tests.processes.conftest import Fleet, eventually
from tests.processes.jobs import crash_at_first, stop_at_gate

pytestmark = pytest.mark.timeout(200)


def test_a_job_that_crashes_its_process_is_tried_again_and_one_whose_server_is_killed_dies_with_it(
    fleet: Fleet, tmp_path: Path
) -> None:
    jobs = fleet.app.scheduler.options(execution="process", retry=FixedDelays(0))
    worker = fleet.start("worker", workers=2)
    crashed = jobs.enqueue(crash_at_first)
    eventually("it is done after all", lambda: jobs.get(crashed).state is JobState.SUCCEEDED)
    assert jobs.get(crashed).attempts == 2
    failure = jobs.get(crashed).last_exception
    assert failure is not None and failure.exception is not None
    assert "killed by signal 11 (SIGSEGV)" in failure.exception.message
    assert [line.message for line in jobs.logs(crashed)] == ["attempt 1", "attempt 2"]
    assert "attempt 2" in fleet.log("worker"), "the worker logs what its jobs do"

    jobs.enqueue(stop_at_gate, str(tmp_path / "gate that stays shut"))
    eventually("it is in the middle", lambda: bool(fleet.ledger()))
    child = int(jobs.get(crashed).result)
    os.kill(child, 0)
    worker.send_signal(signal.SIGKILL)
    eventually("its process is gone", lambda: not is_alive(child))


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
