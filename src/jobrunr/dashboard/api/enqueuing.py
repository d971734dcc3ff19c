"""Making jobs, for applications that allow it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from jobrunr.dashboard import operations
from jobrunr.dashboard.api.kinds import Moment, Name, Text
from jobrunr.dashboard.api.operation import Operation
from jobrunr.dashboard.call import Call
from jobrunr.dashboard.refusal import Refusal
from jobrunr.errors import ArgumentsUnreadableError
from jobrunr.ids import JobId
from jobrunr.jobs import Execution


class JobWanted(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A job to make."""

    target: Text
    """What it calls: `package.module:Class.method`, one of the setting `dashboard_enqueue`."""
    arguments: dict[str, Any] = {}
    """By the name of the parameter; `"*"` holds a list for `*args`, `"**"` an object for `**kwargs`."""
    run_at: Moment | None = None
    """When it is due; otherwise at once."""
    id: UUID | None = None
    """The id of the job; if there is a job with this id already, nothing changes and nothing is an error."""
    name: Name | None = None
    """What people see."""
    queue: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    """The queue that it waits in."""
    priority: Annotated[int, Meta(ge=-32768, le=32767)] | None = None
    """Higher goes first; 0 is normal."""
    labels: Annotated[list[Annotated[str, Meta(min_length=1, max_length=100)]], Meta(max_length=10)] | None = None
    """Labels, to find it by."""
    retries: Annotated[int, Meta(ge=0, le=10_000)] | None = None
    """How often it is tried again when it fails."""
    timeout: Annotated[float, Meta(ge=0.001, le=31_536_000)] | None = None
    """Seconds that a run may take."""
    execution: Execution | None = None
    """Where it runs: in a thread of the server, or in a process of its own."""


class JobMade(msgspec.Struct, kw_only=True):
    """A job that was made."""

    id: UUID


def enqueue(call: Call, body: JobWanted) -> JobMade:
    """Make a job of one of the allowed targets."""
    allowed = call.site.settings.dashboard_enqueue
    if body.target not in allowed:
        raise Refusal(422, f"target cannot be {body.target!r:.200}. Allowed: {', '.join(allowed)}.", "target")
    options = {
        "id": body.id and JobId.of(body.id),
        "name": body.name and _without_fields(body.name),
        "labels": body.labels and [_without_fields(label) for label in body.labels],
        "queue": body.queue,
        "priority": body.priority,
        "retries": body.retries,
        "timeout": body.timeout,
        "execution": body.execution,
    }
    try:
        job_id = operations.enqueue(call.site, call.user, body.target, body.arguments, body.run_at, options)
    except ArgumentsUnreadableError as error:
        raise Refusal(422, str(error), "arguments") from None
    return JobMade(id=job_id)


def _without_fields(text: str) -> str:
    """A text that means itself: in code, braces hold fields to fill in."""
    return text.replace("{", "{{").replace("}", "}}")


OPERATIONS = (Operation("POST", "/api/jobs", enqueue, subject="Jobs", status=HTTPStatus.CREATED),)
