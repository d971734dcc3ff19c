"""What each write of the storage contract does to a job, field by field. Values in, values out."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from msgspec.structs import replace

from jobrunr.history import StateChange, write_lines
from jobrunr.jobs import EXPIRED, Job, JobUpdate, NewJob, encode_extras, encode_labels
from jobrunr.states import JobState
from jobrunr.transitions import expiry


def inserted(job: NewJob, now: datetime) -> Job:
    """A job as it is stored first."""
    return Job(
        id=job.id,
        details=job.details,
        name=job.name,
        state=job.state,
        version=1,
        queue=job.queue,
        priority=job.priority,
        labels_json=encode_labels(job.labels),
        retries=job.retries,
        created_at=now,
        state_at=now,
        scheduled_at=now if job.state is JobState.SCHEDULED else None,
        enqueued_at=now if job.state is JobState.ENQUEUED else None,
        run_at=_utc(job.run_at),
        reason=job.reason,
        recurring_job_id=job.recurring_job_id,
        extras_json=encode_extras(job.extras),
    )


def claimed(job: Job, server_id: UUID, server_name: str, token: UUID, now: datetime) -> Job:
    """A job that a server has taken under a token."""
    return replace(
        job,
        state=JobState.PROCESSING,
        version=job.version + 1,
        claim_token=token,
        attempts=job.attempts + 1,
        state_at=now,
        started_at=now,
        server_id=server_id,
        server_name=server_name,
    )


def promoted(job: Job, now: datetime) -> Job:
    """A scheduled job whose time has come."""
    return replace(job, state=JobState.ENQUEUED, version=job.version + 1, state_at=now, enqueued_at=now)


def expired(job: Job, now: datetime) -> Job:
    """A finished job whose time is over. What was FAILED has its whole history in the past already; this goes there too."""
    change = StateChange(state=JobState.DELETED, at=now, reason=EXPIRED)
    return replace(
        job,
        state=JobState.DELETED,
        version=job.version + 1,
        state_at=now,
        expires_at=expiry(job, JobState.DELETED, now),
        past=job.past + write_lines([change]) if job.finished_at is None else job.past,
    )


def updated(job: Job, update: JobUpdate) -> Job:
    """A job after a change that was decided elsewhere. Success ends the attempt under way and leaves it in its fields; every
    other change has put it into the past."""
    changed = replace(
        job,
        state=update.state,
        version=job.version + 1,
        claim_token=job.claim_token if update.keep_token else None,
        attempts=update.attempts,
        failures=update.failures,
        state_at=update.at,
        run_at=_utc(update.run_at),
        reason=update.reason,
        by=update.by,
        fingerprint=update.fingerprint or job.fingerprint,
        crashes=update.crashes,
        result_json=update.result_json,
        expires_at=update.expires_at,
        past=job.past + update.past,
    )
    if update.state is JobState.SUCCEEDED:
        return replace(changed, finished_at=update.at)
    return replace(
        changed,
        scheduled_at=update.at if update.state is JobState.SCHEDULED else None,
        enqueued_at=update.at if update.state is JobState.ENQUEUED else None,
        started_at=None,
        finished_at=None,
        server_id=None,
    )


def _utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.astimezone(UTC)


def may_write(job: Job, update: JobUpdate) -> bool:
    """Whether the guard of an update holds. An update without a guard never may."""
    if update.token is not None:
        return job.state is JobState.PROCESSING and job.claim_token == update.token
    return update.version is not None and job.version == update.version


def was_written(job: Job, update: JobUpdate) -> bool:
    """Whether an update that may not be written (any more) is there already: it is the owner's, whose token is still in the
    job. Others may have moved the job on since then, so its moment is looked up where the moves after it leave it."""
    if update.token is None or job.claim_token != update.token:
        return False
    match update.state:
        case JobState.SUCCEEDED:
            return job.finished_at == update.at
        case JobState.SCHEDULED:
            return job.scheduled_at == update.at
        case JobState.ENQUEUED:
            return job.scheduled_at is None and job.enqueued_at == update.at
        case _:
            return job.state is update.state and job.state_at == update.at
