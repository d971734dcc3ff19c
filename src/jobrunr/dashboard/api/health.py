"""Whether all is well, for what keeps processes running."""

from __future__ import annotations

import msgspec

from jobrunr.dashboard.access import Role
from jobrunr.dashboard.api.operation import Operation
from jobrunr.dashboard.call import Call
from jobrunr.dashboard.refusal import Refusal
from jobrunr.errors import JobRunrError


class Health(msgspec.Struct, kw_only=True):
    """All is well."""

    status: str


class Version(msgspec.Struct, kw_only=True):
    """What runs here."""

    version: str
    """Of JobRunr."""
    storage: str
    """Where the jobs are, without names and passwords."""


def is_alive(call: Call) -> Health:
    """Say that the process answers. The storage is not asked."""
    return Health(status="alive")


def is_ready(call: Call) -> Health:
    """Say whether the storage answers."""
    try:
        call.site.storage.now()
    except JobRunrError:
        raise Refusal(503, "The storage does not answer.") from None
    return Health(status="ready")


def get_version(call: Call) -> Version:
    """Get the version of JobRunr, and where the jobs are."""
    return Version(version=call.site.version, storage=call.site.storage.where)


OPERATIONS = (
    Operation("GET", "/api/version", get_version, subject="Health"),
    Operation("GET", "/livez", is_alive, subject="Health", role=Role.ANYBODY),
    Operation(
        "GET", "/readyz", is_ready, subject="Health", role=Role.ANYBODY, refusals={503: "The storage does not answer."}
    ),
)
