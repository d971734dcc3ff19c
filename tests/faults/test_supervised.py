"""A server that cannot do anything itself, because a job keeps the interpreter, loses its lock as well."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from jobrunr import JobState
from jobrunr.server.lookout import STEADY
from tests.processes.conftest import Fleet, Supervise, eventually
from tests.processes.jobs import hold_the_interpreter
from tests.processes.test_crashing import PATIENT, cut, lock_holders

pytestmark = pytest.mark.timeout(200)


@pytest.mark.parametrize("url", ["postgresql", "mariadb"], indirect=True)
def test_the_heartbeats_of_its_supervisor_are_enough(fleet: Fleet, supervise: Supervise) -> None:
    storage = fleet.app.storage
    fleet.start("master", **PATIENT, queues="of the master")
    fleet.wait_until_up("master")
    of_the_master = lock_holders(fleet)
    supervise(1, **PATIENT)
    before = fleet.servers()
    since = before["master"].first_heartbeat
    assert since is not None
    eventually("the master looks at others", lambda: is_past(fleet, since, STEADY + 1))

    begun = storage.now()
    job_id = fleet.app.scheduler.enqueue(hold_the_interpreter, 7)
    eventually("it has the interpreter", lambda: is_past(fleet, begun, 1))
    cut(fleet, lock_holders(fleet) - of_the_master)
    eventually("the master has looked twice and more", lambda: is_past(fleet, begun, 5))
    assert lock_holders(fleet) == of_the_master, "it could not take its lock anew"
    eventually("it is done", lambda: fleet.app.scheduler.get(job_id).state is JobState.SUCCEEDED)

    assert fleet.app.scheduler.get(job_id).attempts == 1
    assert fleet.servers()["shop"].id == before["shop"].id, "it was not taken for gone"


def is_past(fleet: Fleet, since: datetime, seconds: float) -> bool:
    """Whether so much time has gone by, as the database measures it."""
    return fleet.app.storage.now() - since > timedelta(seconds=seconds)
