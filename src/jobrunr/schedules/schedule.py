"""What a schedule is, and the two kinds that everybody has: cron expressions and intervals."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

from jobrunr.cron import CronExpression
from jobrunr.errors import NoRunError, ScheduleError
from jobrunr.texts import message_of

SHORTEST_PERIOD = timedelta(seconds=1)
WALKED = 1_000
"""Runs of a schedule that cannot look back that are walked through at a time."""

_MICROSECOND = timedelta(microseconds=1)

T = TypeVar("T")


@runtime_checkable
class Schedule(Protocol):
    """When something runs.

    Anything with these two methods is a schedule. The textual form is how it is stored: a call of its class with plain
    values, as a dataclass shows itself.
    """

    def next_run(self, after: datetime) -> datetime | None:
        """The first run after a moment, never at that moment itself; None when there is none any more.

        Arguments:
            after: aware, in UTC.

        Returns:
            an aware datetime in any zone.
        """

    def __str__(self) -> str: ...


class DueRuns(NamedTuple):
    """The runs between two moments."""

    first: datetime
    last: list[datetime]
    """The latest of them, up to a limit, in order."""
    total: int
    """How many."""
    is_all: bool = True
    """Whether there are none behind the last: otherwise they were too many to walk through at a time."""
    problem: ScheduleError | None = None
    """Why the schedule cannot say what comes behind the last."""


class CronSchedule:
    """Runs when a cron expression says so."""

    def __init__(self, expression: CronExpression) -> None:
        self.expression = expression

    def next_run(self, after: datetime) -> datetime | None:
        try:
            return self.expression.next(after)
        except NoRunError:
            return None

    def due_runs(self, first: datetime, end: datetime, limit: int) -> DueRuns:
        """The runs from `first`, which is one, up to and with `end`."""
        behind_first = self.expression.count(first, end)
        last: list[datetime] = []
        at = end + _MICROSECOND
        for _ in range(min(limit, behind_first)):
            at = self.expression.previous(at).astimezone(UTC)
            last.append(at)
        if len(last) < limit:
            last.append(first)
        return DueRuns(first, last[::-1], behind_first + 1)

    def __str__(self) -> str:
        return self.expression.text


class IntervalSchedule:
    """Runs one period after an anchor, then two, and so on: elapsed time, whatever the clocks do.

    Arguments:
        period: at least a second.
        anchor: where to count from; aware.

    Raises:
        ScheduleError: the period is too short.
    """

    def __init__(self, period: timedelta, anchor: datetime) -> None:
        if period < SHORTEST_PERIOD:
            raise ScheduleError(
                f"A recurring job cannot run every {period.total_seconds():g} s; the shortest period is 1 s."
            )
        self.period = period
        self.anchor = anchor.astimezone(UTC)

    def next_run(self, after: datetime) -> datetime | None:
        done = (after.astimezone(UTC) - self.anchor) // self.period
        try:
            return self.anchor + max(done + 1, 1) * self.period
        except OverflowError:
            return None

    def due_runs(self, first: datetime, end: datetime, limit: int) -> DueRuns:
        """The runs from `first`, which is one, up to and with `end`."""
        total = (end - first) // self.period + 1
        last = first + (total - 1) * self.period
        return DueRuns(first, [last - back * self.period for back in range(min(limit, total))][::-1], total)

    def __str__(self) -> str:
        return period_as_text(self.period)


def period_as_text(period: timedelta) -> str:
    """A period in ISO 8601, in days and smaller units.

    >>> [period_as_text(each) for each in (timedelta(minutes=90), timedelta(days=2, seconds=1.5), timedelta(0))]
    ['PT1H30M', 'P2DT1.5S', 'PT0S']
    """
    minutes, seconds = divmod(period.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{period.microseconds:06}".rstrip("0") if period.microseconds else ""
    day = f"{period.days}D" if period.days else ""
    time = "".join(f"{number}{unit}" for number, unit in ((hours, "H"), (minutes, "M")) if number)
    if seconds or fraction or not period:
        time += f"{seconds}{fraction}S"
    return f"P{day}" + (f"T{time}" if time else "")


def next_of(schedule: Schedule, after: datetime) -> datetime | None:
    """The next run, in UTC, whatever a custom schedule does.

    Raises:
        ScheduleError: it raised, or its answer is no run after the moment.
    """
    name = f"{schedule_name(schedule)}.next_run"
    run = asked(name, lambda: _in_utc(name, schedule.next_run(after)))
    if run is not None and run <= after:
        raise ScheduleError(f"{name}({after.isoformat()}) returned {run.isoformat()}, which is not after it.")
    return run


def _in_utc(name: str, answer: object) -> datetime | None:
    if answer is None:
        return None
    if not isinstance(answer, datetime) or answer.utcoffset() is None:
        raise ScheduleError(f"{name} returned {answer!r}; it is to be a datetime with a time zone.")
    try:
        return answer.astimezone(UTC)
    except OverflowError:
        return None


def asked(what: str, answer: Callable[[], T]) -> T:
    """What the application's own code answers.

    Arguments:
        what: names it in the message.

    Raises:
        ScheduleError: it raised, whatever it was; only Ctrl-C goes through.
    """
    try:
        return answer()
    except (ScheduleError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise ScheduleError(f"{what} raised {type(error).__name__}: {message_of(error)}") from error


def due_runs(schedule: Schedule, first: datetime, end: datetime, limit: int) -> DueRuns:
    """The runs from `first`, which is one, up to and with `end`: the last of them, and how many there are."""
    if isinstance(schedule, CronSchedule | IntervalSchedule):
        return schedule.due_runs(first, end, limit)
    found = [first]
    while len(found) < WALKED + limit:
        try:
            run = next_of(schedule, found[-1])
        except ScheduleError as error:
            return DueRuns(first, found[-limit:], len(found), problem=error)
        if run is None or run > end:
            return DueRuns(first, found[-limit:], len(found))
        found.append(run)
    return DueRuns(first, found[-limit:], len(found), is_all=False)


def schedule_name(schedule: Schedule) -> str:
    """The class of a schedule, for messages."""
    return type(schedule).__qualname__
