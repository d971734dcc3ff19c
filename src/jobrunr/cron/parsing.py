"""From the text of a cron expression to its parts, or to a sentence that says what is wrong with it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from jobrunr.cron.days import DayRule, DaysOfMonth, read_day_of_month, read_day_of_week, shapes_of
from jobrunr.cron.fields import DAY, FIELDS, HOUR, MINUTE, MONTH, SECOND, WEEKDAY, Field, FieldError
from jobrunr.errors import CronError

MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
"""The nicknames of crontab(5)."""

_INSTEAD = {
    "@reboot": "a job cannot wait for a machine to start; enqueue it when the application starts",
    "@every": "cron knows times, not distances; write */5 * * * * for every five minutes, 0 */2 * * * for every two hours",
}
"""What others understand, and what to write here."""

_COUNTS = {
    4: "the fields are minute, hour, day of month, month, day of week; put a * for the one that is missing",
    7: "there is no field for years; leave the seventh away, and write the other six with seconds first",
}


@dataclass(frozen=True)
class ParsedCron:
    """The parts of an expression, as numbers in order and rules for days."""

    text: str
    """As written, with single spaces, and names in capitals."""
    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: tuple[int, ...]
    days_of_month: tuple[DayRule, ...]
    days_of_week: tuple[DayRule, ...]
    days_in_both: bool
    """Whether a day must be in both fields, and not just in one."""
    shown: bool
    """Whether it runs when the clock shows a time, because minute or hour has a wildcard; otherwise its times are fixed."""

    def days(self) -> DaysOfMonth:
        """The days of both fields."""
        return DaysOfMonth(self.days_of_month, self.days_of_week, in_both=self.days_in_both)


def parse_cron(text: str) -> ParsedCron:
    """Read an expression.

    Raises:
        CronError: it has no meaning, or means days that no year has.

    >>> parse_cron("30 8-10 * * MON-FRI").hours
    (8, 9, 10)
    """
    try:
        if not isinstance(text, str):
            raise FieldError("it is no text; write one such as '0 3 * * MON-FRI'.")
        words = text.split()
        if words and words[0].startswith("@"):
            return _read(" ".join(words).lower(), _fields_of_macro(words))
        words = [word.upper() for word in words]
        return _read(" ".join(words), ["0", *words] if len(words) == 5 else _six(words))
    except FieldError as error:
        raise CronError(f"Cron expression {text!r}", str(error)) from None


def _fields_of_macro(words: list[str]) -> list[str]:
    macro = words[0].lower()
    if macro in _INSTEAD:
        raise FieldError(f"{macro} is not supported: {_INSTEAD[macro]}.")
    if macro not in MACROS or len(words) > 1:
        raise FieldError(f"of the words with @ there are {', '.join(MACROS)}, each alone.")
    return ["0", *MACROS[macro].split()]


def _six(fields: list[str]) -> list[str]:
    if len(fields) != 6:
        why = f" ({_COUNTS[len(fields)]})" if len(fields) in _COUNTS else ""
        raise FieldError(f"it has {len(fields)} fields; allowed: 5, or 6 with seconds first{why}.")
    return fields


def _read(text: str, fields: list[str]) -> ParsedCron:
    items = {field: _items(field, written) for field, written in zip(FIELDS, fields, strict=True)}
    parsed = ParsedCron(
        text,
        seconds=_values(SECOND, items[SECOND]),
        minutes=_values(MINUTE, items[MINUTE]),
        hours=_values(HOUR, items[HOUR]),
        months=_values(MONTH, items[MONTH]),
        days_of_month=tuple(read_day_of_month(item) for item in items[DAY]),
        days_of_week=tuple(read_day_of_week(item) for item in items[WEEKDAY]),
        days_in_both=items[DAY][0].startswith("*") or items[WEEKDAY][0].startswith("*"),
        shown=any(item.startswith("*") for item in items[MINUTE] + items[HOUR]),
    )
    if not _has_a_day(parsed):
        raise FieldError(_no_day(*fields[3:]))
    return parsed


def _items(field: Field, written: str) -> list[str]:
    items = written.split(",")
    for item in items:
        if item.startswith("?"):
            raise field.refuse(item, "write * where Quartz has ?")
        if not _ITEM.fullmatch(item):
            raise field.refuse(item)
    return items


_ITEM = re.compile(r"[0-9A-Z*/#+-]+")


def _values(field: Field, items: list[str]) -> tuple[int, ...]:
    return tuple(sorted(frozenset[int]().union(*(field.values(item) for item in items))))


def _has_a_day(parsed: ParsedCron) -> bool:
    days = parsed.days()
    return any(days.of(shape) for month in parsed.months for shape in shapes_of(month))


def _no_day(day: str, month: str, weekday: str) -> str:
    return (
        f"day of month {day!r} in month {month!r} with day of week {weekday!r} is a day that no year has; "
        f"allowed are days that come in some year."
    )
