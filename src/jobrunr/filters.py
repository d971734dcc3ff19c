"""Hooks into the life of jobs, for what every job needs: auditing, metrics, alerts, tenants."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from uuid import UUID

from jobrunr.errors import OptionError
from jobrunr.jobs import Job, NewJob, checked_job
from jobrunr.retries import RetryDecision
from jobrunr.states import JobState


class JobFilter:
    """Override what you need; every hook does nothing by default.

    Filters are called in the order in which they were given, on every path: scheduler, server, command line, dashboard. A
    hook that raises is logged with the job's id and changes nothing. Hooks run between transactions, never inside one; keep
    them quick, they run on the thread that does the work.

    >>> class Tenant(JobFilter):
    ...     def creating(self, job: NewJob) -> NewJob:
    ...         return msgspec.structs.replace(job, labels=(*job.labels, "tenant-a"))
    """

    def creating(self, job: NewJob) -> NewJob | None:
        """A job is about to be stored. Return another value to store that instead; one that cannot be stored is logged, and
        the job stored as it was."""

    def created(self, job: NewJob) -> None:
        """The job was stored. Not called when its id existed already."""

    def elect_state(self, job: Job, exception: BaseException, decision: RetryDecision) -> RetryDecision | None:
        """An attempt failed and this is what the retry policy says. Return another decision to overrule it.

        With several filters, each sees the decision of the one before. If this hook raises, the job fails without a retry:
        the exception is recorded with it."""

    def state_changed(self, job: Job, old: JobState, new: JobState) -> None:
        """A change of state was written. `job` is the job as it was before. A failure with a retry is two changes."""

    def processing(self, job: Job) -> None:
        """A worker is about to call the job's function, on the thread (or event loop) that will."""

    def succeeded(self, job: Job, result: object) -> None:
        """The function returned; the outcome is not written yet. Of a job that ends in its own transaction, it is."""

    def failed(self, job: Job, exception: BaseException) -> None:
        """An attempt failed; the outcome is not written yet. Called for lost servers too."""

    def failed_after_retries(self, job: Job, exception: BaseException) -> None:
        """The last attempt failed: the job is FAILED and stays so."""


_log = logging.getLogger("jobrunr.filters")


class JobFilters:
    """Several filters as one. Calls only the hooks that somebody overrides, and keeps what they raise away from the job."""

    def __init__(self, filters: Iterable[JobFilter] = ()) -> None:
        self._filters = tuple(filters)
        self._hooks = {hook: self._overriding(hook) for hook in _HOOKS}

    def with_more(self, filters: Iterable[JobFilter]) -> JobFilters:
        """These filters, and behind them those of one job."""
        return JobFilters((*self._filters, *filters))

    def listen_to(self, hook: str) -> bool:
        """Whether anybody wants to hear of something."""
        return bool(self._hooks[hook])

    def creating(self, job: NewJob) -> NewJob:
        for each in self._hooks["creating"]:
            try:
                job = _checked(each.creating(job), job)
            except BaseException as error:  # noqa: BLE001 - whatever a filter raises
                _report(error, each, "creating", job.id)
        return job

    def elect_state(self, job: Job, exception: BaseException, decision: RetryDecision) -> RetryDecision:
        """Unlike the others, this hook may raise: it decides what becomes of the job, so its failure is the job's."""
        for each in self._hooks["elect_state"]:
            decision = each.elect_state(job, exception, decision) or decision
        return decision

    def created(self, job: NewJob) -> None:
        self._call("created", job.id, job)

    def state_changed(self, job: Job, old: JobState, new: JobState) -> None:
        self._call("state_changed", job.id, job, old, new)

    def processing(self, job: Job) -> None:
        self._call("processing", job.id, job)

    def succeeded(self, job: Job, result: object) -> None:
        self._call("succeeded", job.id, job, result)

    def failed(self, job: Job, exception: BaseException) -> None:
        self._call("failed", job.id, job, exception)

    def failed_after_retries(self, job: Job, exception: BaseException) -> None:
        self._call("failed_after_retries", job.id, job, exception)

    def _call(self, hook: str, job_id: UUID, *facts: object) -> None:
        for each in self._hooks[hook]:
            try:
                getattr(each, hook)(*facts)
            except BaseException as error:  # noqa: BLE001 - whatever a filter raises
                _report(error, each, hook, job_id)

    def _overriding(self, hook: str) -> tuple[JobFilter, ...]:
        return tuple(f for f in self._filters if getattr(type(f), hook, None) is not getattr(JobFilter, hook))


_HOOKS = ("creating", "created", "elect_state", "state_changed", "processing", "succeeded", "failed", "failed_after_retries")


def _checked(made: object, job: NewJob) -> NewJob:
    """What a filter made of a job, if it can be stored."""
    if made is None or made is job:
        return job
    if not isinstance(made, NewJob):
        raise OptionError(f"{made!r:.200} is no NewJob; return None, or msgspec.structs.replace(job, ...).")
    return checked_job(made)


def _report(error: BaseException, failed: JobFilter, hook: str, job_id: UUID) -> None:
    """Log what a filter raised. What ends a process, it must not end from a thread of a server; in the main thread it may be
    Ctrl-C, or what the handler of a signal raised, and is not the filter's."""
    if not isinstance(error, Exception) and threading.current_thread() is threading.main_thread():
        raise error
    _log.exception("filter %s.%s failed for job %s; the job goes on", type(failed).__qualname__, hook, job_id)
