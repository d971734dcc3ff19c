"""Cron, slowly and obviously: look at every minute (or second) of a stretch of time and ask whether it is meant.

It shares no code with the package, and works the other way around: the package makes sets of values and steps from one to
the next; here a time is held against the text. It takes what is right for granted; wrong texts are tried elsewhere.
"""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache
from itertools import pairwise

MINUTE, SECOND, DAY = timedelta(minutes=1), timedelta(seconds=1), timedelta(days=1)
MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAY_NAMES = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


def six_fields(text: str) -> list[str]:
    fields = text.upper().split()
    return fields if len(fields) == 6 else ["0", *fields]


# -- is this time meant?


def number(word: str) -> int:
    if word.isdigit():
        return int(word)
    return MONTH_NAMES.index(word[:3]) + 1 if word[:3] in MONTH_NAMES else DAY_NAMES.index(word[:3])


def means_value(item: str, value: int, first: int, last: int) -> bool:
    """By counting on from the beginning of the range, once around the clock."""
    span, _, step = item.partition("/")
    begin, _, end = span.partition("-")
    if span == "*":
        begin, end = str(first), str(last)
    elif not end:
        end = str(last) if step else begin
    at, distance = number(begin), 0
    while True:
        if at == value and distance % int(step or 1) == 0:
            return True
        if at == number(end):
            return False
        at, distance = (first if at >= last else at + 1), distance + 1


def means(field: str, value: int, first: int, last: int) -> bool:
    return any(means_value(item, value, first, last) for item in field.split(","))


def all_days_of(day: date) -> list[date]:
    """All days of the month of a day."""
    days = [day.replace(day=1)]
    while (days[-1] + DAY).month == day.month:
        days.append(days[-1] + DAY)
    return days


def is_business_day(day: date) -> bool:
    return day.strftime("%a") not in ("Sat", "Sun")


def means_day_of_month(item: str, day: date) -> bool:
    days = all_days_of(day)
    if match := re.fullmatch(r"L(?:-(\d+))?", item):
        return day + int(match[1] or 0) * DAY == days[-1]
    if match := re.fullmatch(r"LW(?:-(\d+))?", item):
        return day + int(match[1] or 0) * DAY == max(other for other in days if is_business_day(other))
    if match := re.fullmatch(r"(\d+)W(?:\+(\d+))?", item):
        wanted = int(match[1])
        if wanted > len(days):
            return False
        nearest = min(filter(is_business_day, days), key=lambda other: abs(other.day - wanted))
        return day == nearest + int(match[2] or 0) * DAY
    return means_value(item, day.day, 1, 31)


def means_weekday(item: str, day: date) -> bool:
    same = [other for other in all_days_of(day) if other.strftime("%a") == day.strftime("%a")]
    today = DAY_NAMES.index(day.strftime("%a").upper())
    if item.endswith("L"):
        return number(item[:-1]) % 7 == today and day == same[-1]
    if "#" in item:
        weekday, nth = item.split("#")
        return number(weekday) % 7 == today and same.index(day) + 1 == int(nth)
    return weekday_in(item, today)


def weekday_in(item: str, today: int) -> bool:
    """Written out: from Friday (5) to Monday (8) is 5, 6, 7, 8, and 7 is Sunday again."""
    span, _, step = item.partition("/")
    begin, _, end = span.partition("-")
    if span == "*":
        begin, end = "0", "6"
    elif not end:
        begin = str(number(begin) % 7)
        end = "6" if step else begin
    first, last = number(begin), number(end)
    counted = list(range(first, (last if last >= first else last + 7) + 1))
    return today in [weekday % 7 for weekday in counted[:: int(step or 1)]]


@cache
def means_date(text: str, day: date) -> bool:
    _, _, _, of_month, month, of_week = six_fields(text)
    if not means(month, day.month, 1, 12):
        return False
    fits_month = any(means_day_of_month(item, day) for item in of_month.split(","))
    fits_week = any(means_weekday(item, day) for item in of_week.split(","))
    if of_month[0] == "*" or of_week[0] == "*":
        return fits_month and fits_week
    return fits_month or fits_week


@cache
def times_of_day(text: str) -> frozenset[tuple[int, int]]:
    _, minute, hour, *_ = six_fields(text)
    return frozenset((h, m) for h in range(24) if means(hour, h, 0, 23) for m in range(60) if means(minute, m, 0, 59))


@cache
def seconds_of(text: str) -> frozenset[int]:
    return frozenset(s for s in range(60) if means(six_fields(text)[0], s, 0, 59))


def means_time(text: str, local: datetime) -> bool:
    return (
        local.second in seconds_of(text)
        and (local.hour, local.minute) in times_of_day(text)
        and means_date(text, local.date())
    )


# -- when does it run?


def is_fixed(text: str) -> bool:
    _, minute, hour, *_ = six_fields(text)
    return not any(item[0] == "*" for item in f"{minute},{hour}".split(","))


@cache
def clock_between(zone: tzinfo, begin: datetime, end: datetime, step: timedelta) -> list[tuple[datetime, datetime]]:
    """What the clock on the wall shows at each moment: (moment, local time without zone)."""
    shown, moment = [], begin.astimezone(UTC)
    while moment < end:
        shown.append((moment, moment.astimezone(zone).replace(tzinfo=None, fold=0)))
        moment += step
    return shown


def slow_runs(text: str, zone: tzinfo, begin: datetime, end: datetime, step: timedelta = MINUTE) -> list[datetime]:
    """All runs from `begin` up to before `end`. The margin is for times that a change of the clock moves, by up to a day."""
    if not is_fixed(text):
        return [moment for moment, local in clock_between(zone, begin, end, step) if means_time(text, local)]
    margin = 26 * 60 * MINUTE if step == MINUTE else 3 * 60 * MINUTE
    clock = clock_between(zone, begin - margin, end + margin, step)
    moments = defaultdict(list)
    for moment, local in clock:
        moments[local].append(moment)
    runs = {min(moments[local]) for local in moments if means_time(text, local)}
    for (_, before), (moment, after) in pairwise(clock):
        skipped = before + step
        while skipped < after:  # never shown: as much later as the clock was put forward
            if means_time(text, skipped):
                runs.add(moment + (skipped - before - step))
            skipped += step
    return sorted(run for run in runs if begin <= run < end)
