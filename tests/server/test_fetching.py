"""How many jobs a server claims ahead of its workers."""

from __future__ import annotations

import time
from collections.abc import Collection
from uuid import UUID

from jobrunr import Job, JobRunr, JobState
from jobrunr.server.fetcher import AHEAD_USUAL
from jobrunr.storage.memory import MemoryStorageProvider
from tests.server import jobs
from tests.server.conftest import FAST, Watch


class SlowToClaim(MemoryStorageProvider):
    """Every claim takes as long as on a database that is far away, or busy."""

    def __init__(self) -> None:
        super().__init__()
        self.limits: list[int] = []

    def claim(self, server_id: UUID, server_name: str, limit: int, queues: Collection[str] = ()) -> list[Job]:
        self.limits.append(limit)
        time.sleep(0.05)
        return super().claim(server_id, server_name, limit, queues)


def test_where_claims_are_slow_more_is_claimed_at_once(watch: Watch) -> None:
    storage = SlowToClaim()
    with JobRunr(storage, filters=[watch], **FAST) as app:
        app.scheduler.enqueue_many(jobs.add, [(1, 2)] * 3000)
        with app.server(workers=16):
            watch.wait_for(lambda: app.scheduler.counts()[JobState.SUCCEEDED] == 3000)
    assert max(storage.limits) > AHEAD_USUAL + 16
