"""Who changed what by hand."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from jobrunr.dashboard.api.kinds import Limit, Moment, Text
from jobrunr.dashboard.api.operation import Operation
from jobrunr.dashboard.call import Call


class AuditAsked(msgspec.Struct, kw_only=True):
    """Which entries."""

    subject: Text | None = None
    """Only what was done to this: the id of a job, `recurring:ID`, or `server:ID`."""
    limit: Limit = 50
    """How many entries at most."""
    before: Moment | None = None
    """Only what was done before this moment; the `at` of the last entry leads to the next page."""


class Done(msgspec.Struct, kw_only=True):
    """What somebody did by hand."""

    at: Moment
    actor: str
    """Who."""
    action: str
    """What, in a word."""
    subject: str
    """To what."""
    detail: str


def get_audit(call: Call, asked: AuditAsked) -> Sequence[Done]:
    """Get who changed what by hand, the newest first."""
    entries = call.site.storage.audits(asked.subject, asked.limit, asked.before)
    return [
        Done(at=entry.at, actor=entry.actor, action=entry.action, subject=entry.subject, detail=entry.detail)
        for entry in entries
        if entry.at is not None
    ]


OPERATIONS = (Operation("GET", "/api/audit", get_audit, subject="Audit"),)
