"""What a test wants to know about the jobs that were made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jobrunr.jobrunr import JobRunr
from jobrunr.jobs import Job
from jobrunr.serialization import describe_call
from jobrunr.states import JobState

_WAITING = (JobState.ENQUEUED, JobState.SCHEDULED, JobState.AWAITING)


def enqueued_jobs(jobrunr: JobRunr, function: Callable[..., Any] | None = None) -> list[Job]:
    """The jobs that wait to be run, now or later, oldest first.

    Arguments:
        function: only jobs that call this.
    """
    target = None if function is None else jobrunr.registry.describe(function).target
    found: list[Job] = []
    for state in _WAITING:
        after: str | None = None
        while True:
            page = jobrunr.scheduler.find(state=state, target=target, limit=1000, after=after)
            found.extend(page.jobs)
            after = page.next
            if after is None:
                break
    return sorted(found, key=lambda job: (job.created_at, job.id))


def assert_enqueued(jobrunr: JobRunr, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Job:
    """Fail unless a job waits that calls this function with these arguments.

    Arguments:
        function: as given to ``enqueue``.
        args, kwargs: the arguments of the call; without any, every call of the function will do.

    Returns:
        the oldest such job.

    >>> job_id = jobrunr.scheduler.enqueue(send_welcome, "ada@example.org")
    >>> assert_enqueued(jobrunr, send_welcome, "ada@example.org").id == job_id
    True
    """
    __tracebackhide__ = True
    runnable = jobrunr.registry.describe(function)
    jobs = enqueued_jobs(jobrunr, function)
    if args or kwargs:
        wanted = runnable.codec.encode(args, kwargs, jobrunr.settings.max_arguments_size)
        jobs = [job for job in jobs if job.details.arguments == wanted]
    else:
        wanted = None
    if jobs:
        return jobs[0]
    call = runnable.target if wanted is None else describe_call(runnable.target, wanted)
    others = "".join(f"\n  {job.state} {describe_call(job.target, job.details.arguments)}" for job in enqueued_jobs(jobrunr))
    raise AssertionError(f"No job waits that calls {call}. " + (f"There are:{others}" if others else "No job waits at all."))
