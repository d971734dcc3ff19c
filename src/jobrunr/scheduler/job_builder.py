"""From a function, its arguments and options to the `NewJob` to store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from jobrunr.errors import OptionError
from jobrunr.filters import JobFilters
from jobrunr.ids import JobId
from jobrunr.jobs import MAX_LABEL_LENGTH, MAX_NAME_LENGTH, NO_EXTRAS, CarbonWindow, JobDetails, JobExtras, NewJob
from jobrunr.json_values import NotStorableError, to_strict_json
from jobrunr.lambda_call import is_lambda, unfold
from jobrunr.log_context import current_log_context
from jobrunr.options import NO_OPTIONS, JobOptions
from jobrunr.recurring_job import JobTemplate
from jobrunr.registry import JobRegistry, Runnable
from jobrunr.retries import FixedDelays, class_name, write_policy
from jobrunr.scheduler.templates import fill_in
from jobrunr.serialization import describe_call
from jobrunr.settings import Settings
from jobrunr.states import JobState
from jobrunr.texts import storable

MAX_LOG_CONTEXT_SIZE = 2**14
"""Bytes of JSON."""

_NO_ID = JobId(int=0)


class JobBuilder:
    """Knows what is the same for all jobs of an application.

    Arguments:
        registry: which functions are offered, and how their arguments are stored.
        settings: what is said about a job when neither the call nor the decorator says it.
        filters: those of the application.
    """

    def __init__(self, registry: JobRegistry, settings: Settings, filters: JobFilters) -> None:
        self._registry = registry
        self._settings = settings
        self._filters = filters
        self._usual: dict[Runnable, JobDraft] = {}
        """For calls without options: to make one takes a sixth of the time in which a job is made."""

    def draft(self, function: Callable[..., Any], options: JobOptions) -> JobDraft:
        """What is the same for all jobs that one call makes.

        Raises:
            JobRefusedError: the function cannot become a job, or an option is not acceptable.
        """
        if options.filters is not None:
            raise OptionError("filters go on the function, @job(filters=[...]), or on the application, not on a call.")
        return self.draft_of(self._registry.describe(function), options)

    def draft_of(self, runnable: Runnable, options: JobOptions) -> JobDraft:
        """The same for a function that was found already."""
        if options is not NO_OPTIONS:
            return JobDraft(runnable, options, self._settings, self._filters)
        draft = self._usual.get(runnable)
        if draft is None:
            draft = self._usual[runnable] = JobDraft(runnable, options, self._settings, self._filters)
        return draft

    def call(
        self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], options: JobOptions
    ) -> JobCall:
        """What one job is made from.

        Raises:
            JobRefusedError: the call cannot become a job.
        """
        function, args, kwargs = _unfolded(function, args, kwargs)
        return JobCall(self.draft(function, options), args, kwargs, options.id or JobId.new())

    def template(
        self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], options: JobOptions
    ) -> JobTemplate:
        """What the jobs of a recurring job have in common.

        Raises:
            JobRefusedError: the call cannot become a job.
        """
        function, args, kwargs = _unfolded(function, args, kwargs)
        return self.draft(function, options).template(args, kwargs)


def _unfolded(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[Callable[..., Any], Sequence[Any], Mapping[str, Any]]:
    """A lambda of one call, taken apart; anything else as it is."""
    if not is_lambda(function):
        return function, args, kwargs
    if args or kwargs:
        raise OptionError("A lambda brings its own arguments; write enqueue(lambda: function(1)) or enqueue(function, 1).")
    return unfold(function)


class JobCall(NamedTuple):
    """A call that is to become one job."""

    draft: JobDraft
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    id: JobId

    def job(
        self, run_at: datetime | None = None, *, window: CarbonWindow | None = None, reason: str | None = None
    ) -> NewJob:
        """The job: ENQUEUED, or SCHEDULED when it has a time, or AWAITING when that may be any in a window.

        Arguments:
            reason: why at that time.

        Raises:
            JobRefusedError: the call cannot become a job.
        """
        return self.draft.job(self.args, self.kwargs, self.id, run_at, window=window, reason=reason)


class JobDraft:
    """A job without its arguments."""

    def __init__(self, runnable: Runnable, call: JobOptions, settings: Settings, filters: JobFilters) -> None:
        options = call.over(runnable.options or NO_OPTIONS)
        self._runnable = runnable
        self._max_arguments_size = settings.max_arguments_size
        self._name = options.name
        self._labels = tuple(options.labels or ())
        self._queue = options.queue or settings.queue
        self._priority = options.priority or 0
        self._retries = _retries(options, settings)
        self._extras = _extras(call, options)
        self.filters = filters.with_more(options.filters) if options.filters else filters

    def job(
        self,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        job_id: JobId,
        run_at: datetime | None = None,
        *,
        window: CarbonWindow | None = None,
        reason: str | None = None,
    ) -> NewJob:
        """The job for these arguments.

        Raises:
            ArgumentError: they do not fit, or cannot be stored.
            TooLargeError: they are too large.
        """
        context = current_log_context()
        extras = _with_log_context(self._extras, context) if context else self._extras
        new = self._new(args, kwargs, job_id, run_at, extras)
        if reason is not None:
            new = msgspec.structs.replace(new, reason=reason)
        return self.filters.creating(new if window is None else _waiting(new, window))

    def template(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> JobTemplate:
        """What all jobs for these arguments have in common. The log context of the moment is not part of it."""
        new = self._new(args, kwargs, _NO_ID, None, self._extras)
        return JobTemplate(
            details=new.details,
            name=new.name,
            queue=new.queue,
            priority=new.priority,
            labels=new.labels,
            retries=new.retries,
            extras=new.extras,
        )

    def _new(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], job_id: JobId, run_at: datetime | None, extras: JobExtras
    ) -> NewJob:
        target = self._runnable.target
        arguments = self._runnable.codec.encode(args, kwargs, self._max_arguments_size)
        return NewJob(
            id=job_id,
            details=JobDetails(target, arguments),
            name=storable(self._name_of(args, kwargs, arguments), MAX_NAME_LENGTH),
            state=JobState.ENQUEUED if run_at is None else JobState.SCHEDULED,
            run_at=run_at,
            queue=self._queue,
            priority=self._priority,
            labels=tuple(self._label(label, args, kwargs) for label in self._labels),
            retries=self._retries,
            extras=extras,
        )

    def _name_of(self, args: Sequence[Any], kwargs: Mapping[str, Any], arguments: str) -> str:
        if self._name:
            return self._fill_in(self._name, args, kwargs)
        return describe_call(self._runnable.target, arguments, nameless=self._runnable.codec.positional_only)

    def _fill_in(self, template: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        return fill_in(template, self._runnable.codec.signature, args, kwargs, current_log_context())

    def _label(self, template: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        label = storable(self._fill_in(template, args, kwargs))
        if not 0 < len(label) <= MAX_LABEL_LENGTH:
            raise OptionError(f"Label {label[:200]!r} has {len(label)} characters; it can have 1 to {MAX_LABEL_LENGTH}.")
        return label


def _waiting(job: NewJob, window: CarbonWindow) -> NewJob:
    """A job that waits for the best time in a window."""
    extras = msgspec.structs.replace(job.extras, window=window)
    return msgspec.structs.replace(job, state=JobState.AWAITING, reason="waits for clean electricity", extras=extras)


def _retries(options: JobOptions, settings: Settings) -> int:
    """How often: what is said outright, else as often as a list of delays is long, else the setting."""
    if options.retries is not None:
        return options.retries
    if isinstance(options.retry, FixedDelays):
        return len(options.retry.seconds)
    return settings.retries


def _extras(call: JobOptions, options: JobOptions) -> JobExtras:
    """What has to travel with the job. Retry shapes from the decorator do not: they are code, and follow the code."""
    extras = JobExtras(
        retry=None if call.retry is None else write_policy(call.retry),
        retry_on=None if call.retry_on is None else tuple(map(class_name, call.retry_on)),
        no_retry_on=None if call.no_retry_on is None else tuple(map(class_name, call.no_retry_on)),
        delete_succeeded_after=options.delete_succeeded_after,
        delete_failed_after=options.delete_failed_after,
        purge_deleted_after=options.purge_deleted_after,
        timeout=options.timeout,
        execution=options.execution or "thread",
    )
    return NO_EXTRAS if extras == NO_EXTRAS else extras


def _with_log_context(extras: JobExtras, context: Mapping[str, Any]) -> JobExtras:
    for key, value in context.items():
        try:
            to_strict_json({key: value})
        except NotStorableError as error:
            raise OptionError(f"The log context cannot be stored with the job, for {key!r}: {error}.") from None
    size = len(to_strict_json(dict(context)))
    if size > MAX_LOG_CONTEXT_SIZE:
        raise OptionError(
            f"The log context would take {size:,} bytes with each job; the limit is {MAX_LOG_CONTEXT_SIZE:,}. "
            f"Keep in it what identifies something, and not the thing itself."
        )
    return msgspec.structs.replace(extras, log_context=dict(context))
