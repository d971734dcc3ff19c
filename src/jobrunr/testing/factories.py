"""Jobs and servers for tests: as values, and brought into a state in a storage by the ways that a real job goes.

>>> a_job(priority=5).priority
5
>>> failed(storage, retries=0).state
<JobState.FAILED: 'FAILED'>
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from msgspec.structs import replace

from jobrunr import transitions
from jobrunr.history import ExceptionRecord
from jobrunr.ids import JobId, new_token
from jobrunr.jobs import Job, JobDetails, JobUpdate, NewJob
from jobrunr.recurring_job import Firing, JobTemplate, NewRun, RecurringJob
from jobrunr.server_record import ServerRecord
from jobrunr.states import JobState
from jobrunr.storage.contract import Claim, StorageProvider
from jobrunr.storage.memory.writes import claimed, inserted, updated

# -- values


def a_job(**overrides: Any) -> NewJob:
    """A job that somebody asks for, ENQUEUED. Every field of `NewJob` can be given another value."""
    values: dict[str, Any] = {
        "id": JobId.new(),
        "details": JobDetails("shop.mail:send_welcome", '{"email":"ada@example.org"}'),
        "name": "send welcome to ada@example.org",
    }
    return NewJob(**(values | overrides))


def a_scheduled_job(run_at: datetime, **overrides: Any) -> NewJob:
    """A job that somebody asks for at a time."""
    return a_job(**({"state": JobState.SCHEDULED, "run_at": run_at} | overrides))


def a_server(**overrides: Any) -> ServerRecord:
    """A server that nobody knows yet. Every field of `ServerRecord` can be given another value."""
    values: dict[str, Any] = {"id": uuid4(), "name": "shop-1:4711", "workers": 8, "version": "1.0", "pid": 4711}
    return ServerRecord(**(values | overrides))


def an_exception(message: str = "no such mailbox") -> ExceptionRecord:
    """An exception as it is kept in the history of a job."""
    return ExceptionRecord("builtins.ValueError", message, f"Traceback (most recent call last):\nValueError: {message}")


def a_stored_job(
    state: JobState = JobState.ENQUEUED, at: datetime = datetime(2026, 1, 1, 12, tzinfo=UTC), **overrides: Any
) -> Job:
    """A job as it would be read from a storage, with the history that belongs to its state. A value only: no storage has it.

    Arguments:
        state: any but PROCESSED.
        at: when all of it happened.
        overrides: fields of `Job` to change in the end.
    """
    return replace(_through_life(state, at), **overrides)


def _through_life(state: JobState, at: datetime) -> Job:
    match state:
        case JobState.AWAITING:
            return inserted(a_job(state=state), at)
        case JobState.SCHEDULED:
            return inserted(a_scheduled_job(at + timedelta(hours=1)), at)
        case JobState.ENQUEUED:
            return inserted(a_job(), at)
    server = a_server()
    running = claimed(inserted(a_job(), at), server.id, server.name, new_token(), at)
    end = None if state is JobState.PROCESSING else _ENDS[state](running, at)
    return running if end is None else updated(running, end)


_ENDS: dict[JobState, Callable[[Job, datetime], JobUpdate | None]] = {
    JobState.SUCCEEDED: lambda job, at: transitions.succeed(job, at, '"250 OK"'),
    JobState.FAILED: lambda job, at: transitions.fail(job, at, "it failed", an_exception()),
    JobState.DELETED: lambda job, at: transitions.delete(job, at, "withdrawn", transitions.Author.OWNER),
}

# -- in a storage


def awaiting(storage: StorageProvider, **overrides: Any) -> Job:
    """A job that waits for something other than a time."""
    return _inserted(storage, a_job(**({"state": JobState.AWAITING} | overrides)))


def scheduled(storage: StorageProvider, run_at: datetime | None = None, **overrides: Any) -> Job:
    """A job that waits for its time; an hour from now unless another is given."""
    return _inserted(storage, a_scheduled_job(run_at or storage.now() + timedelta(hours=1), **overrides))


def enqueued(storage: StorageProvider, **overrides: Any) -> Job:
    """A job that is ready to run."""
    return _inserted(storage, a_job(**overrides))


def processing(storage: StorageProvider, server: ServerRecord | None = None, **overrides: Any) -> Job:
    """A job that a server has claimed.

    Arguments:
        server: one that is announced already; otherwise a new one is.
        overrides: fields of `NewJob`.

    Raises:
        ValueError: another job of the same queue is ahead. Make running jobs first, or give this one a queue of its own.
    """
    if server is None:
        server = announced(storage)
    job = enqueued(storage, **overrides)
    (claim,) = storage.claim(server.id, server.name, 1, [job.queue])
    if claim.id != job.id:
        raise ValueError(
            f"Job {claim.id} was ahead in the queue {job.queue!r}. Make running jobs first, or in their own queue."
        )
    return claim


def succeeded(storage: StorageProvider, result_json: str | None = '"250 OK"', **overrides: Any) -> Job:
    """A job that ran to its end."""
    job = processing(storage, **overrides)
    return written(storage, transitions.succeed(job, storage.now(), result_json))


def failed(storage: StorageProvider, **overrides: Any) -> Job:
    """A job that failed and is not tried again."""
    job = processing(storage, **overrides)
    return written(storage, transitions.fail(job, storage.now(), "it failed", an_exception()))


def deleted(storage: StorageProvider, **overrides: Any) -> Job:
    """A job that somebody withdrew before it ran."""
    return written(storage, transitions.delete(enqueued(storage, **overrides), storage.now(), "withdrawn"))


def announced(storage: StorageProvider, **overrides: Any) -> ServerRecord:
    """A server that is registered."""
    server = a_server(**overrides)
    storage.announce(server)
    return server


def written(storage: StorageProvider, update: JobUpdate | None) -> Job:
    """The job after an update, which is written now.

    Raises:
        ValueError: there is nothing to write, or it lost a race.
    """
    if update is None or update.job_id not in storage.update([update]):
        raise ValueError(f"{update!r} was not written.")
    return present(storage, update)


def present(storage: StorageProvider, job: Job | NewJob | JobUpdate) -> Job:
    """A job as it is now.

    Raises:
        ValueError: it is gone.
    """
    job_id = job.job_id if isinstance(job, JobUpdate) else job.id
    found = storage.get(job_id)
    if found is None:
        raise ValueError(f"There is no job {job_id} (any more).")
    return found


def claim_of(job: Job) -> Claim:
    """The claim under which a job runs.

    Raises:
        ValueError: it has none.
    """
    if job.claim_token is None:
        raise ValueError(f"Job {job.id} was never claimed, or its owner lost it.")
    return Claim(job.id, job.claim_token)


def _inserted(storage: StorageProvider, job: NewJob) -> Job:
    storage.insert([job])
    return present(storage, job)


# -- recurring jobs


def a_recurring_job(at: datetime, **overrides: Any) -> RecurringJob:
    """A recurring job of every five minutes, registered at a moment. Every field of `RecurringJob` can be given another
    value."""
    first = at + timedelta(minutes=5)
    values: dict[str, Any] = {
        "id": f"sync-{uuid4()}",
        "schedule": "PT5M",
        "zone": "UTC",
        "template": JobTemplate(details=JobDetails("shop.sync:inventory"), name="sync.inventory()"),
        "anchor": at,
        "next_run_at": first,
        "look_at": first,
        "created_at": at,
        "changed_at": at,
    }
    return RecurringJob(**(values | overrides))


def registered(storage: StorageProvider, **overrides: Any) -> RecurringJob:
    """A stored recurring job."""
    job = a_recurring_job(storage.now(), **overrides)
    assert storage.save_recurring(job)
    return job


def a_firing(job: RecurringJob, *run_times: datetime, **overrides: Any) -> Firing:
    """What is decided about a recurring job: a job for each of these times, and then the run in five minutes."""
    after = {
        name: overrides.pop(name) for name in list(overrides) if name in RecurringJob.__struct_fields__ and name != "skips"
    }
    following = (job.next_run_at or job.anchor) + timedelta(minutes=5)
    values: dict[str, Any] = {"version": job.version + 1, "next_run_at": following, "look_at": following} | after
    runs = tuple(NewRun(time, job.template.new_job(job.id, time, "its time has come")) for time in run_times)
    return Firing(after=replace(job, **values), runs=runs, **overrides)
