"""Claims jobs for the workers of a server: in batches, a little ahead of them, and never more than they will soon need."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import msgspec

from jobrunr.jobs import Job
from jobrunr.server.membership import Membership
from jobrunr.server.pace import Pace
from jobrunr.server.recorder import Recorder
from jobrunr.server.run import Run
from jobrunr.server.workers import Workers
from jobrunr.storage.contract import StorageProvider

AHEAD_SECONDS = 0.1
"""Claim no more ahead than the workers can do in this time: much of short jobs, nothing of long ones."""

AHEAD_USUAL = 200
"""Jobs that are claimed ahead, at most, as long as claims are quick: while many are read at once, workers wait."""

AHEAD_CLAIMS = 3
"""Claim ahead what the workers can do while so many claims are on their way, even if that is more than usual."""

AHEAD_MOST = 1000
STALE_SECONDS = 2.0
"""A claimed job that has waited this long for a slot is handed back, for a server that has one."""

UNWRITTEN_MOST = 5000
"""With so many outcomes not written yet, claim nothing more."""


class Appetite(msgspec.Struct, frozen=True):
    """What to claim now, and when to think about it again."""

    claim: int
    """How many jobs."""
    hungry_at: int
    """Think again when no more than so many wait for a slot."""


def appetite(free: int, capacity: float, claim_seconds: float) -> Appetite:
    """How many jobs to claim.

    Small claims are put off until they are worth a statement: while half of what is claimed ahead waits here, there is no
    hurry. What counts is how many jobs the workers can do, not how many they did: while a slow storage keeps them waiting,
    claiming less would only make it worse.

    Arguments:
        free: free slots, less the jobs that wait for one here already.
        capacity: jobs per second that the workers can do, as long as the last ones took.
        claim_seconds: how long the last claims took; 0 before the first one.

    >>> appetite(free=16, capacity=0, claim_seconds=0.002)
    Appetite(claim=16, hungry_at=0)
    >>> appetite(free=0, capacity=0.1, claim_seconds=0.002)
    Appetite(claim=0, hungry_at=0)
    >>> appetite(free=0, capacity=5_000, claim_seconds=0.002)
    Appetite(claim=200, hungry_at=100)
    >>> appetite(free=-150, capacity=5_000, claim_seconds=0.002)
    Appetite(claim=0, hungry_at=100)
    >>> appetite(free=0, capacity=5_000, claim_seconds=0.02)
    Appetite(claim=300, hungry_at=150)
    """
    usual = max(AHEAD_USUAL, int(capacity * AHEAD_CLAIMS * claim_seconds))
    ahead = min(int(capacity * AHEAD_SECONDS), usual, AHEAD_MOST)
    hungry_at = ahead // 2
    return Appetite(claim=free + ahead if free > -hungry_at or free > 0 else 0, hungry_at=hungry_at)


class Fetcher:
    """The service that claims.

    Arguments:
        storage: where the jobs are.
        membership: under whose name to claim, and whether that is safe.
        workers: get the runs.
        recorder: gets what is handed back, and how far it lags.
        begin: makes a run of a claimed job.
        hand_back: gives runs back unbegun.
        queues: take from these only; empty for all.
        poll_interval: seconds between looks when nothing wakes us.
    """

    def __init__(
        self,
        storage: StorageProvider,
        membership: Membership,
        workers: Workers,
        recorder: Recorder,
        *,
        begin: Callable[[Job], Run],
        hand_back: Callable[[Iterable[Run]], None],
        queues: frozenset[str],
        poll_interval: float,
    ) -> None:
        self._storage = storage
        self._membership = membership
        self._workers = workers
        self._recorder = recorder
        self._begin = begin
        self._hand_back = hand_back
        self._queues = queues
        self._poll_interval = poll_interval
        self._claims = Pace()

    def tick(self) -> float:
        if stale := self._workers.take_back(older_than=STALE_SECONDS):
            self._hand_back(stale)
        if self._membership.is_paused:
            self._hand_back(self._workers.take_back(older_than=0.0))
            self._workers.tell_when_hungry(None)
            return self._poll_interval  # being resumed wakes us
        if self._recorder.backlog > UNWRITTEN_MOST or not self._membership.may_claim:
            return 0.1
        now = appetite(self._workers.free, self._workers.capacity, self._claims.mean)
        claimed: list[Job] = []
        if now.claim > 0:
            began = time.monotonic()
            claimed = self._storage.claim(self._membership.id, self._membership.name, now.claim, self._queues)
            self._claims.took(time.monotonic() - began)
            if claimed:
                self._workers.submit([self._begin(job) for job in claimed])
            if len(claimed) < now.claim:  # nothing is left: who makes the next job will wake us
                self._workers.tell_when_hungry(None)
                return self._poll_interval
        self._workers.tell_when_hungry(now.hungry_at)
        return 0.0 if claimed else min(self._poll_interval, STALE_SECONDS / 4)
