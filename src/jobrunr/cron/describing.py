"""When a cron expression runs, in English: made from what it means, not from how it is written.

``0,15,30,45 * * * *`` and ``*/15 * * * *`` are both "Every 15 minutes".
"""

from __future__ import annotations

from collections.abc import Sequence

from jobrunr.cron.describing_days import describe_days, is_any_day
from jobrunr.cron.fields import HOUR, MINUTE, MONTH, SECOND, Field
from jobrunr.cron.parsing import ParsedCron
from jobrunr.cron.wording import listed, rhythm, steady_step, unbroken

_FEW_TIMES = 4
"""So many times of day are told one by one."""


def describe(parsed: ParsedCron) -> str:
    """One sentence, without the full stop.

    >>> from jobrunr.cron.parsing import parse_cron
    >>> describe(parse_cron("0 22-2 * * *"))
    'Every hour between 22:00 and 02:00'
    >>> describe(parse_cron("30 9 1W,15 * *"))
    'At 09:30 on the 15th and on the first business day of the month'
    """
    times = _times(parsed)
    every_day = " every day" if times.startswith("At ") and len(parsed.hours) < HOUR.size else ""
    return times + (every_day if is_any_day(parsed) else "") + describe_days(parsed)


def _times(parsed: ParsedCron) -> str:
    if len(parsed.seconds) > 1:
        return _seconds(parsed)
    if len(parsed.minutes) * len(parsed.hours) <= _FEW_TIMES:
        return f"At {listed([_clock(parsed, hour, minute) for hour in parsed.hours for minute in parsed.minutes])}"
    return _hours(parsed) if len(parsed.minutes) == 1 else _minutes(parsed)


def _hours(parsed: ParsedCron) -> str:
    """One minute of several hours."""
    minute = parsed.minutes[0]
    if step := rhythm(parsed.hours, HOUR.size):
        return f"{_every(step, HOUR)}{_past(parsed)}"
    found = steady_step(parsed.hours, HOUR.size)
    if found and _within_a_day(parsed, found[0], found[1]):
        begin, end, step = found
        return f"{_every(step, HOUR)} between {_clock(parsed, begin, minute)} and {_clock(parsed, end, minute)}"
    return f"At {listed([_clock(parsed, hour, minute) for hour in parsed.hours])}"


def _past(parsed: ParsedCron) -> str:
    minute, second = parsed.minutes[0], parsed.seconds[0]
    if second:
        return f" at minute {minute} and second {second}"
    return f" at minute {minute}" if minute else ""


def _minutes(parsed: ParsedCron) -> str:
    """Several minutes of one hour or more."""
    second = f" at second {parsed.seconds[0]}" if parsed.seconds[0] else ""
    step = rhythm(parsed.minutes, MINUTE.size)
    lead = _every(step, MINUTE) if step else f"At {_numbers(parsed.minutes, MINUTE)}"
    if len(parsed.hours) == HOUR.size:
        return f"{lead}{'' if step else ' of every hour'}{second}"
    whole = unbroken(parsed.hours, HOUR.size)
    if whole and _within_a_day(parsed, *whole):
        begin, end = (_clock(parsed, hour, minute) for hour, minute in zip(whole, _ends(parsed.minutes), strict=True))
        return f"{lead} between {begin} and {end}"
    return f"{lead} {'in' if step else 'of'} the hours {listed(parsed.hours)}{second}"


def _within_a_day(parsed: ParsedCron, begin: int, end: int) -> bool:
    """Whether hours can be told from begin to end. Across midnight they cannot when days are chosen: "between 22:00 and
    02:00 on Friday" would be understood as into Saturday.
    """
    return begin <= end or (is_any_day(parsed) and len(parsed.months) == MONTH.size)


def _seconds(parsed: ParsedCron) -> str:
    """Several seconds of one minute or more."""
    step = rhythm(parsed.seconds, SECOND.size)
    lead = _every(step, SECOND) if step else f"At {_numbers(parsed.seconds, SECOND)}"
    every_minute, every_hour = len(parsed.minutes) == MINUTE.size, len(parsed.hours) == HOUR.size
    whole = unbroken(parsed.hours, HOUR.size)
    if (
        whole
        and not every_hour
        and _within_a_day(parsed, *whole)
        and (every_minute or len(parsed.minutes) == len(parsed.hours) == 1)
    ):
        ends = zip(whole, _ends(parsed.minutes), _ends(parsed.seconds), strict=True)
        begin, end = (f"{hour:02}:{minute:02}:{second:02}" for hour, minute, second in ends)
        return f"{lead} between {begin} and {end}"
    word = " in" if step else " of"
    if every_minute and every_hour:
        return lead if step else f"{lead} of every minute"
    if every_minute:
        return f"{lead}{word} {_numbers(parsed.hours, HOUR)}"
    hours = " of every hour" if every_hour else f" of {_numbers(parsed.hours, HOUR)}"
    return f"{lead}{word} {_numbers(parsed.minutes, MINUTE)}{hours}"


def _numbers(values: Sequence[int], field: Field) -> str:
    """``minute 5``, ``minutes 5 and 10``, ``minutes 0 to 29``."""
    if len(values) == 1:
        return f"{field.name} {values[0]}"
    if len(values) > 2 and (whole := unbroken(values, field.size)):
        return f"{field.name}s {whole[0]} to {whole[1]}"
    return f"{field.name}s {listed(values)}"


def _every(step: int, field: Field) -> str:
    return f"Every {field.name}" if step == 1 else f"Every {step} {field.name}s"


def _ends(values: Sequence[int]) -> tuple[int, int]:
    return values[0], values[-1]


def _clock(parsed: ParsedCron, hour: int, minute: int) -> str:
    return f"{hour:02}:{minute:02}" + (f":{parsed.seconds[0]:02}" if parsed.seconds[0] else "")
