"""What failed, put together by what is alike."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from jobrunr.dashboard.answers import page
from jobrunr.dashboard.call import Call
from jobrunr.dashboard.showing.brief import in_a_line, last_change, name_of
from jobrunr.history import ExceptionRecord
from jobrunr.storage.contract import FailureGroup

MOST_GROUPS = 100


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A group of jobs that failed alike."""

    group: FailureGroup
    name: str
    message: str
    exception: ExceptionRecord | None


def failures(call: Call) -> Response:
    """The page."""
    groups = call.site.storage.failures(MOST_GROUPS)
    return page(
        call, "failures.html", failures=[_failure(call, group) for group in groups], is_full=len(groups) == MOST_GROUPS
    )


def _failure(call: Call, group: FailureGroup) -> Failure:
    change = last_change(group.example)
    exception = None if change is None else change.exception
    text = "" if change is None else change.reason or ""
    if exception is not None:
        text = call.site.redact("exception", exception.message)
    return Failure(group=group, name=name_of(call.site, group.example), message=in_a_line(text), exception=exception)
