"""Changes of state in the forms in which they travel to a database."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from jobrunr.ids import JobId
from jobrunr.jobs import JobUpdate
from jobrunr.states import JobState
from jobrunr.storage.sql.column_types import time_as_text


def change_values(change: JobUpdate) -> dict[str, Any]:
    """An update that is no success as the parameters of a statement: the attempt that ends has gone into the past, and a new
    one may begin."""
    return {
        "job_id": change.job_id,
        "new_state": change.state.value,
        "at": change.at,
        "new_result": change.result_json,
        "new_expires_at": change.expires_at,
        "kept_token": change.token if change.keep_token else None,
        "new_attempts": change.attempts,
        "new_failures": change.failures,
        "new_run_at": change.run_at,
        "new_reason": change.reason,
        "new_scheduled_at": change.at if change.state is JobState.SCHEDULED else None,
        "new_enqueued_at": change.at if change.state is JobState.ENQUEUED else None,
        "more_past": change.past,
        "new_actor": change.by,
        "new_fingerprint": change.fingerprint,
        "new_crashes": change.crashes or None,
    }


def success_values(change: JobUpdate) -> tuple[object, ...]:
    """The usual end of a run, as SQLite and MySQL find it in JSON: the id, the token, since when, the result, until when."""
    until = None if change.expires_at is None else time_as_text(change.expires_at)
    return change.job_id, change.token, time_as_text(change.at), change.result_json, until


class Success(msgspec.Struct, omit_defaults=True, gc=False):
    """The usual end of a run, to be sent as JSON."""

    id: JobId
    token: UUID | None
    at: datetime
    result: str | None = None
    expires_at: datetime | None = None

    @classmethod
    def of(cls, change: JobUpdate) -> Success:
        """What an update says."""
        return cls(change.job_id, change.token, change.at, change.result_json, change.expires_at)


def document(change: JobUpdate) -> dict[str, Any]:
    """An update, to be sent as JSON. What is not there is NULL."""
    crashes = {"crashes": change.crashes} if change.crashes else {}
    return crashes | {
        "id": change.job_id,
        "token": change.token,
        "version": change.version,
        "kept_token": change.token if change.keep_token else None,
        "state": change.state,
        "at": change.at,
        "run_at": change.run_at,
        "reason": change.reason,
        "attempts": change.attempts,
        "failures": change.failures,
        "result": change.result_json,
        "expires_at": change.expires_at,
        "past": change.past,
        "actor": change.by,
        "fingerprint": change.fingerprint,
    }


def times_as_text(change: JobUpdate) -> dict[str, str | None]:
    """The moments of an update as MySQL reads them."""
    times = {"at": change.at, "run_at": change.run_at, "expires_at": change.expires_at}
    return {name: None if time is None else time_as_text(time) for name, time in times.items()}
