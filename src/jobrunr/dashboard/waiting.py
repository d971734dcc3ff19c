"""A look at some of the jobs that wait: which of them this code cannot run, and in which queues they are.

Unlike ``jobrunr check``, it costs the same however many wait.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

import msgspec

from jobrunr.ids import JobId
from jobrunr.jobs import Job
from jobrunr.misfits import why_not
from jobrunr.registry import JobRegistry
from jobrunr.states import JobState
from jobrunr.storage.contract import JobOrder, JobQuery, StorageProvider

EACH = 100
"""So many of each state are looked at: those that wait longest, and those that came last."""
PATIENCE = timedelta(seconds=0.5)

_WAITING = (JobState.ENQUEUED, JobState.SCHEDULED, JobState.AWAITING)


class Misfit(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs of one target that cannot be run for the same reason."""

    target: str
    reason: str
    count: int
    example: JobId


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """What was found among the jobs that were looked at."""

    looked_at: int
    misfits: tuple[Misfit, ...]
    """Empty, too, where there is no application to hold jobs against."""
    queues: Mapping[str, int]
    """How many of those that are ENQUEUED are in which queue."""


def look_at_waiting(storage: StorageProvider, registry: JobRegistry) -> Waiting:
    """Look at some of the jobs that wait."""
    jobs = {job.id: job for job in _some_that_wait(storage)}.values()
    return Waiting(
        looked_at=len(jobs),
        misfits=_misfits(jobs, registry) if registry.has_application else (),
        queues=Counter(job.queue for job in jobs if job.state is JobState.ENQUEUED),
    )


def _misfits(jobs: Iterable[Job], registry: JobRegistry) -> tuple[Misfit, ...]:
    groups: dict[tuple[str, str], list[JobId]] = {}
    for job in jobs:
        reason = why_not(job, registry)
        if reason is not None:
            groups.setdefault((job.target, reason), []).append(job.id)
    misfits = [
        Misfit(target=target, reason=reason, count=len(ids), example=ids[0]) for (target, reason), ids in groups.items()
    ]
    return tuple(sorted(misfits, key=lambda misfit: -misfit.count))


def _some_that_wait(storage: StorageProvider) -> Iterator[Job]:
    for state in _WAITING:
        for order in JobOrder:
            yield from storage.find(JobQuery(state=state, order=order, limit=EACH, patience=PATIENCE))
