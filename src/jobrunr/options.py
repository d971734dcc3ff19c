"""What can be said about a job besides what to call: at the call, on the function (`@job`), or in the settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, ParamSpec, TypeVar, get_args, overload

import msgspec

from jobrunr.durations import DURATIONS, parse_duration
from jobrunr.errors import OptionError
from jobrunr.filters import JobFilter
from jobrunr.ids import JobId
from jobrunr.jobs import MAX_QUEUE_LENGTH, PRIORITIES, RETRIES, Execution
from jobrunr.recurring_job import MAX_RECURRING_ID_LENGTH, Misfire
from jobrunr.retries import POLICIES, RetryPolicy, is_policy

P = ParamSpec("P")
R = TypeVar("R")

Rule = tuple[str, Callable[[Any], bool], str]
"""Option, what is fine, and how people are told of it."""

MAX_LABELS = 10


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
    timeout: timedelta | None = None
    """How long a run may take."""
    execution: Execution | None = None
    """Where it runs: in a thread of the server, or in a process of its own."""
    filters: tuple[JobFilter, ...] | None = None
    """Filters for this job only; on the decorator, not at the call."""

    def __post_init__(self) -> None:
        _check(self)

    def over(self, below: JobOptions) -> JobOptions:
        """These options, and those of `below` where these say nothing."""
        mine = {name: value for name in _FIELDS if (value := getattr(self, name)) is not None}
        return msgspec.structs.replace(below, **mine) if mine else below


class RecurringOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of a recurring job besides those of the jobs that it makes. None leaves a thing to the default."""

    id: str | None = None
    zone: str | None = None
    misfire: Misfire | None = None
    max_concurrent: int | None = None
    until: datetime | None = None
    paused: bool | None = None
    window: tuple[timedelta, timedelta] | None = None

    def __post_init__(self) -> None:
        _check_rules(self, _RECURRING_RULES)

    def over(self, below: RecurringOptions) -> RecurringOptions:
        """These options, and those of `below` where these say nothing."""
        mine = {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}
        return msgspec.structs.replace(below, **mine) if mine else below

    @property
    def given(self) -> tuple[str, ...]:
        """The names of those that say something, besides the id."""
        return tuple(name for name in self.__struct_fields__ if name != "id" and getattr(self, name) is not None)


_FIELDS = tuple(field.name for field in msgspec.structs.fields(JobOptions))
_OF_DECORATOR = tuple(name for name in _FIELDS if name != "id")
_OPTIONS_ATTRIBUTE = "__jobrunr_options__"


def _check(options: JobOptions) -> None:
    if isinstance(options.labels, str):
        raise OptionError(f"labels is a list of texts; write labels=[{options.labels!r}].")
    _check_rules(options, _RULES)
    if options.labels is not None and len(options.labels) > MAX_LABELS:
        raise OptionError(f"A job can have {MAX_LABELS} labels, not {len(options.labels)}.")


def _check_rules(options: object, rules: Iterable[Rule]) -> None:
    for name, is_fine, allowed in rules:
        value = getattr(options, name)
        if value is not None and not is_fine(value):
            raise OptionError(f"{name} cannot be {value!r:.200}; it is {allowed}.")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_recurring_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_RECURRING_ID_LENGTH and value.isprintable()


def _is_queue(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_QUEUE_LENGTH and value.isprintable()


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_keep(value: object) -> bool:
    return isinstance(value, timedelta) and value >= timedelta(0)


def _are(kind: Callable[[object], bool]) -> Callable[[object], bool]:
    """Whether something is a tuple of such things; lists have become tuples before they come here."""
    return lambda value: isinstance(value, tuple) and all(map(kind, value))


_TIMEOUTS = f"a duration above zero: a timedelta, {DURATIONS}"

_are_exceptions = _are(lambda value: isinstance(value, type) and issubclass(value, BaseException))
_RULES: tuple[Rule, ...] = (
    ("name", lambda value: _is_text(value) and value != "", "a text that is not empty"),
    ("retries", lambda value: _is_whole(value) and value in RETRIES, "a number from 0 (never) to 10000"),
    ("retry", is_policy, POLICIES),
    ("retry_on", _are_exceptions, "a list of exception classes, such as [ValueError]"),
    ("no_retry_on", _are_exceptions, "a list of exception classes, such as [ValueError]"),
    ("labels", _are(_is_text), "a list of texts, such as ['mail']"),
    ("queue", _is_queue, f"a name of 1 to {MAX_QUEUE_LENGTH} printable characters"),
    (
        "priority",
        lambda value: _is_whole(value) and value in PRIORITIES,
        "a number from -32768 to 32767, 0 is normal",
    ),
    ("delete_succeeded_after", _is_keep, "a timedelta of zero or more"),
    ("delete_failed_after", _is_keep, "a timedelta of zero or more"),
    ("purge_deleted_after", _is_keep, "a timedelta of zero or more"),
    ("timeout", lambda value: isinstance(value, timedelta) and value > timedelta(0), _TIMEOUTS),
    ("execution", lambda value: isinstance(value, str) and value in get_args(Execution), "'thread' or 'process'"),
    ("filters", _are(lambda value: isinstance(value, JobFilter)), "a list of instances of JobFilter"),
)
_RECURRING_RULES: tuple[Rule, ...] = (
    (
        "id",
        _is_recurring_id,
        f"a UUID for a job, as of JobId.from_key('order-17'), or 1 to {MAX_RECURRING_ID_LENGTH} printable characters",
    ),
    ("zone", lambda value: _is_text(value) and value != "", "the name of a time zone, such as 'Europe/Brussels'"),
    ("misfire", lambda value: isinstance(value, Misfire), "'skip', 'one' or 'all'"),
    ("max_concurrent", lambda value: _is_whole(value) and 1 <= value <= 10_000, "a number from 1 to 10000"),
    ("until", lambda value: isinstance(value, datetime) and value.utcoffset() is not None, "a datetime with a time zone"),
    ("paused", lambda value: isinstance(value, bool), "True or False"),
    ("window", lambda value: _are(_is_keep)(value) and len(value) == 2, "two timedeltas of zero or more, (before, after)"),
)


NO_OPTIONS = JobOptions()
"""Nothing is said."""


def read_timeout(timeout: timedelta | float | str | None) -> timedelta | None:
    """A time limit, as people write it.

    Raises:
        OptionError: it is no duration.

    >>> read_timeout("1m30s"), read_timeout(90)
    (datetime.timedelta(seconds=90), datetime.timedelta(seconds=90))
    """
    try:
        return None if timeout is None else parse_duration(timeout)
    except ValueError:
        raise OptionError(f"timeout cannot be {timeout!r:.200}; it is {_TIMEOUTS}.") from None


def options_of(function: object) -> JobOptions | None:
    """The options that `@job` put on a function, a method or a class; None when there are none."""
    found = getattr(function, _OPTIONS_ATTRIBUTE, None)
    return found if isinstance(found, JobOptions) else None


def put_options(function: object, options: JobOptions) -> None:
    """Let a function carry options; what it carries already says where these say nothing.

    Raises:
        OptionError: it cannot carry any.
    """
    if isinstance(function, staticmethod | classmethod):
        function = function.__func__
    try:
        setattr(function, _OPTIONS_ATTRIBUTE, options.over(options_of(function) or NO_OPTIONS))
        if callable(function):
            return
    except (AttributeError, TypeError):  # written in C, bound, or no function at all
        pass
    raise OptionError(f"@job cannot mark {function!r:.200}. Write a function of your own that calls it, and mark that.")


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
    timeout: timedelta | float | str | None = None,
    execution: Execution | None = None,
    filters: Sequence[JobFilter] | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def job(
    function: Callable[P, R] | None = None, /, *, timeout: timedelta | float | str | None = None, **options: object
) -> object:
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
        timeout: how long a run may take, as a timedelta, in seconds, or as text such as ``"90s"``; then it is ended, and has
            failed with a `JobTimeoutError` (default: the setting ``job_timeout``, none).
        execution: ``"thread"`` of the server (the default), or ``"process"``: in a child process of the server, for what
            keeps the CPU busy, cannot be stopped, or may crash.
        filters: `JobFilter`s for this job, besides those of the application.

    Raises:
        OptionError: an option is not acceptable.

    >>> @job(name="Send welcome to {0}", retries=3, labels=["mail"])
    ... def send_welcome(email: str) -> str:
    ...     return f"sent to {email}"
    >>> send_welcome("ada@example.org")
    'sent to ada@example.org'
    """
    unknown = options.keys() - _OF_DECORATOR
    if unknown:
        raise OptionError(f"@job has no option {min(unknown)!r}. It has {', '.join(_OF_DECORATOR)}.")
    given: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
    made = JobOptions(timeout=read_timeout(timeout), **given)

    def mark(function: Callable[P, R]) -> Callable[P, R]:
        put_options(function, made)
        return function

    return mark if function is None else mark(function)
