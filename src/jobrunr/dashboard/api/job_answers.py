"""Jobs, as programs get them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from jobrunr.dashboard.api.kinds import Moment
from jobrunr.dashboard.showing.brief import name_of
from jobrunr.dashboard.showing.details import call_of
from jobrunr.dashboard.site import Site
from jobrunr.history import StateChange
from jobrunr.job_texts import extras_of, labels_of, metadata_of, progress_of, read
from jobrunr.jobs import Execution, Job
from jobrunr.progress import Progress
from jobrunr.states import JobState


class JobInBrief(msgspec.Struct, kw_only=True):
    """A job, as in a list."""

    id: UUID
    name: str
    state: JobState
    target: str
    """What it calls: `package.module:Class.method`."""
    queue: str
    priority: int
    labels: Sequence[str]
    retries: int
    """How often it is tried again when it fails."""
    attempts: int
    """How often a server has taken it."""
    failures: int
    """Failures that count towards the retries."""
    crashes: int
    """How often its process died while it ran, since it last ended properly or was requeued by hand. Uses up no retry."""
    is_quarantined: bool
    """Whether it met too many crashes: then it is FAILED, and not run again until somebody requeues it."""
    created_at: Moment
    state_at: Moment
    """When the present state began."""
    run_at: Moment | None
    """When it is or was due, if it has or had a time."""
    enqueued_at: Moment | None
    """When the attempt under way began to wait for a server."""
    started_at: Moment | None
    finished_at: Moment | None
    reason: str | None
    """Why it was scheduled or enqueued."""
    server_name: str | None
    """The server that has the job, or had it last."""
    recurring_job_id: str | None
    expires_at: Moment | None
    """When the time of keeping it is over."""
    fingerprint: str | None
    """Of the last failure; failures that are alike have the same."""
    unreadable: str | None
    """Why the row of this job cannot be read; then only the id is to be relied upon."""


class Failure(msgspec.Struct, kw_only=True):
    """An exception."""

    type: str
    message: str
    traceback: str
    place: str
    """Where it was raised: the innermost frame of the application's own code."""


class Change(msgspec.Struct, kw_only=True):
    """What happened to a job at a moment."""

    state: JobState
    at: Moment
    reason: str | None
    by: str | None
    """Who did it, if somebody did it by hand."""
    run_at: Moment | None
    server_name: str | None
    attempt: int | None
    exception: Failure | None


class AttemptProgress(msgspec.Struct, kw_only=True):
    """How far an attempt has come."""

    attempt: int
    done: int
    failed: int
    total: int | None
    """Null while nobody knows."""
    share: float | None
    """From 0 to 1; null while nobody knows the total."""


class JobInFull(JobInBrief, kw_only=True):
    """A job with everything that is kept about it, except its log."""

    call: str
    """What is called with which arguments, as code."""
    execution: Execution
    """Where it runs: in a thread of the server, or in a process of its own."""
    timeout: float | None
    """Seconds that a run may take; null for what the server's settings say."""
    arguments: Any
    """By the name of the parameter."""
    result: Any
    """What it returned."""
    metadata: dict[str, Any]
    progress: Sequence[AttemptProgress]
    history: Sequence[Change]
    """Everything that happened to it, oldest first; the last entry is the present state."""


_AS_IT_IS = tuple(name for name in JobInBrief.__struct_fields__ if name not in ("name", "labels", "target"))


def in_brief(site: Site, job: Job) -> JobInBrief:
    """A job for a list."""
    return JobInBrief(**_brief(site, job))


def in_full(site: Site, job: Job) -> JobInFull:
    """A job with everything, redacted."""
    kept, extras = site.storage.data(job.id), extras_of(job)
    return JobInFull(
        **_brief(site, job),
        call=call_of(site, job),
        execution=extras.execution,
        timeout=None if extras.timeout is None else extras.timeout.total_seconds(),
        arguments=read(site.redact("arguments", job.details.arguments)),
        result=None if job.result_json is None else read(site.redact("result", job.result_json)),
        metadata={key: read(site.redact("metadata", value)) for key, value in metadata_of(kept).items()},
        progress=progress_in(kept),
        history=[_change(site, change) for change in job.history],
    )


def progress_in(kept: dict[str, str]) -> list[AttemptProgress]:
    """The progress of each attempt that reported any, among what a job keeps."""
    return [
        AttemptProgress(
            attempt=int(attempt), done=progress.done, failed=progress.failed, total=progress.total, share=progress.share
        )
        for attempt, text in progress_of(kept).items()
        if attempt.isdecimal() and (progress := _progress(text)) is not None
    ]


def _progress(text: str) -> Progress | None:
    try:
        return msgspec.json.decode(text, type=Progress)
    except (msgspec.MsgspecError, UnicodeError):
        return None


def _brief(site: Site, job: Job) -> dict[str, Any]:
    shown = {"name": name_of(site, job), "labels": labels_of(job), "target": job.target}
    return {name: getattr(job, name) for name in _AS_IT_IS} | shown


def _change(site: Site, change: StateChange) -> Change:
    return Change(
        state=change.state,
        at=change.at,
        reason=change.reason,
        by=change.by,
        run_at=change.run_at,
        server_name=change.server_name,
        attempt=change.attempt,
        exception=failure_in(site, change),
    )


def failure_in(site: Site, change: StateChange | None) -> Failure | None:
    """The exception that belongs to a change, if one does."""
    if change is None or change.exception is None:
        return None
    exception = change.exception
    return Failure(
        type=exception.type,
        message=site.redact("exception", exception.message),
        traceback=site.redact("exception", exception.traceback),
        place=exception.place,
    )
