"""Durations as people write and read them: ``"36h"``, ``"1h30m"``, ``"PT36H"`` to a `timedelta`, and back to ``36 h``."""

from __future__ import annotations

import re
from datetime import timedelta

import msgspec

_UNITS = {
    "us": timedelta(microseconds=1),
    "µs": timedelta(microseconds=1),
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "sec": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_WEEKS = re.compile(rf"p({_NUMBER.pattern})w")
_PART = re.compile(rf"\s*({_NUMBER.pattern})\s*({'|'.join(sorted(_UNITS, key=len, reverse=True))})\s*")

DURATIONS = '"36h", "15s", "250ms", "1h30m", "3d", "PT36H", or a number of seconds'
"""What `parse_duration` takes, for messages to people."""


def parse_duration(value: str | float | timedelta) -> timedelta:
    """Turn what somebody wrote into a duration of zero or more.

    Arguments:
        value: numbers with units (us, ms, s, m or min, h, d, w), largest first by custom but in any order; or an ISO 8601
            duration in weeks, or in days and smaller, which have a fixed length; or a number, which counts seconds; or a
            `timedelta`, which stays as it is.

    Raises:
        ValueError: it is none of these, or below zero, or longer than a `timedelta` can be.

    >>> parse_duration("1h30m")
    datetime.timedelta(seconds=5400)
    >>> parse_duration("PT36H") == parse_duration("36 h") == parse_duration(129_600)
    True
    """
    try:
        duration = _read(value)
    except (OverflowError, ValueError):  # too long; not a number
        duration = None
    if duration is None or duration < timedelta(0):
        raise ValueError(f"{value!r} is no duration; write {DURATIONS}.")
    return duration


def _read(value: object) -> timedelta | None:
    """The duration; None when it is not to be understood. A bool is a number to Python, but no duration to anybody."""
    match value:
        case timedelta():
            return value
        case bool():
            return None
        case int() | float():
            return timedelta(seconds=value)
        case str():
            return _read_text(value.strip().lower())
    return None


def _read_text(text: str) -> timedelta | None:
    if _NUMBER.fullmatch(text):
        return timedelta(seconds=float(text))
    if text.startswith("p"):
        weeks = _WEEKS.fullmatch(text)  # ISO 8601 lets them stand alone
        try:
            return timedelta(weeks=float(weeks[1])) if weeks else msgspec.convert(text, timedelta)
        except msgspec.ValidationError:
            return None
    return _read_parts(text)


def _read_parts(text: str) -> timedelta | None:
    total, at = timedelta(0), 0
    while part := _PART.match(text, at):
        total += float(part[1]) * _UNITS[part[2]]
        at = part.end()
    return total if text and at == len(text) else None


def format_duration(duration: timedelta) -> str:
    """Write a duration for people: short, rounded to what matters. `parse_duration` reads it again.

    Days are used from three days on, because 36 h is easier to grasp than 1 d 12 h.

    >>> [format_duration(timedelta(seconds=s)) for s in (0, 0.25, 1.5, 90, 129_600, 360_000)]
    ['0 s', '250 ms', '1.5 s', '1 min 30 s', '36 h', '4 d 4 h']
    """
    if duration < timedelta(0):
        return f"-{format_duration(-duration)}"
    seconds = duration.total_seconds()
    if not seconds:
        return "0 s"
    for unit, size, limit in (("µs", 1e-6, 1000), ("ms", 1e-3, 1000), ("s", 1.0, 60)):
        number = f"{seconds / size:.3g}"
        if float(number) < limit:
            return f"{number} {unit}"
    for large, small, size, part, limit in (("min", "s", 60, 1, 60), ("h", "min", 3600, 60, 72)):
        text, number_of_large = _in_two_units(seconds, large, size, small, part)
        if number_of_large < limit:
            return text
    return _in_two_units(seconds, "d", 86_400, "h", 3600)[0]


def _in_two_units(seconds: float, large: str, size: int, small: str, part: int) -> tuple[str, int]:
    whole, rest = divmod(round(seconds / part), size // part)
    return f"{whole} {large} {rest} {small}" if rest else f"{whole} {large}", whole
