"""The states of a job and the moves between them: one table, and one function that holds everybody to it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from uuid import UUID

from jobrunr.errors import IllegalJobStateChangeError


class JobState(StrEnum):
    """Where a job stands in its life."""

    AWAITING = "AWAITING"
    """Waits for something other than a time (another job, a slot)."""
    SCHEDULED = "SCHEDULED"
    """Waits for its time."""
    ENQUEUED = "ENQUEUED"
    """Ready: the next free worker takes it."""
    PROCESSING = "PROCESSING"
    """A server owns it and runs it."""
    PROCESSED = "PROCESSED"
    """Its method is done, but it waits for children or a signal from outside."""
    SUCCEEDED = "SUCCEEDED"
    """Done."""
    FAILED = "FAILED"
    """Given up: no retry is left, or a retry would not help. Kept until a person decides."""
    DELETED = "DELETED"
    """Withdrawn, or done long ago. Removed for good after a while."""


_AWAITING, _SCHEDULED, _ENQUEUED, _PROCESSING, _PROCESSED, _SUCCEEDED, _FAILED, _DELETED = JobState

MOVES: Mapping[JobState, frozenset[JobState]] = {
    _AWAITING: frozenset({_SCHEDULED, _ENQUEUED, _FAILED, _DELETED}),
    _SCHEDULED: frozenset({_SCHEDULED, _ENQUEUED, _FAILED, _DELETED}),
    _ENQUEUED: frozenset({_PROCESSING, _SCHEDULED, _FAILED, _DELETED}),
    # ENQUEUED: handed back unharmed. SCHEDULED: left for servers that know it.
    _PROCESSING: frozenset({_SUCCEEDED, _FAILED, _DELETED, _PROCESSED, _ENQUEUED, _SCHEDULED}),
    _PROCESSED: frozenset({_SUCCEEDED, _FAILED, _DELETED}),
    _SUCCEEDED: frozenset({_SCHEDULED, _ENQUEUED, _DELETED}),
    _FAILED: frozenset({_SCHEDULED, _ENQUEUED, _DELETED}),
    _DELETED: frozenset({_SCHEDULED, _ENQUEUED}),
}
"""The legal moves. Set-based moves of a storage provider (claim, promote, expire) are moves of this table too."""

FINISHED = frozenset({_SUCCEEDED, _FAILED, _DELETED})
"""Nothing happens to a job in one of these unless somebody asks, or its time of keeping is over."""


def check_move(job_id: UUID, current: JobState, wanted: JobState) -> None:
    """Say whether a job may move.

    Raises:
        IllegalJobStateChangeError: it may not.
    """
    if wanted not in MOVES[current]:
        raise IllegalJobStateChangeError(job_id, current, wanted)
