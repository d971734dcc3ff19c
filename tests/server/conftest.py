"""A `JobRunr` in memory, fast enough for tests, and ways to wait for what jobs do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from jobrunr import Job, JobFilter, JobRunr, JobState
from jobrunr.clock import SyncedClock
from jobrunr.server.membership import Membership
from jobrunr.settings_in_code import ServerSettings
from jobrunr.states import FINISHED
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing.factories import a_server

FAST: ServerSettings = {"heartbeat_interval": 0.05, "server_timeout": 2, "poll_interval": 0.05, "workers": 4}


class Watch(JobFilter):
    """Lets a test wait until a job is in a state."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.changes: list[tuple[UUID, JobState, JobState]] = []

    def state_changed(self, job: Job, old: JobState, new: JobState) -> None:
        with self._changed:
            self.changes.append((job.id, old, new))
            self._changed.notify_all()

    def wait_for(self, condition: Callable[[], bool], timeout: float = 20) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, timeout), f"only this happened: {self.changes}"


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def app(watch: Watch) -> Iterator[JobRunr]:
    with JobRunr("memory://", filters=[watch], **FAST) as app:
        yield app


@pytest.fixture
def finished(app: JobRunr, watch: Watch) -> Callable[..., Job]:
    """Wait until a job is in one of the states (finished, unless said otherwise) and return it."""

    def wait(job_id: UUID, *states: JobState) -> Job:
        wanted = states or tuple(FINISHED)
        watch.wait_for(lambda: app.scheduler.get(job_id).state in wanted)
        return app.scheduler.get(job_id)

    return wait


def eventually(condition: Callable[[], bool], timeout: float = 20) -> None:
    """Poll a fact that nothing announces."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        threading.Event().wait(0.005)


def a_member(storage: MemoryStorageProvider, timeout: float, clock: SyncedClock | None = None) -> Membership:
    """Has joined the servers of a storage, and takes those for dead that were silent for so many seconds."""

    def nothing(*args: Any) -> int:
        return 0

    member = Membership(
        storage,
        a_server(),
        clock or SyncedClock(storage.now),
        interval=timedelta(seconds=timeout / 4),
        timeout=timedelta(seconds=timeout),
        busy=nothing,
        evicted=nothing,
        elected=nothing,
        resumed=nothing,
    )
    member.join()
    return member
