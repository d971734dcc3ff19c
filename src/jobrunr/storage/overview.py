"""What people want to see of all jobs together: what failed alike, how much was done, and who changed what."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from jobrunr.jobs import Job
from jobrunr.texts import storable

KEEP_SAMPLES = timedelta(days=8)
"""How long the totals of past minutes are kept."""

MAX_SUBJECT_LENGTH = 300
MAX_NAME_LENGTH = 255


class FailureGroup(msgspec.Struct, frozen=True):
    """FAILED jobs whose last failures were alike."""

    fingerprint: str
    count: int
    first_at: datetime
    """When the one failed that has been FAILED longest."""
    last_at: datetime
    example: Job
    """The one that failed last."""


class Totals(msgspec.Struct, frozen=True):
    """How many attempts ever ended so. Kept, and never less than before, whatever becomes of the jobs."""

    succeeded: int
    failed: int


class Sample(msgspec.Struct, frozen=True):
    """The totals at a moment."""

    at: datetime
    totals: Totals


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody did by hand."""

    at: datetime | None = None
    """Set by the storage, by the storage's clock."""
    actor: str
    """Who: the name of a user, for example."""
    action: str
    """What was done, in a word: delete, requeue, pause."""
    subject: str
    """To what: the id of a job as text, ``recurring:ID``, ``server:ID``, or any text of up to 300 characters."""
    detail: str = ""


def storable_entries(entries: Sequence[AuditEntry], now: datetime) -> list[AuditEntry]:
    """Entries as they are kept: no longer than there is room for, and each a microsecond after the one before it, so that a
    moment never falls between two of them."""
    return [
        AuditEntry(
            at=now + index * timedelta(microseconds=1),
            actor=storable(entry.actor, MAX_NAME_LENGTH),
            action=storable(entry.action, MAX_NAME_LENGTH),
            subject=storable(entry.subject, MAX_SUBJECT_LENGTH),
            detail=storable(entry.detail),
        )
        for index, entry in enumerate(entries)
    ]


def minute_of(moment: datetime) -> datetime:
    """The beginning of the minute that a moment is in."""
    return moment.replace(second=0, microsecond=0)
