"""What can be said about a job besides what to call: at the call, on the function (`@job`), or in the settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import ParamSpec, TypeVar, overload

import msgspec

from jobrunr.errors import OptionError
from jobrunr.filters import JobFilter
from jobrunr.ids import JobId
from jobrunr.retries import RetryPolicy

P = ParamSpec("P")
R = TypeVar("R")

MAX_LABELS = 10
MAX_LABEL_LENGTH = 100
MAX_QUEUE_LENGTH = 100
PRIORITIES = range(-32768, 32768)
RETRIES = range(10_001)


class JobOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of a job. None leaves a thing to the next in line: the call, then the decorator, then the settings."""

    id: JobId | None = None
    name: str | None = None
    """May hold fields over the call's arguments and the log context: ``{0}``, ``{email}``."""
    retries: int | None = None
    retry: RetryPolicy | None = None
    retry_on: tuple[type[BaseException], ...] | None = None
    no_retry_on: tuple[type[BaseException], ...] | None = None
    labels: tuple[str, ...] | None = None
    """May hold the same fields as the name."""
    queue: str | None = None
    priority: int | None = None
    """Higher goes first; 0 is normal."""
    delete_succeeded_after: timedelta | None = None
    delete_failed_after: timedelta | None = None
    purge_deleted_after: timedelta | None = None
    filters: tuple[JobFilter, ...] | None = None
    """Filters for this job only; on the decorator, not at the call."""

    def __post_init__(self) -> None:
        _check(self)

    def over(self, below: JobOptions) -> JobOptions:
        """These options, and those of `below` where these say nothing."""
        mine = {name: value for name in _FIELDS if (value := getattr(self, name)) is not None}
        return msgspec.structs.replace(below, **mine) if mine else below


_FIELDS = tuple(field.name for field in msgspec.structs.fields(JobOptions))
_OPTIONS_ATTRIBUTE = "__jobrunr_options__"


def _check(options: JobOptions) -> None:
    if options.retries is not None and (not _is_whole(options.retries) or options.retries not in RETRIES):
        raise OptionError(f"retries cannot be {options.retries!r}; it is a number from 0 (never) to 10000.")
    if options.priority is not None and (not _is_whole(options.priority) or options.priority not in PRIORITIES):
        raise OptionError(f"priority cannot be {options.priority!r}; it is a number from -32768 to 32767, 0 is normal.")
    if options.queue is not None and not _is_name(options.queue, MAX_QUEUE_LENGTH):
        raise OptionError(f"queue cannot be {options.queue!r}; it is a name of 1 to {MAX_QUEUE_LENGTH} characters.")
    if options.labels is not None:
        if isinstance(options.labels, str):
            raise OptionError(f"labels is a list of texts; write labels=[{options.labels!r}].")
        if len(options.labels) > MAX_LABELS:
            raise OptionError(f"A job can have {MAX_LABELS} labels, not {len(options.labels)}.")
    for name in ("delete_succeeded_after", "delete_failed_after", "purge_deleted_after"):
        period = getattr(options, name)
        if period is not None and (not isinstance(period, timedelta) or period < timedelta(0)):
            raise OptionError(f"{name} cannot be {period!r}; it is a timedelta of zero or more.")


def _is_whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool)


def _is_name(text: object, longest: int) -> bool:
    return isinstance(text, str) and 0 < len(text) <= longest


def options_of(function: object) -> JobOptions | None:
    """The options that `@job` put on a function, a method or a class; None when there are none."""
    found = getattr(function, _OPTIONS_ATTRIBUTE, None)
    return found if isinstance(found, JobOptions) else None


@overload
def job(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def job(
    *,
    name: str | None = None,
    retries: int | None = None,
    retry: RetryPolicy | None = None,
    retry_on: Sequence[type[BaseException]] | None = None,
    no_retry_on: Sequence[type[BaseException]] | None = None,
    labels: Sequence[str] | None = None,
    queue: str | None = None,
    priority: int | None = None,
    delete_succeeded_after: timedelta | None = None,
    delete_failed_after: timedelta | None = None,
    purge_deleted_after: timedelta | None = None,
    filters: Sequence[JobFilter] | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def job(function: Callable[P, R] | None = None, /, **options: object) -> object:
    """Offer a function as a job, and say how it wants to be run. The function itself stays as it is.

    Optional: any function of the application can be enqueued. With the decorator it is offered wherever it lies, and
    carries its own options, which the call may override.

    Arguments:
        name: what people see; ``{0}`` and ``{email}`` are filled in from the call and from the log context.
        retries: how often a failed job is tried again (default: the setting ``retries``, 10).
        retry: how long to wait before each retry (default: the setting, ``ExponentialBackoff``).
        retry_on: try again after these exceptions only.
        no_retry_on: never try again after these exceptions.
        labels: up to 10 texts of up to 100 characters, with the same fields as the name.
        queue: the queue it waits in (default: ``default``).
        priority: higher goes first; 0 is normal.
        delete_succeeded_after, delete_failed_after, purge_deleted_after: how long the job is kept.
        filters: `JobFilter`s for this job, besides those of the application.

    Raises:
        OptionError: an option is not acceptable.

    >>> @job(name="Send welcome to {0}", retries=3, labels=["mail"])
    ... def send_welcome(email: str) -> str:
    ...     return f"sent to {email}"
    >>> send_welcome("ada@example.org")
    'sent to ada@example.org'
    """

    def mark(function: Callable[P, R]) -> Callable[P, R]:
        made = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
        target = function.__func__ if isinstance(function, staticmethod | classmethod) else function
        setattr(target, _OPTIONS_ATTRIBUTE, JobOptions(**made))  # type: ignore[arg-type]
        return function

    return mark if function is None else mark(function)
