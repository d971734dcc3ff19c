"""Notices runs whose job was deleted, or given to another server, and cancels them."""

from __future__ import annotations

import logging

from jobrunr.server.run import RunEnd
from jobrunr.server.workers import Workers
from jobrunr.storage.contract import Claim, StorageProvider

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
            held = self._storage.held([run.claim for run in runs])
            for run in runs:
                if run.job.id not in held and not run.is_over:
                    self.take_away(run.claim)
        return INTERVAL

    def take_away(self, claim: Claim) -> None:
        """Cancel a run whose claim no longer holds; whatever it still brings is dropped."""
        if self._workers.cancel(claim, RunEnd.TAKEN_AWAY):
            _log.warning(
                "job %s was deleted or given to another server while it ran here; its run is cancelled", claim.job_id
            )
