"""Compares what the storage says that this server runs with what it runs.

The two differ for good when the storage has gone back to an earlier moment: a backup was restored, or a replica took over
that had not heard of the last outcomes. Then jobs are PROCESSING here that nobody runs any more, and nobody else may take
them, because their server lives.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Protocol
from uuid import UUID

from jobrunr.clock import Clock
from jobrunr.errors import StorageUnavailableError
from jobrunr.server.run import Outcome, outcome
from jobrunr.storage.contract import Claim, StorageProvider
from jobrunr.transitions import hand_back

_log = logging.getLogger("jobrunr.server")

UNKNOWN = "its server knows nothing of this run: the storage went back to an earlier moment, or an answer was lost for good"


class Named(Protocol):
    """Knows under which id this server claims; see `Membership`."""

    @property
    def id(self) -> UUID: ...


class Stocktaking:
    """The service that compares. What is on its way, there or back, looks like a difference for as long as a call to the
    storage may take; so only what was one before such a time and still is counts, and is handed back unharmed.

    Arguments:
        storage: what it says.
        membership: of whom.
        known: the claims that this server knows of: of runs that wait, go on, or whose outcome is still to be written.
        clock: the storage's time.
        announce: tells the filters of what was written.
        interval: seconds between two looks.
        longest_call: seconds that a call to the storage may take.
        monotonic: tells the time, in seconds.
    """

    def __init__(
        self,
        storage: StorageProvider,
        membership: Named,
        known: Callable[[], Collection[Claim]],
        clock: Clock,
        announce: Callable[[Outcome], None],
        *,
        interval: float,
        longest_call: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._storage = storage
        self._membership = membership
        self._known = known
        self._clock = clock
        self._announce = announce
        self._interval = interval
        self._again = 1.5 * longest_call
        self._monotonic = monotonic
        self._missed: dict[Claim, float] = {}
        """When each claim was seen first of which nobody knows here."""

    def tick(self) -> float:
        claims = self._storage.claims_of(self._membership.id)
        now = self._monotonic()
        self._missed = {claim: self._missed.get(claim, now) for claim in claims.difference(self._known())}
        self._give_back([claim for claim, seen_at in self._missed.items() if now - seen_at >= self._again])
        return min(self._again, self._interval) if self._missed else self._interval

    def settle(self) -> None:
        """At the end, when nothing is on its way any more, hand back at once what the storage says that we run: perhaps the
        answer to a claim was lost. If that cannot be, others will find it without a server."""
        with suppress(StorageUnavailableError):
            self._give_back(self._storage.claims_of(self._membership.id).difference(self._known()))

    def _give_back(self, claims: Collection[Claim]) -> None:
        now = self._clock.now()
        outcomes = []
        for claim in claims:
            job = self._storage.get(claim.job_id)
            if job is not None and job.claim_token == claim.token:
                outcomes.append(outcome(job, hand_back(job, now, UNKNOWN, begun=True)))
        written = self._storage.update([each.update for each in outcomes])
        for each in outcomes:
            if each.job.id in written:
                _log.warning("job %s is PROCESSING here, and nobody runs it; it is handed back", each.job.id)
                self._announce(each)
        for claim in claims:
            self._missed.pop(claim, None)
