"""On which days of a month something runs: numbers, and days that depend on how the month lies (``L``, ``15W``, ``FRI#2``).

The letters are those of Quartz's CronTrigger, with the additions of JobRunr (``LW-3``, ``1W+2``). A business day is Monday
to Friday; nobody here knows of holidays. A day that is not within the month does not run in that month.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple, Protocol

from jobrunr.cron.fields import DAY, WEEKDAY


class Month(NamedTuple):
    """What a month looks like: all that is needed to find its days. There are 28 different ones."""

    length: int
    first_weekday: int
    """The weekday of the first, 0 is Sunday."""

    @classmethod
    def of(cls, year: int, month: int) -> Month:
        """How a month of a year lies."""
        length = 29 if month == 2 and calendar.isleap(year) else _LENGTHS[month]
        return cls(length, date(year, month, 1).isoweekday() % 7)

    def weekday(self, day: int) -> int:
        """The weekday of a day, 0 is Sunday."""
        return (self.first_weekday + day - 1) % 7

    def is_business_day(self, day: int) -> bool:
        """Whether it is Monday to Friday."""
        return self.weekday(day) not in (_SUNDAY, _SATURDAY)


_SUNDAY, _SATURDAY = 0, 6
_LENGTHS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def shapes_of(month: int) -> Iterable[Month]:
    """All the ways in which this month lies in some year; each comes again within 400 years."""
    lengths = (28, 29) if month == 2 else (_LENGTHS[month],)
    return (Month(length, first_weekday) for length in lengths for first_weekday in range(7))


class DayRule(Protocol):
    """One item of a field of days."""

    def days(self, month: Month, /) -> Iterable[int]:
        """The days of the month that are meant; what lies outside the month is left out by the caller."""
        ...


# -- days of the month


@dataclass(frozen=True)
class DayNumbers:
    """``13``, ``1-7``, ``*/2``."""

    numbers: frozenset[int]

    def days(self, month: Month, /) -> Iterable[int]:
        return self.numbers


@dataclass(frozen=True)
class LastDay:
    """``L``; ``L-3`` is three days before the last day."""

    before: int = 0

    def days(self, month: Month, /) -> Iterable[int]:
        return (month.length - self.before,)


@dataclass(frozen=True)
class NearestBusinessDay:
    """``15W``: the 15th, or the business day next to it within the month; ``15W+2`` is two days after that day."""

    day: int
    after: int = 0

    def days(self, month: Month, /) -> Iterable[int]:
        if self.day > month.length:
            return ()
        shift = 0
        if month.weekday(self.day) == _SATURDAY:
            shift = -1 if self.day > 1 else 2
        elif month.weekday(self.day) == _SUNDAY:
            shift = 1 if self.day < month.length else -2
        return (self.day + shift + self.after,)


@dataclass(frozen=True)
class LastBusinessDay:
    """``LW``; ``LW-3`` is three days before it."""

    before: int = 0

    def days(self, month: Month, /) -> Iterable[int]:
        last = next(day for day in range(month.length, 0, -1) if month.is_business_day(day))
        return (last - self.before,)


# -- days of the week


@dataclass(frozen=True)
class Weekdays:
    """``MON-FRI``."""

    numbers: frozenset[int]

    def days(self, month: Month, /) -> Iterable[int]:
        return (day for day in range(1, month.length + 1) if month.weekday(day) in self.numbers)


@dataclass(frozen=True)
class LastWeekday:
    """``FRIL``: the last Friday of the month."""

    weekday: int

    def days(self, month: Month, /) -> Iterable[int]:
        return (day for day in range(month.length - 6, month.length + 1) if month.weekday(day) == self.weekday)


@dataclass(frozen=True)
class NthWeekday:
    """``FRI#2``: the second Friday of the month."""

    weekday: int
    nth: int

    def days(self, month: Month, /) -> Iterable[int]:
        return (day for day in range(7 * self.nth - 6, 7 * self.nth + 1) if month.weekday(day) == self.weekday)


# -- reading them


def read_day_of_month(item: str) -> DayRule:
    """One item of the field day of month.

    Raises:
        FieldError: it has no meaning there.

    >>> read_day_of_month("L-3"), read_day_of_month("1W+2")
    (LastDay(before=3), NearestBusinessDay(day=1, after=2))
    """
    if last := _LAST_DAY.fullmatch(item):
        distance = _distance(last["before"], item)
        return LastBusinessDay(distance) if last["business"] else LastDay(distance)
    if nearest := _NEAREST.fullmatch(item):
        return NearestBusinessDay(DAY.number(nearest["day"]), _distance(nearest["after"], item))
    if "L" in item or "W" in item:
        raise DAY.refuse(item, "L and W stand alone or in lists")
    return DayNumbers(DAY.values(item))


def read_day_of_week(item: str) -> DayRule:
    """One item of the field day of week.

    Raises:
        FieldError: it has no meaning there.

    >>> read_day_of_week("FRIL"), read_day_of_week("1#5")
    (LastWeekday(weekday=5), NthWeekday(weekday=1, nth=5))
    """
    if item == "L":
        raise WEEKDAY.refuse(item, "which weekday is not said: write SATL for the last Saturday of the month")
    if last := _LAST_WEEKDAY.fullmatch(item):
        return LastWeekday(WEEKDAY.number(last["weekday"]) % 7)
    if "L" in item:  # a letter that no weekday has
        raise WEEKDAY.refuse(item, "L stands behind one weekday")
    weekday, hash_sign, nth = item.partition("#")
    if not hash_sign:
        return Weekdays(WEEKDAY.values(item))
    if nth not in _NTH:
        raise WEEKDAY.refuse(item, "a month has up to five of each weekday")
    return NthWeekday(WEEKDAY.number(weekday) % 7, int(nth))


_LAST_DAY = re.compile(r"L(?P<business>W?)(?:-(?P<before>[0-9]+))?")
_NEAREST = re.compile(r"(?P<day>[0-9]+)W(?:\+(?P<after>[0-9]+))?")
_LAST_WEEKDAY = re.compile(r"(?P<weekday>[0-9A-Z]+)L")
_NTH = frozenset("12345")
_FARTHEST = 30


def _distance(text: str | None, item: str) -> int:
    if text is None:
        return 0
    if len(text) > 2 or not 1 <= int(text) <= _FARTHEST:
        raise DAY.refuse(item, f"the distance is 1 to {_FARTHEST}")
    return int(text)


# -- both fields together


class DaysOfMonth:
    """The days that both fields mean together, month for month.

    Both restricted: the days of either. One of them begins with ``*``: the days that are in both. That is the rule of Paul
    Vixie's cron, crontab(5): so ``*/2`` counts as a star.
    """

    __slots__ = ("_days", "_in_both", "_of_month", "_of_week")

    def __init__(self, of_month: tuple[DayRule, ...], of_week: tuple[DayRule, ...], *, in_both: bool) -> None:
        self._of_month, self._of_week, self._in_both = of_month, of_week, in_both
        self._days: dict[Month, tuple[int, ...]] = {}

    def of(self, month: Month) -> tuple[int, ...]:
        """The days of such a month on which something runs, in order."""
        days = self._days.get(month)
        if days is None:
            days = self._days[month] = self._find(month)
        return days

    def _find(self, month: Month) -> tuple[int, ...]:
        of_month = {day for rule in self._of_month for day in rule.days(month)}
        of_week = {day for rule in self._of_week for day in rule.days(month)}
        days = of_month & of_week if self._in_both else of_month | of_week
        return tuple(sorted(day for day in days if 1 <= day <= month.length))
