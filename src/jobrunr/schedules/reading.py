"""From what people pass, and from what is stored, to a schedule."""

from __future__ import annotations

import ast
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from jobrunr.carbon.windows import Margin, read_margin
from jobrunr.cron import CronExpression
from jobrunr.durations import parse_duration
from jobrunr.errors import JobRunrError, ScheduleError
from jobrunr.schedules.schedule import CronSchedule, IntervalSchedule, Schedule, next_of, period_as_text, schedule_name
from jobrunr.targets import true_name

ScheduleLike = str | timedelta | CronExpression | Schedule
"""What people may pass as a schedule."""

FindClass = Callable[[str], type[Any]]
"""From ``package.module:Class`` to the class, if the application offers it; raises a `JobRunrError` when it does not."""

MAX_LENGTH = 1000
"""Characters of a schedule as text."""

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def read_schedule(given: ScheduleLike, zone: str, find_class: FindClass | None = None) -> str:
    """The text of a schedule, to be stored; `parse_schedule` reads it again.

    Arguments:
        given: a cron expression; a period, or its text in ISO 8601; or an object with ``next_run(after)``.
        zone: the IANA time zone that it is meant in. A `CronExpression` brings its own, which has to be this one.
        find_class: holds the class of a custom schedule to what the application offers; None to leave that for later.

    Raises:
        ScheduleError: it cannot be a schedule; the message says what can.

    >>> read_schedule(timedelta(minutes=5), "UTC"), read_schedule("0  3 * * mon", "UTC")
    ('PT5M', '0 3 * * MON')
    """
    margin: Margin | None = None
    if isinstance(given, str):
        given, margin = read_margin(given)
    match given:
        case timedelta():
            text = str(IntervalSchedule(given, _EPOCH))
        case CronExpression():
            _check_zone(given, zone)
            text = given.text
        case str():
            text = str(parse_schedule(given, zone, _EPOCH, _no_class))
        case _:
            text = _text_of_custom(given, find_class)
    if margin is not None:
        text = with_margin(text, margin)
    if len(text) > MAX_LENGTH:
        raise ScheduleError(f"A schedule can have {MAX_LENGTH:,} characters as text; this one has {len(text):,}.")
    return text


def parse_schedule(text: str, zone: str, anchor: datetime, find_class: FindClass) -> Schedule:
    """A schedule from its text.

    Arguments:
        anchor: where an interval counts from.
        find_class: finds the class of a custom schedule.

    Raises:
        ScheduleError: the text is no schedule, or its class is not offered or refuses its arguments.

    >>> schedule = parse_schedule("PT5M", "UTC", datetime(2026, 1, 1, tzinfo=UTC), find_class=type)
    >>> print(schedule.next_run(datetime(2026, 1, 1, 0, 7, tzinfo=UTC)))
    2026-01-01 00:10:00+00:00
    """
    text = read_margin(text)[0].strip()
    if ":" in text and "(" in text:
        return _custom(text, find_class)
    if text[:1].upper() == "P":
        return IntervalSchedule(_period(text), anchor)
    return CronSchedule(_cron(text, zone))


@lru_cache(maxsize=10_000)
def _cron(text: str, zone: str) -> CronExpression:
    """Reading an expression takes longer than everything else that a run needs, and it does not change."""
    return CronExpression(text, zone)


def with_margin(text: str, margin: Margin) -> str:
    """The text of a schedule with a margin behind it."""
    return f"{text} [{period_as_text(margin.before)}/{period_as_text(margin.after)}]"


def _period(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError:
        raise ScheduleError(
            f"{text!r} is no period. Write ISO 8601 in days and smaller units, such as PT5M, PT1H30M or P1D."
        ) from None


def _check_zone(expression: CronExpression, zone: str) -> None:
    if expression.zone not in (zone, "UTC"):
        raise ScheduleError(
            f"{expression!r} is meant in {expression.zone}, the recurring job in {zone}. "
            f"Say it once: options(zone={expression.zone!r})."
        )


def _no_class(target: str) -> type[Any]:
    raise ScheduleError(f"{target}(…) is the text of a schedule of your own. Pass the object itself.")


# -- schedules of the application


def _text_of_custom(given: object, find_class: FindClass | None) -> str:
    """``package.module:Class(arguments)``, held to what comes of it when it is read again."""
    if not isinstance(given, Schedule):
        raise ScheduleError(
            f"{given!r:.200} is no schedule. It can be a cron expression ('0 3 * * *'), a period (a timedelta, or 'PT5M'), "
            f"or an object with a method next_run(after)."
        )
    kind = type(given)
    call = str(given) if kind.__str__ is not object.__str__ else repr(given)
    arguments = call[call.find("(") :] if "(" in call and call.endswith(")") else ""
    text = f"{true_name(kind.__module__) or kind.__module__}:{kind.__qualname__}{arguments}"
    _arguments(text)
    if find_class is not None:
        _check_round_trip(given, text, _custom(text, find_class))
    return text


def _check_round_trip(given: Schedule, text: str, again: Schedule) -> None:
    if next_of(again, _EPOCH) != next_of(given, _EPOCH):
        raise ScheduleError(
            f"{schedule_name(given)} is stored as {text}, and what that makes runs at other times. Let str() of it hold all "
            f"that its class needs, or make it a dataclass."
        )


def _custom(text: str, find_class: FindClass) -> Schedule:
    args, kwargs = _arguments(text)
    target = text.partition("(")[0]
    try:
        made: object = find_class(target)(*args, **kwargs)
    except ScheduleError:
        raise
    except JobRunrError as error:
        raise ScheduleError(str(error)) from error
    except Exception as error:
        raise ScheduleError(f"{text} could not be made: {type(error).__name__}: {error}") from error
    if not isinstance(made, Schedule):
        raise ScheduleError(f"{target} is no schedule: it has no method next_run(after).")
    return made


def _arguments(text: str) -> tuple[list[Any], dict[str, Any]]:
    """The arguments in the text of a custom schedule: literals, and nothing that could run."""
    try:
        call = ast.parse(f"f{text[text.index('(') :]}", mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            raise ValueError
        if any(keyword.arg is None for keyword in call.keywords):
            raise ValueError
        args = [ast.literal_eval(argument) for argument in call.args]
        return args, {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise ScheduleError(
            f"{text:.200} cannot be stored. The text of a schedule of your own is a call of its class with plain values, "
            f"such as PayDays(country='BE', offset=2): make it a dataclass, or give it a __str__ like that."
        ) from None
