"""``jobrunr worker --processes``: what becomes of the servers and of their jobs when one of the processes does not go on."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from sqlite3 import connect

import pytest

from jobrunr import Job, JobId, JobState
from tests.processes.conftest import Fleet, Supervise, eventually
from tests.processes.jobs import crash_at_first, hold_the_interpreter, leave_somebody_behind, stop_at_gate, take_effect

pytestmark = pytest.mark.timeout(200)  # they have several waits in a row
PATIENT = {"server_timeout": "10m", "workers": 2}
"""Heartbeats do not become too old within a test."""
IMPATIENT = {"heartbeat_interval": "0.2s", "server_timeout": "1s", "workers": 1}
"""Servers that take each other for dead long before a test is over."""
PROCESSING, FAILED, SUCCEEDED = JobState.PROCESSING, JobState.FAILED, JobState.SUCCEEDED


def a_job_in_the_middle(fleet: Fleet, gate: Path) -> JobId:
    job_id = fleet.app.scheduler.enqueue(stop_at_gate, str(gate))
    eventually("the job is in the middle", lambda: len(fleet.ledger()) == 1)
    return job_id


def is_done(fleet: Fleet, job_id: JobId) -> bool:
    return fleet.app.scheduler.get(job_id).state is SUCCEEDED


def message_of_crash(job: Job) -> str:
    (failed,) = [change for change in job.history if change.state is FAILED]
    assert failed.exception is not None
    assert failed.exception.type == "jobrunr.errors.ServerLostError"
    return failed.exception.message


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_server_that_is_killed_is_replaced_and_its_job_runs_again_at_once(
    fleet: Fleet, tmp_path: Path, supervise: Supervise
) -> None:
    supervised = supervise(2, **PATIENT)
    job_id = a_job_in_the_middle(fleet, tmp_path / "gate that stays shut")
    victim = str(fleet.app.scheduler.get(job_id).server_name)
    pid = supervised.pid_of(victim)

    os.kill(pid, signal.SIGKILL)
    eventually("its job is done elsewhere", lambda: is_done(fleet, job_id))
    eventually("there is another server", lambda: victim in fleet.servers() and supervised.pid_of(victim) != pid)

    job = fleet.app.scheduler.get(job_id)
    killed = "its process was killed by signal 9 (SIGKILL)"
    assert message_of_crash(job) == f"Server {victim} was lost while it ran this job: {killed}."
    assert (job.attempts, job.failures) == (2, 0)
    last_id = fleet.app.scheduler.enqueue(stop_at_gate, str(tmp_path / "gate"))
    eventually("another job is in the middle", lambda: len(fleet.ledger()) == 3)
    supervised.process.send_signal(signal.SIGTERM)
    eventually("its server stops gently", lambda: "stopping, on SIGTERM; 1 job is running" in supervised.log)
    (tmp_path / "gate").touch()
    assert supervised.process.wait() == 0
    assert is_done(fleet, last_id)
    assert fleet.servers() == {}
    assert supervised.has_left_nobody()


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_job_that_keeps_the_interpreter_for_longer_than_the_time_out_runs_once(fleet: Fleet, supervise: Supervise) -> None:
    fleet.start("rescuer", **IMPATIENT, queues="of the rescuer")
    fleet.wait_until_up("rescuer")
    supervised = supervise(1, **IMPATIENT)
    before = fleet.servers()["shop"].id

    job_id = fleet.app.scheduler.enqueue(hold_the_interpreter, 3)
    eventually("it is done", lambda: is_done(fleet, job_id))

    assert fleet.app.scheduler.get(job_id).attempts == 1
    assert fleet.servers()["shop"].id == before, "it was not taken for dead"
    assert supervised.log.count("is started as process") == 1


@pytest.mark.parametrize("url", ["mariadb"], indirect=True)
def test_when_the_supervisor_is_killed_its_servers_end_their_jobs_and_go(
    fleet: Fleet, tmp_path: Path, supervise: Supervise
) -> None:
    fleet.start("rescuer", **IMPATIENT)
    fleet.wait_until_up("rescuer")
    fleet.app.scheduler.pause_server(fleet.servers()["rescuer"].id)
    eventually("the rescuer is paused", lambda: "is paused" in fleet.log("rescuer"))
    supervised = supervise(1, **IMPATIENT)
    job_id = a_job_in_the_middle(fleet, tmp_path / "gate")
    fleet.app.scheduler.resume_server(fleet.servers()["rescuer"].id)
    eventually("the rescuer works again", lambda: "is resumed" in fleet.log("rescuer"))

    supervised.process.kill()
    eventually(
        "its server has noticed", lambda: "stopping, on the end of its supervisor; 1 job is running" in supervised.log
    )
    later = fleet.app.scheduler.enqueue(take_effect, 1)
    eventually("others work on", lambda: is_done(fleet, later))
    (tmp_path / "gate").touch()
    eventually("its server is gone", supervised.has_left_nobody)

    assert fleet.app.scheduler.get(job_id).result == "attempt 1"
    assert fleet.servers().keys() == {"rescuer"}


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_second_signal_hurries_the_servers_and_the_exit_code_says_that_jobs_were_given_back(
    fleet: Fleet, tmp_path: Path, supervise: Supervise
) -> None:
    supervised = supervise(2, **PATIENT, shutdown_grace="1h")
    job_id = a_job_in_the_middle(fleet, tmp_path / "gate that stays shut")

    for pid in (supervised.process.pid, *map(supervised.pid_of, supervised.names)):
        os.kill(pid, signal.SIGTERM)  # to all processes, as systemd does it
    eventually("one has stopped", lambda: "stopped; no job is given back" in supervised.log)
    assert fleet.app.scheduler.get(job_id).state is PROCESSING
    supervised.process.send_signal(signal.SIGTERM)

    assert supervised.process.wait() == 5
    job = fleet.app.scheduler.get(job_id)
    assert (job.state, job.crashes, job.failures) == (JobState.ENQUEUED, 0, 0)
    assert supervised.has_left_nobody()


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_server_that_does_not_answer_for_too_long_is_killed_and_replaced(
    fleet: Fleet, tmp_path: Path, supervise: Supervise
) -> None:
    supervised = supervise(1, **PATIENT, hang_timeout="2s")
    job_id = a_job_in_the_middle(fleet, tmp_path / "gate that stays shut")

    os.kill(supervised.pid_of("shop"), signal.SIGSTOP)
    eventually("its job is done elsewhere", lambda: is_done(fleet, job_id))

    hung = "its process did not answer for 2 s and was killed"
    assert message_of_crash(fleet.app.scheduler.get(job_id)) == f"Server shop was lost while it ran this job: {hung}."


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_the_end_of_a_server_is_noticed_before_others_have_sent_heartbeats_for_two_seconds(
    fleet: Fleet, tmp_path: Path, supervise: Supervise
) -> None:
    """Counted in what others do meanwhile: a machine that is so busy that it needs longer needs longer for that, too."""
    supervised = supervise(2, server_timeout="10m", heartbeat_interval="0.5s", workers=1)
    job_id = a_job_in_the_middle(fleet, tmp_path / "gate that stays shut")
    victim = str(fleet.app.scheduler.get(job_id).server_name)
    with what_happens(fleet) as happened:
        os.kill(supervised.pid_of(victim), signal.SIGKILL)
        eventually("its job is done elsewhere", lambda: is_done(fleet, job_id))

    until_noticed = happened[: happened.index("a job waits again")]
    assert until_noticed.count("a heartbeat") <= 4


@contextmanager
def what_happens(fleet: Fleet) -> Iterator[list[str]]:
    """What the tables see from now on, in order."""
    happened: list[str] = []
    with closing(connect(str(fleet.url.database), isolation_level=None, timeout=60)) as database:
        database.executescript("""
            CREATE TABLE happened (what TEXT);
            CREATE TRIGGER heartbeats AFTER UPDATE OF last_heartbeat ON jobrunr_background_job_servers
                BEGIN INSERT INTO happened VALUES ('a heartbeat'); END;
            CREATE TRIGGER jobs AFTER UPDATE OF state ON jobrunr_jobs WHEN new.state = 'ENQUEUED'
                BEGIN INSERT INTO happened VALUES ('a job waits again'); END;
        """)
        yield happened
        happened += (what for (what,) in database.execute("SELECT what FROM happened ORDER BY rowid"))


IN_A_CONTAINER = "unshare --pid --fork --kill-child --mount-proc"


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_as_process_1_of_a_container_it_sees_off_what_jobs_leave_behind_and_tells_how_its_servers_end(fleet: Fleet) -> None:
    if subprocess.run([*IN_A_CONTAINER.split(), "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this user may not make a PID namespace")
    container = fleet.start("shop", "--processes", "1", inside=IN_A_CONTAINER, **PATIENT)
    fleet.wait_until_up("shop")
    (inside,) = Path(f"/proc/{container.pid}/task/{container.pid}/children").read_text().split()

    left = fleet.app.scheduler.enqueue(leave_somebody_behind)
    eventually("it is left", lambda: is_done(fleet, left))
    stray = Path(f"/proc/{inside}/root/proc/{fleet.app.scheduler.get(left).result}")
    eventually("nothing is left of it", lambda: not stray.exists())
    crashed = fleet.app.scheduler.enqueue(crash_at_first)
    eventually("its second attempt is done", lambda: is_done(fleet, crashed))

    assert "its process was killed by signal 11 (SIGSEGV)" in message_of_crash(fleet.app.scheduler.get(crashed))
