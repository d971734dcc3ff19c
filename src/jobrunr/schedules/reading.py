"""From what people pass, and from what is stored, to a schedule."""

from __future__ import annotations

import ast
import reprlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, TypeGuard

from jobrunr.carbon.windows import Margin, read_margin
from jobrunr.cron import CronExpression
from jobrunr.durations import parse_duration
from jobrunr.errors import JobRunrError, ScheduleError
from jobrunr.schedules.schedule import (
    CronSchedule,
    IntervalSchedule,
    Schedule,
    asked,
    next_of,
    period_as_text,
    schedule_name,
)
from jobrunr.targets import true_name

ScheduleLike = str | timedelta | CronExpression | Schedule
"""What people may pass as a schedule."""

FindClass = Callable[[str], type[Any]]
"""From ``package.module:Class`` to the class, if the application offers it; raises a `JobRunrError` when it does not."""

MAX_LENGTH = 1000
"""Characters of a schedule as text."""

_COMPARED = 3
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def read_schedule(given: ScheduleLike, zone: str) -> str:
    """The text of a schedule, to be stored; `parse_schedule` reads it again.

    Arguments:
        given: a cron expression; a period, or its text in ISO 8601; or an object with ``next_run(after)``, which is not
            asked anything here (see `check_custom`).
        zone: the IANA time zone that it is meant in. A `CronExpression` brings its own, which has to be this one.

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
            text = _text_of_custom(given)
    if margin is not None:
        text = with_margin(text, margin)
    if len(text) > MAX_LENGTH:
        raise ScheduleError(f"A schedule can have {MAX_LENGTH:,} characters as text; this one has {len(text):,}.")
    return text


def check_custom(given: ScheduleLike, text: str, find_class: FindClass, now: datetime) -> None:
    """Hold a schedule of the application's own to what comes of it when its text is read again; others pass.

    Arguments:
        text: what `read_schedule` made of it.
        find_class: finds its class, if the application offers it.
        now: where its first runs are compared from.

    Raises:
        ScheduleError: its class is not offered, or makes something else of the text, or it cannot say when it runs.
    """
    if not is_custom(given):
        return
    again = _custom(read_margin(text)[0], find_class)
    if _text_of_custom(again) != _text_of_custom(given) or _first_runs(again, now) != _first_runs(given, now):
        raise ScheduleError(
            f"{schedule_name(given)} is stored as {text}, and what that makes is another or runs at other times. Let str() "
            f"of it hold all that its class needs, or make it a dataclass."
        )


def is_custom(given: ScheduleLike) -> TypeGuard[Schedule]:
    """Whether a schedule is the application's own."""
    return not isinstance(given, str | timedelta | CronExpression)


def _first_runs(schedule: Schedule, after: datetime) -> list[datetime]:
    """A few, to compare."""
    runs: list[datetime] = []
    while len(runs) < _COMPARED and (run := next_of(schedule, runs[-1] if runs else after)) is not None:
        runs.append(run)
    return runs


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
            f"{text!r} is no period. Write ISO 8601 in weeks, or in days and smaller units, such as PT5M, PT1H30M or P1D."
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


def _text_of_custom(given: object) -> str:
    """``package.module:Class(arguments)``."""
    if not isinstance(given, Schedule):
        raise ScheduleError(
            f"{reprlib.repr(given)} is no schedule. It can be a cron expression ('0 3 * * *'), a period (a timedelta, or "
            f"'PT5M'), or an object with a method next_run(after)."
        )
    kind = type(given)
    if "<locals>" in kind.__qualname__:
        raise ScheduleError(
            f"{kind.__qualname__} is defined inside a function, where no server finds it. Move the class to the top level."
        )
    call = asked(f"str() of {kind.__qualname__}", lambda: str(given) if kind.__str__ is not object.__str__ else repr(given))
    arguments = call[call.find("(") :] if "(" in call and call.endswith(")") else ""
    text = f"{true_name(kind.__module__) or kind.__module__}:{kind.__qualname__}{arguments}"
    _arguments(text)
    return text


def _custom(text: str, find_class: FindClass) -> Schedule:
    args, kwargs = _arguments(text)
    target = text.partition("(")[0]
    try:
        kind = find_class(target)
    except JobRunrError as error:
        raise ScheduleError(str(error)) from error
    made: object = asked(text, lambda: kind(*args, **kwargs))
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
        if any(isinstance(node, ast.Set) for node in ast.walk(call)):  # has another order each time
            raise ScheduleError(f"{text:.200} cannot be stored: a set has no order. Use a sorted list or a tuple.")
        args = [ast.literal_eval(argument) for argument in call.args]
        return args, {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    except ScheduleError:
        raise
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise ScheduleError(
            f"{text:.200} cannot be stored. The text of a schedule of your own is a call of its class with plain values, "
            f"such as PayDays(country='BE', offset=2): make it a dataclass, or give it a __str__ like that."
        ) from None
