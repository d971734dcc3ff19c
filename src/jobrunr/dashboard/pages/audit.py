"""Who changed what, and when."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.responses import Response

from jobrunr.dashboard.answers import page
from jobrunr.dashboard.call import Call, link
from jobrunr.dashboard.refusal import Refusal
from jobrunr.ids import JobId
from jobrunr.texts import storable

PAGE = 50


def audit(call: Call) -> Response:
    """The page, the newest first."""
    subject = storable(call.query.get("subject", "").strip())
    before = _moment(call.query.get("before"))
    entries = call.site.storage.audits(subject or None, PAGE + 1, before)
    shown = entries[:PAGE]
    return page(
        call,
        "audit.html",
        entries=[(entry, address_of(entry.subject)) for entry in shown],
        subject=subject,
        before=shown[-1].at if len(entries) > PAGE else None,
        is_first=before is None,
    )


def address_of(subject: str) -> str | None:
    """Where to see what was changed.

    >>> address_of("recurring:nightly"), address_of("jobs")
    ('recurring/job?id=nightly', None)
    """
    kind, _, rest = subject.partition(":")
    if kind == "recurring":
        return link("recurring/job", id=rest)
    if kind == "server":
        return link("servers")
    try:
        return link(f"jobs/{JobId.of(subject)}")
    except ValueError:
        return None


def _moment(given: str | None) -> datetime | None:
    if not given:
        return None
    try:
        moment = datetime.fromisoformat(given)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refusal(422, f"{given[:50]!r} is no moment; write 2026-11-24T03:00.", "before") from None
