"""What two other libraries make of the same expressions, as far as they read the same dialect.

`cronsim` reads cron as Debian does, clock changes included. It differs from us, by intent, in these:

* It knows no wrap-around ranges, no names in full, and of the letters only L, LW, nL and d#k.
* It takes an expression as shown when minute or hour *begin* with a star; we, when any item does (``5,*/20``).
* A week it reads from 0 to 7, so that ``1/2`` has a Sunday; we from 0 to 6, as JobRunr and croniter do.
* ``5-5/2`` is ``5/2`` to it.
* After a change by half an hour it misses whole hours, as in Australia/Lord_Howe.
* A skipped time it runs at the first minute after the gap; we run it later by the length of the gap, as JobRunr does.

`croniter` has a dialect of its own. What we share is compared in UTC, because fixed times and wildcards are alike to it when
clocks change (a fixed time runs twice when they are put back). It writes ``L5`` for our ``5L``; a star with a step in a
field of days is no star to it; ``5-5`` is once around the clock; ``3-2/2`` lacks what lies past the end. These are left out.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

from croniter import croniter
from cronsim import CronSim, CronSimError
from hypothesis import assume, given
from hypothesis import strategies as st

from jobrunr.cron import CronExpression
from jobrunr.errors import CronError
from tests.unit.cron.expressions import days_of_month, fields, items, joined, months, weekdays
from tests.unit.cron.zones import HOUR, ZONES, changes_of

shared_minutes = fields(items(0, 59, wrapping=False))
shared_hours = fields(items(0, 23, wrapping=False))
letters_of_days = st.sampled_from(["L", "LW", "L,1", "LW,15"])
letters_of_weekdays = st.builds("{}L".format, st.integers(0, 7)) | st.builds(
    "{}#{}".format, st.integers(0, 6), st.integers(1, 5)
)
shared = joined(
    shared_minutes,
    shared_hours,
    fields(days_of_month(wrapping=False)) | letters_of_days,
    fields(months(wrapping=False)),
    fields(weekdays(wrapping=False)) | letters_of_weekdays,
)
plain = joined(
    shared_minutes,
    shared_hours,
    fields(days_of_month(wrapping=False)),
    fields(months(wrapping=False)),
    fields(weekdays(wrapping=False)),
)
in_utc = st.datetimes(datetime(2000, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))


def is_shared_with_cronsim(text: str) -> bool:
    return not re.search(r"(^|,)\w+/", text.rsplit(maxsplit=1)[-1])


def ours(text: str, after: datetime, count: int, zone: str = "UTC") -> list[datetime]:
    try:
        return [run.astimezone(UTC) for run in islice(CronExpression(text, zone).upcoming(after), count)]
    except CronError:
        assume(False)
        raise


@given(shared.filter(is_shared_with_cronsim), in_utc)
def test_cronsim_finds_the_same_runs(text: str, after: datetime) -> None:
    try:
        theirs = list(islice(CronSim(text, after), 5))
    except CronSimError:
        assume(False)
    assume(len(theirs) == 5)  # it gives up after fifty years

    assert ours(text, after, 5) == theirs


@given(shared.filter(is_shared_with_cronsim), in_utc)
def test_cronsim_finds_the_same_runs_backward(text: str, before: datetime) -> None:
    ours(text, before, 1)
    try:
        theirs = list(islice(CronSim(text, before, reverse=True), 3))
    except CronSimError:
        assume(False)
    assume(len(theirs) == 3)
    expression, runs = CronExpression(text), [before]
    for _ in theirs:
        runs.append(expression.previous(runs[-1]))

    assert runs[1:] == theirs


changes = [(zone, change) for zone in ZONES for change in changes_of(zone)]


def is_put_back(zone: str, change: datetime) -> bool:
    before, after = ((change + distance).astimezone(ZoneInfo(zone)).utcoffset() for distance in (-HOUR, HOUR))
    return before is not None and after is not None and after < before


by_whole_hours = [(zone, change) for zone, change in changes if zone != "Australia/Lord_Howe"]
put_back = [(zone, change) for zone, change in changes if is_put_back(zone, change)]
one_star = st.sampled_from(["*", "*/15", "*/7", "5", "0,30", "20-40/5"])


@given(one_star, one_star, st.sampled_from(by_whole_hours), st.integers(-4, 30))
def test_cronsim_finds_the_same_runs_of_wildcards_when_clocks_change(
    minute: str, hour: str, at: tuple[str, datetime], hours: int
) -> None:
    zone, after = at[0], at[1] - hours * HOUR
    text = f"{minute} {hour.replace('30', '3').replace('20-40', '2-20')} * * *"
    assume("*" in text[:-6])
    theirs = [run.astimezone(UTC) for run in islice(CronSim(text, after.astimezone(ZoneInfo(zone))), 8)]

    assert ours(text, after, 8, zone) == theirs


@given(st.integers(0, 59), st.integers(0, 23), st.sampled_from(put_back), st.integers(2, 40))
def test_cronsim_finds_the_same_runs_of_fixed_times_when_clocks_are_put_back(
    minute: int, hour: int, at: tuple[str, datetime], hours: int
) -> None:
    zone, after = at[0], at[1] - hours * HOUR
    text = f"{minute},59 {hour},{hour // 2} * * *"
    theirs = [run.astimezone(UTC) for run in islice(CronSim(text, after.astimezone(ZoneInfo(zone))), 8)]

    assert ours(text, after, 8, zone) == theirs


def is_shared_with_croniter(text: str) -> bool:
    *_, day, _, weekday = text.split()
    return all(field == "*" or "*" not in field for field in (day, weekday))


@given(
    plain.filter(is_shared_with_croniter),
    in_utc,
)
def test_croniter_finds_the_same_runs(text: str, after: datetime) -> None:
    expected = ours(text, after, 3)
    theirs = croniter(text, after)

    assert [theirs.get_next(datetime) for _ in range(3)] == expected
