"""Recurring jobs that stand in the code: `@recurring`.

Nothing happens when a module with declarations is imported; a server registers, when it starts, those that its application
offers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ParamSpec, TypeVar

from jobrunr.errors import OptionError
from jobrunr.filters import JobFilter
from jobrunr.jobs import Execution
from jobrunr.options import JobOptions, RecurringOptions, put_options, read_timeout
from jobrunr.recurring_job import Misfire
from jobrunr.retries import RetryPolicy
from jobrunr.schedules import ScheduleLike, read_schedule
from jobrunr.targets import true_name

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Declaration:
    """A recurring job as it stands in the code."""

    module: str
    qualname: str
    schedule: ScheduleLike
    options: RecurringOptions

    @property
    def target(self) -> str:
        """What it calls: ``package.module:Class.method``."""
        return f"{true_name(self.module) or self.module}:{self.qualname}"

    @property
    def id(self) -> str:
        """The id of the recurring job: the target, unless another was given."""
        return self.options.id or self.target


_declared: dict[tuple[str, str], Declaration] = {}
"""By target and id, so that a module that is loaded again declares nothing twice."""


def declarations() -> tuple[Declaration, ...]:
    """What the modules declare that are imported by now."""
    return tuple(_declared.values())


def recurring(
    schedule: ScheduleLike,
    /,
    *,
    id: str | None = None,
    zone: str | None = None,
    misfire: Misfire | str | None = None,
    max_concurrent: int | None = None,
    until: datetime | None = None,
    paused: bool | None = None,
    window: tuple[timedelta, timedelta] | None = None,
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
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Run a function again and again, and offer it as a job. The function itself stays as it is.

    Each server registers, when it starts, what the modules declare that are imported by then. What no running server
    declares any more is removed after a while (the setting ``forget_declared_after``).

    Arguments:
        schedule: as for `JobScheduler.schedule_recurrently`.
        id, zone, misfire, max_concurrent, until, paused, window: as for `JobScheduler.options`.
        name, retries, retry, retry_on, no_retry_on, labels, queue, priority, delete_succeeded_after,
            delete_failed_after, purge_deleted_after, timeout, execution, filters: as for `@job`.

    Raises:
        ScheduleError: the schedule is not to be understood.
        OptionError: an option is not acceptable, or the function needs arguments or cannot be imported.

    >>> @recurring("*/15 * * * *", id="sync", zone="America/New_York")
    ... def sync() -> str:
    ...     return "in step"
    >>> sync()
    'in step'
    """
    options = recurring_options(
        id=id, zone=zone, misfire=misfire, max_concurrent=max_concurrent, until=until, paused=paused, window=window
    )
    read_schedule(schedule, zone or "UTC")
    of_jobs = JobOptions(
        name=name,
        retries=retries,
        retry=retry,
        retry_on=_tuple(retry_on),
        no_retry_on=_tuple(no_retry_on),
        labels=_tuple(labels),
        queue=queue,
        priority=priority,
        delete_succeeded_after=delete_succeeded_after,
        delete_failed_after=delete_failed_after,
        purge_deleted_after=purge_deleted_after,
        timeout=read_timeout(timeout),
        execution=execution,
        filters=_tuple(filters),
    )

    def declare(function: Callable[P, R]) -> Callable[P, R]:
        given: object = function
        declared: Any = given.__func__ if isinstance(given, staticmethod | classmethod) else given
        if "<locals>" in declared.__qualname__:
            raise OptionError(
                f"{declared.__qualname__} is defined inside a function, where no worker finds it. Move it to the top level."
            )
        put_options(function, of_jobs)
        declaration = Declaration(declared.__module__, declared.__qualname__, schedule, options)
        _declared[declaration.target, declaration.id] = declaration
        return function

    return declare


def recurring_options(*, misfire: Misfire | str | None, **others: Any) -> RecurringOptions:
    """The options of a recurring job, as people write them.

    Raises:
        OptionError: one is not acceptable.
    """
    try:
        return RecurringOptions(misfire=None if misfire is None else Misfire(misfire), **others)
    except ValueError:
        raise OptionError(f"misfire cannot be {misfire!r}; it is 'skip', 'one' or 'all'.") from None


def _tuple(items: Sequence[Any] | None) -> Any:
    return tuple(items) if isinstance(items, list) else items
