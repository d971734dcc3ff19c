"""What runs of jobs hold, and what they write down while they go on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from jobrunr.ids import JobId


class Claim(msgspec.Struct, frozen=True, gc=False):
    """The right to write about one run of a job."""

    job_id: JobId
    token: UUID


class LogLine(msgspec.Struct, frozen=True):
    """One line that a job logged."""

    attempt: int
    seq: int
    """Counts from 0 within the attempt."""
    at: datetime
    level: int
    """As in the module ``logging``: 20 is INFO."""
    message: str


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What one run wants kept while it goes on."""

    claim: Claim
    logs: tuple[LogLine, ...] = ()
    data: Mapping[str, str] = {}
    """Key to JSON text. A key that exists is overwritten."""
