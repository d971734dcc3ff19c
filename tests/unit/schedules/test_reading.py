"""From what people pass as a schedule to text, and back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobrunr.cron import Cron, CronExpression
from jobrunr.errors import ScheduleError, TargetForbiddenError
from jobrunr.schedules import check_custom, parse_schedule, read_schedule

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HERE = __name__


@dataclass
class PayDays:
    country: str
    offset: int = 0

    def next_run(self, after: datetime) -> datetime | None:
        return after + timedelta(days=len(self.country) + self.offset)


class Spoken:
    """Says itself how it is made."""

    def __init__(self, *days: int) -> None:
        self.days = days

    def next_run(self, after: datetime) -> datetime | None:
        return after + timedelta(days=sum(self.days))

    def __str__(self) -> str:
        return f"Spoken{self.days!r}"


class Forgetful(Spoken):
    def __str__(self) -> str:
        return "Forgetful(1)"


class Silent:
    def __init__(self, day: int) -> None:
        self.day = day

    def next_run(self, after: datetime) -> datetime | None:
        return after


class Shifting(Spoken):
    """Runs otherwise than what its text makes, from the second time on."""

    def next_run(self, after: datetime) -> datetime | None:
        return after + timedelta(days=1 if after == NOON else len(self.days))

    def __str__(self) -> str:
        return f"Shifting({self.days[0]})"


class Speechless(Spoken):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Cancelled(Spoken):
    def __str__(self) -> str:
        raise asyncio.CancelledError("stop")


class Unmakable(Spoken):
    def __init__(self, *days: int) -> None:
        raise GeneratorExit


def local_class() -> Any:
    class Local(Spoken):
        pass

    return Local(1)


def text_of(given: Any) -> str:
    text = read_schedule(given, "UTC")
    check_custom(given, text, find_class, NOON)
    return text


def find_class(target: str) -> type[Any]:
    module, _, name = target.partition(":")
    if module != HERE:
        raise TargetForbiddenError(target, "it is none of ours")
    found: type[Any] = globals()[name]
    return found


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("0 3 * * *", "0 3 * * *"),
        ("  0  3 * *  mon ", "0 3 * * MON"),
        ("@daily", "@daily"),
        (Cron.daily(3, 30), "30 3 * * *"),
        (CronExpression("0 3 * * *"), "0 3 * * *"),
        (timedelta(minutes=5), "PT5M"),
        ("PT5M", "PT5M"),
        ("pt300s", "PT5M"),
        ("P1D", "P1D"),
        ("P1W", "P7D"),
        (timedelta(days=1, hours=2, minutes=3, seconds=4.5), "P1DT2H3M4.5S"),
        (PayDays("BE", offset=2), f"{HERE}:PayDays(country='BE', offset=2)"),
        (Spoken(1, 2), f"{HERE}:Spoken(1, 2)"),
    ],
)
def test_a_schedule_has_a_text_that_is_read_back(given: Any, text: str) -> None:
    assert text_of(given) == text
    again = parse_schedule(text, "UTC", NOON, find_class)
    assert again.next_run(NOON) is not None


def test_an_interval_counts_from_its_anchor_and_never_drifts() -> None:
    schedule = parse_schedule("PT5M", "UTC", NOON, find_class)
    for moment, minutes in ((NOON - timedelta(days=1), 5), (NOON, 5), (NOON + timedelta(minutes=4, seconds=59), 5)):
        assert schedule.next_run(moment) == NOON + timedelta(minutes=minutes)
    assert schedule.next_run(NOON + timedelta(minutes=5)) == NOON + timedelta(minutes=10)


def test_a_cron_expression_is_meant_in_its_zone() -> None:
    schedule = parse_schedule("0 3 * * *", "Asia/Tokyo", NOON, find_class)
    assert schedule.next_run(NOON) == datetime(2026, 3, 2, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("often", "often"),
        ("61 * * * *", "minute"),
        ("PT0.5S", "shortest period is 1 s"),
        (timedelta(0), "shortest period is 1 s"),
        (timedelta(seconds=-5), "shortest period is 1 s"),
        ("PTX", "PT5M"),
        ("P1M", "PT5M"),
        (5, "no schedule"),
        (None, "no schedule"),
        (object(), "no schedule"),
        (CronExpression("0 3 * * *", "Asia/Tokyo"), r"options\(zone='Asia/Tokyo'\)"),
        (Silent(1), "make it a dataclass"),
        (PayDays(country=object()), "make it a dataclass"),  # type: ignore[arg-type]
        (Forgetful(1, 2), "at other times"),
        (Shifting(1, 2), "at other times"),
        (Speechless(1), "RuntimeError: no words"),
        (Cancelled(1), "CancelledError: stop"),
        (local_class(), "top level"),
        (PayDays(country={"BE", "NL"}), "a set has no order"),  # type: ignore[arg-type]
        ("os:system('ls')", "Pass the object itself"),
    ],
)
def test_what_is_no_schedule_is_refused_with_what_may_be_one(given: Any, says: str) -> None:
    with pytest.raises(ScheduleError, match=says):
        text_of(given)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("os:system('ls')", "none of ours"),
        (f"{HERE}:PayDays(__import__('os'))", "cannot be stored"),
        (f"{HERE}:PayDays(*[1])", "cannot be stored"),
        (f"{HERE}:PayDays(**{{'country': 'BE'}})", "cannot be stored"),
        (f"{HERE}:PayDays('BE').next_run(1)", "cannot be stored"),
        (f"{HERE}:PayDays(", "cannot be stored"),
        (f"{HERE}:PayDays()", r"PayDays\(\) raised TypeError"),
        (f"{HERE}:Unmakable(1)", "GeneratorExit"),
        (f"{HERE}:NOON(1)", r"NOON\(1\) raised TypeError"),
    ],
)
def test_hostile_or_broken_text_runs_nothing_and_says_why(text: str, says: str) -> None:
    with pytest.raises(ScheduleError, match=says):
        parse_schedule(text, "UTC", NOON, find_class)
