"""A job for scripts: plain values with names that stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from jobrunr.history import StateChange
from jobrunr.job_texts import extras_of, labels_of, metadata_of, progress_of, read
from jobrunr.jobs import Job
from jobrunr.progress import PROGRESS
from jobrunr.storage.contract import LogLine

_AS_IT_IS = (
    *("id", "name", "state", "queue", "priority", "retries", "attempts", "failures"),
    *("crashes", "is_quarantined"),
    *("created_at", "state_at", "run_at", "server_name", "recurring_job_id", "expires_at", "unreadable"),
)


def job_as_json(job: Job, logs: Sequence[LogLine] | None = None, kept: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What there is to say about a job.

    Arguments:
        logs: what it logged; None leaves this and the rest of its details out.
        kept: its metadata and progress.
    """
    brief = {name: getattr(job, name) for name in _AS_IT_IS} | {"target": job.target, "labels": labels_of(job)}
    if logs is None or kept is None:
        return brief
    extras = extras_of(job)
    return brief | {
        "execution": extras.execution,
        "timeout": None if extras.timeout is None else extras.timeout.total_seconds(),
        "arguments": read(job.details.arguments),
        "history": [_change(change) for change in job.history],
        "logs": [msgspec.to_builtins(line) for line in logs],
        "progress": {key.removeprefix(PROGRESS): read(value) for key, value in progress_of(kept).items()},
        "metadata": {key: read(value) for key, value in metadata_of(kept).items()},
        "result": None if job.result_json is None else read(job.result_json),
    }


def _change(change: StateChange) -> dict[str, Any]:
    fields = {name: getattr(change, name) for name in change.__struct_fields__}
    if change.exception is not None:
        fields["exception"] = {name: getattr(change.exception, name) for name in change.exception.__struct_fields__}
    return {name: value for name, value in fields.items() if value is not None}
