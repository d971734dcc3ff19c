"""Jobs that were taken in one claim share its token and nothing else: each is cancelled, given back and ended by itself."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from jobrunr import JobId, JobRunr, JobState
from tests.server import jobs
from tests.server.conftest import Watch, eventually

SEVERAL = 4


@pytest.fixture
def keys(request: pytest.FixtureRequest) -> list[str]:
    return [f"{request.node.name} {number}" for number in range(SEVERAL)]


def all_began(keys: list[str]) -> None:
    for key in keys:
        assert jobs.gates[f"{key} began"].wait(10)


def states(app: JobRunr, ids: list[JobId]) -> list[JobState]:
    return [app.scheduler.get(job_id).state for job_id in ids]


def test_stopping_waits_for_all_of_them(app: JobRunr, keys: list[str]) -> None:
    ids = app.scheduler.enqueue_many(jobs.wait_for, keys)
    with app.server() as server:
        all_began(keys)
        stopping = threading.Thread(target=server.stop, kwargs={"grace": 20})
        stopping.start()
        for number, key in enumerate(keys, 1):
            jobs.gates[key].set()
            eventually(lambda number=number: states(app, ids).count(JobState.SUCCEEDED) == number)
            assert stopping.is_alive() or number == SEVERAL
        stopping.join(20)
    assert states(app, ids) == [JobState.SUCCEEDED] * SEVERAL


@pytest.mark.parametrize("function", [jobs.wait_for, jobs.wait_until_cancelled_async])
def test_all_of_them_are_given_back(app: JobRunr, keys: list[str], function: Callable[[str], object]) -> None:
    ids = app.scheduler.enqueue_many(function, keys)
    with app.server() as server:
        all_began(keys)
        server.stop(grace=0)
    for key in keys:
        jobs.gates[key].set()
    assert states(app, ids) == [JobState.ENQUEUED] * SEVERAL


@pytest.mark.parametrize("function", [jobs.wait_until_cancelled, jobs.wait_until_cancelled_async])
def test_each_is_cancelled_when_it_is_deleted(app: JobRunr, keys: list[str], function: Callable[[str], object]) -> None:
    ids = app.scheduler.enqueue_many(function, keys)
    with app.server() as server:
        all_began(keys)
        for number, job_id in enumerate(ids):
            app.scheduler.delete(job_id)
            eventually(lambda number=number: jobs.seen[keys[number]] == ["cancelled"])
            assert server.busy >= SEVERAL - number - 1
        eventually(lambda: server.busy == 0)


def test_those_that_wait_for_a_slot_run_when_another_is_deleted(app: JobRunr, watch: Watch, keys: list[str]) -> None:
    with app.server(workers=1):
        quick = app.scheduler.enqueue_many(jobs.add, [(1, 2)] * 200)  # from now on, more are taken than run at a time
        watch.wait_for(lambda: states(app, quick) == [JobState.SUCCEEDED] * len(quick))
        calls = [(keys[0], True), *((keys[0], False) for _ in range(20))]
        running, *waiting = app.scheduler.enqueue_many(jobs.wait_until_cancelled_or_not, calls)
        all_began(keys[:1])
        app.scheduler.delete(running)
        watch.wait_for(lambda: states(app, waiting) == [JobState.SUCCEEDED] * len(waiting))
