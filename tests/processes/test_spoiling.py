"""A job changes what it shares with its whole worker process."""

from __future__ import annotations

import pytest
from sqlalchemy import NullPool, create_engine, text

from jobrunr import JobState
from tests.processes.conftest import Fleet, eventually
from tests.processes.jobs import hold_the_interpreter, leave_a_transaction_open, spoil, take_effect

pytestmark = pytest.mark.timeout(200)
EVERYTHING = ["cwd", "stdout", "stderr", "streams", "logging", "signals", "recursion", "umask"]


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_the_worker_goes_on_with_the_next_job(fleet: Fleet) -> None:
    jobs = fleet.app.scheduler.options(retries=0)
    fleet.start("worker", workers=1, heartbeat_interval="0.1s", server_timeout="8s")
    fleet.wait_until_up("worker")
    before = fleet.servers()["worker"].id

    for number, what in enumerate(EVERYTHING):
        spoilt, after = jobs.enqueue(spoil, what), jobs.enqueue(take_effect, number)
        eventually(f"the job after {what} is done", lambda job_id=after: jobs.get(job_id).state is JobState.SUCCEEDED)
        assert jobs.get(spoilt).state is (JobState.FAILED if what in {"signals", "recursion"} else JobState.SUCCEEDED)
    held = jobs.enqueue(hold_the_interpreter, 1)
    eventually("it is done", lambda: jobs.get(held).state is JobState.SUCCEEDED)

    assert fleet.servers()["worker"].id == before, "it was not taken for dead"
    assert jobs.get(held).attempts == 1


@pytest.mark.parametrize("url", ["postgresql", "mariadb"], indirect=True)
def test_a_transaction_that_a_job_leaves_open_hurts_no_other_job_and_ends_with_its_server(fleet: Fleet) -> None:
    jobs = fleet.app.scheduler
    with create_engine(fleet.url, poolclass=NullPool).begin() as connection:
        connection.execute(text("CREATE TABLE stock (amount INTEGER NOT NULL)"))
        connection.execute(text("INSERT INTO stock VALUES (17)"))
    worker = fleet.start("worker", workers=2)
    left = jobs.enqueue(leave_a_transaction_open, fleet.url.render_as_string(hide_password=False))
    eventually("it is left", lambda: jobs.get(left).state is JobState.SUCCEEDED)
    for number in range(20):
        jobs.enqueue(take_effect, number)
    eventually("the others are done", lambda: jobs.counts()[JobState.SUCCEEDED] == 21)

    worker.terminate()

    assert worker.wait(30) == 0
    with create_engine(fleet.url, poolclass=NullPool).begin() as connection:
        connection.execute(text("UPDATE stock SET amount = amount - 1"))  # waits for whoever holds a lock
        assert connection.scalar(text("SELECT amount FROM stock")) == 16, "rolled back"
