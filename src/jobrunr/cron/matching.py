"""The local times that an expression means, forward and backward. There are no time zones here: a time of day is a time of
day, and each day has 24 hours.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import datetime

from jobrunr.cron.days import DaysOfMonth, Month
from jobrunr.cron.parsing import ParsedCron

FIRST_YEAR, LAST_YEAR = 2, 9998
"""Within these years we look: no time zone can shift a moment of theirs out of what a `datetime` can hold."""

PERIOD = 400
"""Years after which the calendar is the same again: what does not come within them never comes."""

Date = tuple[int, int, int]
TimeOfDay = tuple[int, int, int]


class LocalTimes:
    """All times that an expression means, as datetimes without zone, in order.

    >>> from jobrunr.cron.parsing import parse_cron
    >>> LocalTimes(parse_cron("30 12 29 2 *")).after(datetime(2026, 1, 1))
    datetime.datetime(2028, 2, 29, 12, 30)
    """

    __slots__ = ("_days", "_hours", "_minutes", "_months", "_seconds")

    def __init__(self, parsed: ParsedCron) -> None:
        self._seconds, self._minutes, self._hours = parsed.seconds, parsed.minutes, parsed.hours
        self._months: tuple[int, ...] = parsed.months
        self._days: DaysOfMonth = parsed.days()

    # -- forward

    def after(self, moment: datetime) -> datetime | None:
        """The first time after the moment; None when there is none."""
        year, month, day = moment.year, moment.month, moment.day
        if month in self._months and day in self._days_in(year, month):
            time = self._time_after(moment.hour, moment.minute, moment.second)
            if time is not None:
                return datetime(year, month, day, *time)
        date = self._date_after(year, month, day)
        return date and datetime(*date, self._hours[0], self._minutes[0], self._seconds[0])

    def _date_after(self, year: int, month: int, day: int) -> Date | None:
        if month in self._months:
            days = self._days_in(year, month)
            if (index := bisect_right(days, day)) < len(days):
                return year, month, days[index]
        for later_year, later in self._months_after(year, month):
            if days := self._days_in(later_year, later):
                return later_year, later, days[0]
        return None

    def _months_after(self, year: int, month: int) -> Iterator[tuple[int, int]]:
        for later in self._months[bisect_right(self._months, month) :]:
            yield year, later
        for later_year in range(year + 1, min(year + PERIOD, LAST_YEAR) + 1):
            for later in self._months:
                yield later_year, later

    def _time_after(self, hour: int, minute: int, second: int) -> TimeOfDay | None:
        hours, minutes, seconds = self._hours, self._minutes, self._seconds
        if hour in hours:
            if minute in minutes and (index := bisect_right(seconds, second)) < len(seconds):
                return hour, minute, seconds[index]
            if (index := bisect_right(minutes, minute)) < len(minutes):
                return hour, minutes[index], seconds[0]
        if (index := bisect_right(hours, hour)) < len(hours):
            return hours[index], minutes[0], seconds[0]
        return None

    # -- backward: the mirror

    def before(self, moment: datetime) -> datetime | None:
        """The last time before the moment; None when there is none."""
        year, month, day = moment.year, moment.month, moment.day
        if month in self._months and day in self._days_in(year, month):
            time = self._time_before(moment.hour, moment.minute, moment.second)
            if time is not None:
                return datetime(year, month, day, *time)
        date = self._date_before(year, month, day)
        return date and datetime(*date, self._hours[-1], self._minutes[-1], self._seconds[-1])

    def _date_before(self, year: int, month: int, day: int) -> Date | None:
        if month in self._months:
            days = self._days_in(year, month)
            if (index := bisect_left(days, day)) > 0:
                return year, month, days[index - 1]
        for earlier_year, earlier in self._months_before(year, month):
            if days := self._days_in(earlier_year, earlier):
                return earlier_year, earlier, days[-1]
        return None

    def _months_before(self, year: int, month: int) -> Iterator[tuple[int, int]]:
        for earlier in reversed(self._months[: bisect_left(self._months, month)]):
            yield year, earlier
        for earlier_year in range(year - 1, max(year - PERIOD, FIRST_YEAR) - 1, -1):
            for earlier in reversed(self._months):
                yield earlier_year, earlier

    def _time_before(self, hour: int, minute: int, second: int) -> TimeOfDay | None:
        hours, minutes, seconds = self._hours, self._minutes, self._seconds
        if hour in hours:
            if minute in minutes and (index := bisect_left(seconds, second)) > 0:
                return hour, minute, seconds[index - 1]
            if (index := bisect_left(minutes, minute)) > 0:
                return hour, minutes[index - 1], seconds[-1]
        if (index := bisect_left(hours, hour)) > 0:
            return hours[index - 1], minutes[-1], seconds[-1]
        return None

    # -- how many

    def count(self, begin: datetime, end: datetime) -> int:
        """How many times there are from `begin` on, before `end`."""
        whole = sum(self._in_months_before(year, 13) for year in range(begin.year, end.year))
        return whole + self._before_in_year(end) - self._before_in_year(begin)

    def _before_in_year(self, moment: datetime) -> int:
        count = self._in_months_before(moment.year, moment.month)
        if moment.month in self._months:
            days = self._days_in(moment.year, moment.month)
            count += bisect_left(days, moment.day) * self._in_a_day
            if moment.day in days:
                count += self._before_in_day(moment.hour, moment.minute, moment.second)
        return count

    def _in_months_before(self, year: int, month: int) -> int:
        return sum(len(self._days_in(year, earlier)) for earlier in self._months if earlier < month) * self._in_a_day

    def _before_in_day(self, hour: int, minute: int, second: int) -> int:
        hours, minutes, seconds = self._hours, self._minutes, self._seconds
        count = bisect_left(hours, hour) * len(minutes) * len(seconds)
        if hour in hours:
            count += bisect_left(minutes, minute) * len(seconds)
            if minute in minutes:
                count += bisect_left(seconds, second)
        return count

    @property
    def _in_a_day(self) -> int:
        return len(self._hours) * len(self._minutes) * len(self._seconds)

    def _days_in(self, year: int, month: int) -> tuple[int, ...]:
        return self._days.of(Month.of(year, month))
