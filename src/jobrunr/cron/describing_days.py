"""On which days a cron expression runs, in English."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from jobrunr.cron.days import (
    DayNumbers,
    DayRule,
    LastBusinessDay,
    LastDay,
    LastWeekday,
    NearestBusinessDay,
    NthWeekday,
    Weekdays,
)
from jobrunr.cron.fields import DAY, MONTH, MONTHS, WEEKDAY, WEEKDAYS
from jobrunr.cron.parsing import ParsedCron
from jobrunr.cron.wording import listed, ordinal, unbroken

_RANKS = ("first", "second", "third", "fourth", "fifth")


def describe_days(parsed: ParsedCron) -> str:
    """The days with a space before them; nothing when it is every day.

    >>> from jobrunr.cron.parsing import parse_cron
    >>> describe_days(parse_cron("0 0 1-7 JUL MON"))
    ' on the 1st to 7th of July and on Monday in July'
    """
    of_month, of_week = _days_of_month(parsed), _days_of_week(parsed)
    if of_month and of_week:
        return f" on {of_month}, if it is {of_week}" if parsed.days_in_both else f" on {of_month} and on {of_week}"
    if of_month or of_week:
        return f" on {of_month or of_week}"
    return f" in {_months(parsed)}" if len(parsed.months) < MONTH.size else ""


def is_any_day(parsed: ParsedCron) -> bool:
    """Whether it runs on all days of its months."""
    return not _days_of_month(parsed) and not _days_of_week(parsed)


def _days_of_month(parsed: ParsedCron) -> str:
    """Empty when it may be any day."""
    numbers = _numbers_of(parsed.days_of_month, DayNumbers)
    if len(numbers) == DAY.size:
        return ""
    parts = [f"the {_dates(numbers)}"] if numbers else []
    parts += [_date(rule) for rule in parsed.days_of_month if not isinstance(rule, DayNumbers)]
    return f"{' and on '.join(parts)} {_of_the_month(parsed)}"


def _dates(numbers: Sequence[int]) -> str:
    steps = {after - before for before, after in pairwise(numbers)}
    if len(numbers) > 2 and steps == {1}:
        return f"{ordinal(numbers[0])} to {ordinal(numbers[-1])}"
    if len(numbers) > 4 and len(steps) == 1:
        return f"{ordinal(numbers[0])} and every {ordinal(steps.pop())} day after it until the {ordinal(numbers[-1])}"
    return listed([ordinal(number) for number in numbers])


def _date(rule: DayRule) -> str:
    match rule:
        case LastDay(before):
            return f"{_distance(before, 'before')}the last day"
        case LastBusinessDay(before):
            return f"{_distance(before, 'before')}the last business day"
        case NearestBusinessDay(1, after):
            return f"{_distance(after, 'after')}the first business day"
        case NearestBusinessDay(day, after):
            return f"{_distance(after, 'after')}the business day nearest the {ordinal(day)}"
    raise AssertionError(rule)


def _distance(days: int, where: str) -> str:
    if not days:
        return ""
    return f"the day {where} " if days == 1 else f"the day {days} days {where} "


def _days_of_week(parsed: ParsedCron) -> str:
    """Empty when it may be any day."""
    numbers = _numbers_of(parsed.days_of_week, Weekdays)
    if len(numbers) == WEEKDAY.size:
        return ""
    within = f" in {_months(parsed)}" if len(parsed.months) < MONTH.size else ""
    parts = [_weekdays(numbers) + within] if numbers else []
    rules = [rule for rule in parsed.days_of_week if not isinstance(rule, Weekdays)]
    parts += [f"the {listed([_weekday(rule) for rule in rules])} {_of_the_month(parsed)}"] if rules else []
    return " and on ".join(parts)


def _weekdays(numbers: Sequence[int]) -> str:
    if len(numbers) > 2 and (ends := unbroken(numbers, WEEKDAY.size)):
        return f"{WEEKDAYS[ends[0]]} to {WEEKDAYS[ends[1]]}"
    from_monday = sorted(numbers, key=lambda number: (number - 1) % WEEKDAY.size)
    return listed([WEEKDAYS[number] for number in from_monday])


def _weekday(rule: DayRule) -> str:
    match rule:
        case LastWeekday(weekday):
            return f"last {WEEKDAYS[weekday]}"
        case NthWeekday(weekday, nth):
            return f"{_RANKS[nth - 1]} {WEEKDAYS[weekday]}"
    raise AssertionError(rule)


# -- months


def _of_the_month(parsed: ParsedCron) -> str:
    return "of the month" if len(parsed.months) == MONTH.size else f"of {_months(parsed)}"


def _months(parsed: ParsedCron) -> str:
    months = parsed.months
    if len(months) > 2 and (ends := unbroken(months, MONTH.size)):
        return f"{MONTHS[ends[0] - 1]} to {MONTHS[ends[1] - 1]}"
    return listed([MONTHS[month - 1] for month in months])


def _numbers_of(rules: Sequence[DayRule], kind: type[DayNumbers | Weekdays]) -> list[int]:
    """The numbers of all items of one kind, in order."""
    return sorted(frozenset[int]().union(*(rule.numbers for rule in rules if isinstance(rule, kind))))
