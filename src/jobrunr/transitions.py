"""The one place where a job changes its state: from a job and what happened to it, to the update to write.

Pure functions. The scheduler, the server, the command line and the dashboard all come here; the table is in `states`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum, auto

from msgspec.structs import replace

from jobrunr.errors import IllegalJobStateChangeError, UnreadableJobError
from jobrunr.fingerprints import fingerprint_of
from jobrunr.history import ExceptionRecord, StateChange, is_left, read_lines, write_lines
from jobrunr.jobs import Job, JobUpdate
from jobrunr.states import JobState, check_move

_WAITING = frozenset({JobState.AWAITING, JobState.SCHEDULED, JobState.ENQUEUED})


class Author(Enum):
    """Who wants the change, and so what it is guarded by."""

    OWNER = auto()
    """The server that runs the job: guarded by its token, which stays in the row, so that an update whose answer was
    lost is recognised when it is sent again."""
    RESCUER = auto()
    """A master that found the owner gone: guarded by the owner's token, which is wiped."""
    PERSON = auto()
    """Somebody outside the run: guarded by the version that was read."""


def succeed(job: Job, now: datetime, result_json: str | None = None) -> JobUpdate:
    """The job ran to its end."""
    check_move(job.id, job.state, JobState.SUCCEEDED)
    now = _in_order(job, now)
    return JobUpdate(
        job_id=job.id,
        token=job.claim_token,
        keep_token=True,
        from_state=job.state,
        state=JobState.SUCCEEDED,
        at=now,
        run_at=job.run_at,
        reason=job.reason,
        by=job.by,
        attempts=job.attempts,
        failures=job.failures,
        result_json=result_json,
        expires_at=expiry(job, JobState.SUCCEEDED, now),
    )


def fail(job: Job, now: datetime, reason: str, exception: ExceptionRecord | None = None) -> JobUpdate:
    """Give the job up: it stays FAILED until somebody decides."""
    change = StateChange(state=JobState.FAILED, at=now, reason=reason, exception=exception)
    fingerprint = fingerprint_of(job.target, reason, exception)
    return _update(job, Author.OWNER, change, failures=job.failures + 1, fingerprint=fingerprint)


def fail_and_retry(
    job: Job,
    now: datetime,
    reason: str,
    exception: ExceptionRecord | None,
    *,
    delay: timedelta,
    retry_reason: str,
) -> JobUpdate:
    """Fail this attempt and plan the next one, in one write. No delay: it is enqueued again at once."""
    now = _in_order(job, now)
    failed = StateChange(state=JobState.FAILED, at=now, reason=reason, exception=exception)
    again = _planned(now, delay, retry_reason)
    fingerprint = fingerprint_of(job.target, reason, exception)
    return _update(job, Author.OWNER, failed, again, failures=job.failures + 1, fingerprint=fingerprint)


def give_up_after_crash(job: Job, now: datetime, reason: str, exception: ExceptionRecord) -> JobUpdate:
    """Its server was lost while it ran, and it is not run again: it stays FAILED until somebody decides."""
    change = StateChange(state=JobState.FAILED, at=now, reason=reason, exception=exception)
    fingerprint = fingerprint_of(job.target, reason, exception)
    return _update(job, Author.RESCUER, change, crashes=job.crashes + 1, fingerprint=fingerprint)


def run_again_after_crash(
    job: Job, now: datetime, reason: str, exception: ExceptionRecord, *, delay: timedelta, again_reason: str
) -> JobUpdate:
    """Its server was lost while it ran: count the crash and plan another attempt, in one write. No retry is used up."""
    now = _in_order(job, now)
    failed = StateChange(state=JobState.FAILED, at=now, reason=reason, exception=exception)
    again = _planned(now, delay, again_reason)
    fingerprint = fingerprint_of(job.target, reason, exception)
    return _update(job, Author.RESCUER, failed, again, crashes=job.crashes + 1, fingerprint=fingerprint)


def _planned(now: datetime, delay: timedelta, reason: str) -> StateChange:
    """The next attempt: after a delay, or at once when there is none."""
    if delay:
        return StateChange(state=JobState.SCHEDULED, at=now, run_at=now + delay, reason=reason)
    return StateChange(state=JobState.ENQUEUED, at=now, reason=reason)


def hand_back(job: Job, now: datetime, reason: str, begun: bool, by: Author = Author.OWNER) -> JobUpdate:
    """Give a job back unharmed. No retry is used up, and an attempt that never began is not counted."""
    change = StateChange(state=JobState.ENQUEUED, at=now, reason=reason)
    return _update(job, by, change, attempts=job.attempts if begun else job.attempts - 1, crashes=job.crashes)


def leave(job: Job, now: datetime, reason: str, *, delay: timedelta) -> JobUpdate:
    """Give back a job that this server does not know, for others that may. Nothing is counted: it was never tried.

    The history keeps when a job was left first and when it was last, however often it was in between.
    """
    now = _in_order(job, now)
    change = StateChange(state=JobState.SCHEDULED, at=now, run_at=now + delay, reason=reason)
    update = _update(job, Author.OWNER, change, attempts=job.attempts - 1, crashes=job.crashes)
    return replace(update, past="") if _was_left(job) else update


def _was_left(job: Job) -> bool:
    """Whether the attempt under way began because the one before it was left."""
    edge = (*read_lines(job.past)[-1:], *job.present[:1])
    return len(edge) == 2 and is_left(*edge)


def delete(
    job: Job, now: datetime, reason: str, by: Author = Author.PERSON, *, actor: str | None = None
) -> JobUpdate | None:
    """Withdraw the job. None when it is DELETED already.

    Arguments:
        actor: the name of who wants it, for the history.
    """
    if job.state is JobState.DELETED:
        return None
    return _update(job, by, StateChange(state=JobState.DELETED, at=now, reason=reason, by=actor))


def requeue(job: Job, now: datetime, reason: str, *, actor: str | None = None) -> JobUpdate | None:
    """Run the job now; failures are counted anew. None when it is ENQUEUED already."""
    if job.state is JobState.ENQUEUED:
        return None
    _refuse_while_owned(job, JobState.ENQUEUED)
    change = StateChange(state=JobState.ENQUEUED, at=now, reason=reason, by=actor)
    return _update(job, Author.PERSON, change, failures=0)


def reschedule(job: Job, now: datetime, run_at: datetime, reason: str, *, actor: str | None = None) -> JobUpdate:
    """Run the job at another time; failures are counted anew."""
    _refuse_while_owned(job, JobState.SCHEDULED)
    change = StateChange(state=JobState.SCHEDULED, at=now, run_at=run_at, reason=reason, by=actor)
    return _update(job, Author.PERSON, change, failures=0)


def _refuse_while_owned(job: Job, wanted: JobState) -> None:
    """Only its owner may give a job back; for anybody else the way leads through `delete`."""
    if job.state is JobState.PROCESSING:
        raise IllegalJobStateChangeError(job.id, job.state, wanted)


def _update(
    job: Job,
    by: Author,
    *changes: StateChange,
    attempts: int | None = None,
    failures: int | None = None,
    crashes: int = 0,
    fingerprint: str | None = None,
) -> JobUpdate:
    """End the attempt under way: it goes to the past, and the last change begins a new one or is the end.

    Whatever is no crash ends the suspicion that there may be: a run that ended properly, and what people decide."""
    state = job.state
    for change in changes:
        check_move(job.id, state, change.state)
        state = change.state
    changes = tuple(replace(change, at=_in_order(job, change.at)) for change in changes)
    last = changes[-1]
    over = (*job.present, *(changes[:-1] if last.state in _WAITING else changes))
    return JobUpdate(
        job_id=job.id,
        token=None if by is Author.PERSON else job.claim_token,
        version=job.version if by is Author.PERSON else None,
        keep_token=by is Author.OWNER,
        from_state=job.state,
        state=last.state,
        at=last.at,
        run_at=last.run_at,
        reason=last.reason,
        by=last.by,
        fingerprint=fingerprint,
        attempts=job.attempts if attempts is None else attempts,
        failures=job.failures if failures is None else failures,
        crashes=crashes,
        expires_at=expiry(job, last.state, last.at),
        past=write_lines(over),
    )


def _in_order(job: Job, now: datetime) -> datetime:
    """Now, but never before the state that ends: its beginning may be noted by another clock, a little ahead of ours."""
    return max(now, job.state_at)


def expiry(job: Job, state: JobState, at: datetime) -> datetime | None:
    """When the master may move the job on, if the job has a rule of its own (otherwise the settings say)."""
    if job.extras_json is None:
        return None
    try:
        extras = job.extras
    except UnreadableJobError:
        return None
    keep = {
        JobState.SUCCEEDED: extras.delete_succeeded_after,
        JobState.FAILED: extras.delete_failed_after,
        JobState.DELETED: extras.purge_deleted_after,
    }.get(state)
    return None if keep is None else at + keep
