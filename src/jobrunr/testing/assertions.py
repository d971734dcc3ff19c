"""What a test wants to know about the jobs that were made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jobrunr.errors import ArgumentsUnreadableError
from jobrunr.jobrunr import JobRunr
from jobrunr.jobs import Job
from jobrunr.registry import Runnable
from jobrunr.serialization import describe_call
from jobrunr.states import JobState

_WAITING = (JobState.ENQUEUED, JobState.SCHEDULED, JobState.AWAITING)
_SHOWN = 20


def enqueued_jobs(jobrunr: JobRunr, function: Callable[..., Any] | None = None) -> list[Job]:
    """The jobs that wait to be run, now or later, oldest first.

    Arguments:
        function: only jobs that call this.

    >>> job_id = jobrunr.scheduler.enqueue(send_welcome, "ada@example.org")
    >>> [job.id for job in enqueued_jobs(jobrunr, send_welcome)] == [job_id]
    True
    """
    target = None if function is None else jobrunr.registry.describe(function).target
    found = [job for state in _WAITING for job in _all(jobrunr, state=state, target=target)]
    return sorted(found, key=_age)


def assert_enqueued(jobrunr: JobRunr, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Job:
    """Fail unless a job waits, now or for later, that calls this function with these arguments.

    Arguments:
        function: as given to ``enqueue``.
        args, kwargs: the arguments of the call, by position or by name, however ``enqueue`` got them; without any, every
            call of the function will do. What was left to its default when the job was made is left out here too.

    Returns:
        the oldest such job.

    Raises:
        AssertionError: there is none; the message lists what there is.
        JobRefusedError: the function is none that could be enqueued, or the arguments do not fit it.

    >>> job_id = jobrunr.scheduler.enqueue(send_welcome, "ada@example.org")
    >>> assert_enqueued(jobrunr, send_welcome, email="ada@example.org").id == job_id
    True
    """
    __tracebackhide__ = True
    runnable = jobrunr.registry.describe(function)
    waiting = enqueued_jobs(jobrunr)
    candidates = [job for job in waiting if job.target == runnable.target]
    wanted = None
    if args or kwargs:
        wanted = runnable.codec.encode(args, kwargs, jobrunr.settings.max_arguments_size)
        candidates = [job for job in candidates if _is_same_call(runnable, job.details.arguments, wanted)]
    if candidates:
        return candidates[0]
    call = runnable.target if wanted is None else describe_call(runnable.target, wanted)
    raise AssertionError(f"No job waits that calls {call}.{_what_there_is(jobrunr, runnable.target, waiting)}")


def _is_same_call(runnable: Runnable, arguments: str, wanted: str) -> bool:
    """As text, or as values: the order in which names were given, or in which a set was written, makes no difference."""
    if arguments == wanted:
        return True
    try:
        return runnable.codec.decode(arguments) == runnable.codec.decode(wanted)
    except ArgumentsUnreadableError:
        return False


def _what_there_is(jobrunr: JobRunr, target: str, waiting: Sequence[Job]) -> str:
    over = [job for job in _all(jobrunr, target=target) if job.state not in _WAITING]
    text = " These wait:" + _listed(waiting) if waiting else " No job waits at all."
    return text + (" These call it, but do not wait any more:" + _listed(sorted(over, key=_age)) if over else "")


def _listed(jobs: Sequence[Job]) -> str:
    lines = [f"\n  {job.state} {describe_call(job.target, job.details.arguments)}" for job in jobs[:_SHOWN]]
    more = f"\n  and {len(jobs) - _SHOWN} more" if len(jobs) > _SHOWN else ""
    return "".join(lines) + more + "\n"


def _all(jobrunr: JobRunr, *, state: JobState | None = None, target: str | None = None) -> Iterator[Job]:
    """Page by page."""
    after = None
    while True:
        page = jobrunr.scheduler.find(state=state, target=target, limit=1000, after=after)
        yield from page
        after = page.next
        if after is None:
            return


def _age(job: Job) -> tuple[Any, ...]:
    return job.created_at, job.id
