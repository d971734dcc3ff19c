"""Shows jobs that are over their time limit and cannot be stopped."""

from __future__ import annotations

from jobrunr.server.membership import Membership
from jobrunr.server.workers import Workers
from jobrunr.server_record import STUCK
from jobrunr.storage.contract import StorageProvider

INTERVAL = 60.0
MOST_NAMED = 5


class Stuck:
    """The service that keeps a note about them in the storage, where people look for problems."""

    def __init__(self, storage: StorageProvider, membership: Membership, workers: Workers) -> None:
        self._storage = storage
        self._membership = membership
        self._workers = workers
        self._shown = ""

    def tick(self) -> float:
        note = self._note()
        if note != self._shown:
            self._storage.put_metadata(STUCK, note, owner=str(self._membership.id))
            self._shown = note
        return INTERVAL

    def _note(self) -> str:
        stuck = sorted(self._workers.stuck, key=lambda run: run.begun_at)
        if not stuck:
            return ""
        names = [f"{run.job.name} ({run.job.id})" for run in stuck[:MOST_NAMED]]
        if len(stuck) > MOST_NAMED:
            names.append("and more")
        jobs = "1 job is over its" if len(stuck) == 1 else f"{len(stuck)} jobs are over their"
        return f"{jobs} time limit on {self._membership.name} and cannot be stopped: {', '.join(names)}"
