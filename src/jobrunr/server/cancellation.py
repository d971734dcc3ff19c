"""Notices runs whose job was deleted, or given to another server, and cancels them."""

from __future__ import annotations

import logging

from jobrunr.ids import JobId
from jobrunr.server.run import RunEnd, claim_of
from jobrunr.server.workers import Workers
from jobrunr.storage.contract import StorageProvider

_log = logging.getLogger("jobrunr.server")

INTERVAL = 0.4
"""Seconds between two looks; together with the look itself, a deleted job is cancelled within a second."""


class Cancellation:
    """The service that asks which of the claims still hold. Jobs that end sooner than it looks are never asked about."""

    def __init__(self, storage: StorageProvider, workers: Workers) -> None:
        self._storage = storage
        self._workers = workers

    def tick(self) -> float:
        runs = self._workers.running(longer_than=INTERVAL / 2)
        if runs:
            held = self._storage.held([claim_of(run.job) for run in runs])
            for run in runs:
                if run.job.id not in held and not run.is_over:
                    self.take_away(run.job.id)
        return INTERVAL

    def take_away(self, job_id: JobId) -> None:
        """Cancel a run whose claim no longer holds; whatever it still brings is dropped."""
        if self._workers.cancel(job_id, RunEnd.TAKEN_AWAY):
            _log.warning("job %s was deleted or given to another server while it ran here; its run is cancelled", job_id)
