"""What happens when clocks change: by table for people, and against a slow evaluator for every change of ten years."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta, tzinfo
from io import BytesIO
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobrunr.cron import CronExpression
from jobrunr.cron.local_time import RunTimes
from jobrunr.cron.matching import LocalTimes
from jobrunr.cron.parsing import parse_cron
from jobrunr.errors import CronError, NoRunError, ScheduleError, UnknownZoneError
from tests.conftest import IS_BRIEF, examples
from tests.unit.cron import expressions
from tests.unit.cron.slow_cron import DAY, MINUTE, SECOND, slow_runs
from tests.unit.cron.zones import HOUR, ZONES, changes_of

CHANGES = [(name, change) for name in ZONES for change in changes_of(name)]
EXPRESSIONS = (
    "*/5 * * * *", "0 * * * *", "*/20 2 * * *", "30 * * * *", "0 */2 * * *", "15,45 */3 * * *", "1,*/30 0-4 * * *",
    "30 2 * * *", "0 0 * * *", "0,30 0-3 * * *", "*/1 0 * * 0", "10,50 22-4 * * *", "0 0-23/2 * * *", "59 23 L * *",
    "0,15,30,45 0-23 * * SUN",
)  # fmt: skip


def in_utc(run: datetime) -> datetime:
    """Moments are compared in UTC: within a zone Python compares what the clock shows, and does not look at the pass."""
    return run.astimezone(UTC)


def runs_between(expression: CronExpression, begin: datetime, end: datetime) -> list[datetime]:
    begin, end = in_utc(begin), in_utc(end)
    return list(takewhile(lambda run: run < end, map(in_utc, expression.upcoming(begin - SECOND))))


def runs_back_between(expression: CronExpression, begin: datetime, end: datetime) -> list[datetime]:
    begin, runs, run = in_utc(begin), [], in_utc(expression.previous(end))
    while run >= begin:
        runs.append(run)
        run = in_utc(expression.previous(run))
    return runs[::-1]


# -- for people


@pytest.mark.parametrize(
    ("text", "zone", "day", "runs"),
    [
        # put forward, at 02:00 to 03:00
        ("30 2 * * *", "Europe/Brussels", "2026-03-29", "03:30+02:00"),
        ("30 2,3 * * *", "Europe/Brussels", "2026-03-29", "03:30+02:00"),
        ("45 2,3 29 3 *", "Europe/Brussels", "2026-03-29", "03:45+02:00"),
        ("0,30 2-3 * * *", "Europe/Brussels", "2026-03-29", "03:00+02:00 03:30+02:00"),
        ("15 1-4 * * *", "Europe/Brussels", "2026-03-29", "01:15+01:00 03:15+02:00 04:15+02:00"),
        ("50 2 * * *", "Europe/Brussels", "2026-03-29", "03:50+02:00"),
        ("*/30 2 * * *", "Europe/Brussels", "2026-03-29", ""),
        ("*/30 1-3 * * *", "Europe/Brussels", "2026-03-29", "01:00+01:00 01:30+01:00 03:00+02:00 03:30+02:00"),
        ("30 2/24 * * *", "Europe/Brussels", "2026-03-29", "03:30+02:00"),
        # put back, at 03:00 to 02:00
        ("30 2 * * *", "Europe/Brussels", "2026-10-25", "02:30+02:00"),
        ("0 2,3 * * *", "Europe/Brussels", "2026-10-25", "02:00+02:00 03:00+01:00"),
        ("*/30 2 * * *", "Europe/Brussels", "2026-10-25", "02:00+02:00 02:30+02:00 02:00+01:00 02:30+01:00"),
        # by half an hour: 02:00 to 02:30, and 02:00 to 01:30
        ("10 2 * * *", "Australia/Lord_Howe", "2026-10-04", "02:40+11:00"),
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-05", "01:45+11:00"),
        ("45 1-2 * * *", "Australia/Lord_Howe", "2026-04-05", "01:45+11:00 02:45+10:30"),
        ("10,35 2 * * *", "Australia/Lord_Howe", "2026-10-04", "02:35+11:00 02:40+11:00"),
        ("*/15 1 * * *", "Australia/Lord_Howe", "2026-04-05",
         "01:00+11:00 01:15+11:00 01:30+11:00 01:45+11:00 01:30+10:30 01:45+10:30"),
        # at midnight: from 00:00 to 01:00, and from 00:00 to 23:00 of the day before
        ("0 0 * * *", "America/Sao_Paulo", "2018-11-04", "01:00-02:00"),
        ("0 0 * * *", "America/Sao_Paulo", "2018-02-18", "00:00-03:00"),
        ("30 23 * * *", "America/Sao_Paulo", "2018-02-17", "23:30-02:00"),
        ("@daily", "Asia/Beirut", "2026-03-29", "01:00+03:00"),
        ("0 0 29 3 *", "Asia/Beirut", "2026-03-29", "01:00+03:00"),
        # by two hours
        ("30 1 * * *", "Antarctica/Troll", "2026-03-29", "03:30+02:00"),
        # a whole day is skipped
        ("0 10 30 12 *", "Pacific/Apia", "2011-12-31", "10:00+14:00"),
        ("0 10 * * *", "Pacific/Apia", "2011-12-31", "10:00+14:00"),
        ("0 10,11 30,31 12 FRI", "Pacific/Apia", "2011-12-31", "10:00+14:00 11:00+14:00"),
        ("0 */12 * * *", "Pacific/Apia", "2011-12-31", "00:00+14:00 12:00+14:00"),
        ("0 */12 30 * *", "Pacific/Apia", "2011-12-31", ""),
    ],
)  # fmt: skip
def test_the_runs_of_a_day(text: str, zone: str, day: str, runs: str) -> None:
    begin = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone))
    within = runs_between(CronExpression(text, zone), begin, begin + DAY)
    found = [run.astimezone(ZoneInfo(zone)).isoformat() for run in within]

    assert [f"{run[11:16]}{run[19:]}" for run in found] == runs.split()


def test_a_skipped_time_with_seconds_moves_with_its_seconds() -> None:
    begin = datetime(2026, 3, 29, tzinfo=ZoneInfo("Europe/Brussels"))
    runs = runs_between(CronExpression("5-15/10 30 2 * * *", "Europe/Brussels"), begin, begin + DAY)

    assert [f"{run:%X}" for run in runs] == ["01:30:05", "01:30:15"]  # in UTC


def test_the_second_pass_is_told_from_the_first() -> None:
    expression = CronExpression("*/30 2 * * *", "Europe/Brussels")
    runs = list(islice(expression.upcoming(datetime(2026, 10, 24, 12, tzinfo=UTC)), 4))

    assert [run.fold for run in runs] == [0, 0, 1, 1]
    assert in_utc(expression.next(runs[1])) == in_utc(runs[2])
    assert in_utc(expression.previous(runs[2])) == in_utc(runs[1])


def test_a_fixed_time_is_over_in_the_second_pass() -> None:
    zone = ZoneInfo("Europe/Brussels")
    expression = CronExpression("30 2 * * *", "Europe/Brussels")
    second_pass = datetime(2026, 10, 25, 2, 10, fold=1, tzinfo=zone)

    assert expression.next(second_pass).date() == (second_pass + DAY).date()
    assert expression.previous(second_pass) == datetime(2026, 10, 25, 2, 30, tzinfo=zone)


# -- against the slow evaluator


@pytest.mark.parametrize("zone", ZONES[:3] if IS_BRIEF else ZONES)
def test_every_change_of_ten_years_is_as_a_slow_evaluator_finds_it(zone: str) -> None:
    for number, change in enumerate(changes_of(zone)):
        begin, end = change - 26 * HOUR, change + 26 * HOUR
        for text in EXPRESSIONS[number % 8 :: 8]:
            expression = CronExpression(text, zone)
            expected = slow_runs(text, ZoneInfo(zone), begin, end)
            assert runs_between(expression, begin, end) == expected, (text, change)
            assert runs_back_between(expression, begin, end) == expected, (text, change)
            assert expression.count(begin - SECOND, end - SECOND) == len(expected), (text, change)


def test_there_are_changes_to_be_tried() -> None:
    assert len(CHANGES) > 250
    assert {name for name, _ in CHANGES} == set(ZONES) - {"Asia/Kathmandu"}  # never changed in these years


SPECIAL_CHANGES = [
    ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),
    ("Pacific/Kwajalein", datetime(1993, 8, 21, 12, tzinfo=UTC)),
    ("America/Caracas", datetime(2007, 12, 9, 7, tzinfo=UTC)),
    ("Asia/Pyongyang", datetime(2018, 5, 4, 15, tzinfo=UTC)),
    ("Africa/Freetown", datetime(1939, 9, 5, 0, 40, tzinfo=UTC)),
]
around_changes = st.builds(
    lambda change, minutes: (change[0], change[1] + minutes * MINUTE),
    st.sampled_from(CHANGES + SPECIAL_CHANGES * 5),
    st.integers(-28 * 60, 28 * 60),
)
anywhere = st.tuples(
    st.sampled_from(ZONES), st.datetimes(datetime(1980, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC))
)
moments = around_changes | anywhere


def to_the_minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


@given(expressions.by_minute, around_changes | around_changes | anywhere)
@settings(max_examples=examples(150))
def test_runs_are_those_that_a_slow_evaluator_finds(text: str, where: tuple[str, datetime]) -> None:
    zone, begin = where[0], to_the_minute(where[1])
    end = begin + 12 * HOUR
    expression, expected = CronExpression(text, zone), slow_runs(text, ZoneInfo(zone), begin, end)

    assert runs_between(expression, begin, end) == expected
    assert runs_back_between(expression, begin, end) == expected
    assert expression.count(begin - SECOND, end - SECOND) == len(expected)


@given(expressions.by_second, st.sampled_from(CHANGES), st.integers(-3700, 3700))
@settings(max_examples=examples(25))
def test_runs_to_the_second_are_those_that_a_slow_evaluator_finds(text: str, at: tuple[str, datetime], shift: int) -> None:
    zone, begin = at[0], at[1] + shift * SECOND
    end = begin + 30 * MINUTE
    expression, expected = CronExpression(text, zone), slow_runs(text, ZoneInfo(zone), begin, end, SECOND)

    assert runs_between(expression, begin, end) == expected
    assert runs_back_between(expression, begin, end) == expected
    assert expression.count(begin - SECOND, end - SECOND) == len(expected)


# -- next and previous


all_zones = st.sampled_from(sorted(available_timezones() - {"localtime", "Factory"}))


@given(expressions.anything | expressions.by_minute, moments, st.none() | all_zones)
@settings(max_examples=examples(300))
def test_previous_is_the_mirror_of_next(text: str, where: tuple[str, datetime], zone: str | None) -> None:
    moment = where[1]
    try:
        expression = CronExpression(text, zone or where[0])
        later, earlier = in_utc(expression.next(moment)), in_utc(expression.previous(moment))
    except (CronError, NoRunError):
        return

    assert earlier < moment < later
    assert in_utc(expression.previous(later)) in (earlier, moment)
    assert in_utc(expression.next(earlier)) in (later, moment)
    assert in_utc(expression.previous(expression.next(later))) == later
    assert in_utc(expression.next(expression.previous(earlier))) == earlier


@given(expressions.anything, moments)
def test_a_run_is_a_proper_moment_of_the_zone(text: str, where: tuple[str, datetime]) -> None:
    zone = ZoneInfo(where[0])
    try:
        run = CronExpression(text, zone).next(where[1])
    except CronError:
        return
    again = run.astimezone(UTC).astimezone(zone)

    assert run.tzinfo is zone
    assert (again.replace(tzinfo=None), again.fold) == (run.replace(tzinfo=None), run.fold)
    assert run.microsecond == 0


def test_a_moment_within_a_second_lies_between_two_runs() -> None:
    expression = CronExpression("* * * * * *")
    moment = datetime(2026, 1, 1, 12, 0, 0, 1, tzinfo=UTC)

    assert expression.next(moment) == moment.replace(second=1, microsecond=0)
    assert expression.previous(moment) == moment.replace(microsecond=0)
    assert expression.next(moment.replace(microsecond=0)) == moment.replace(second=1, microsecond=0)
    assert expression.previous(moment.replace(microsecond=0)) == moment.replace(microsecond=0) - SECOND


def test_a_moment_may_be_given_in_any_zone() -> None:
    expression = CronExpression("0 9 * * *", "Asia/Tokyo")
    moment = datetime(2026, 7, 1, 20, tzinfo=ZoneInfo("America/New_York"))

    assert moment.astimezone(UTC).hour == 0
    assert expression.next(moment) == datetime(2026, 7, 3, 9, tzinfo=ZoneInfo("Asia/Tokyo"))
    assert expression.next(moment - SECOND) == moment


# -- where there is nothing


def test_what_the_clocks_never_show_has_no_run() -> None:
    expression = CronExpression("*/10 2 * 3 SUNL", "Europe/Brussels")
    moment = datetime(2026, 1, 1, tzinfo=UTC)

    with pytest.raises(NoRunError, match=r"^CronExpression\(.*\) has no run after 2026-01-01T00:00:00\+00:00\. Give it"):
        expression.next(moment)
    assert expression.previous(moment).year == 1980  # the clocks then changed a week later


def test_what_ran_never_before_has_no_previous_run() -> None:
    with pytest.raises(NoRunError, match="has no run before 0003-01-01"):
        CronExpression("0 0 29 2 *").previous(datetime(3, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Niue"])
def test_at_the_ends_of_the_calendar_there_is_a_sentence(zone: str) -> None:
    expression = CronExpression("* * * * *", zone)
    for moment in (datetime.min, datetime.max):
        with pytest.raises(ScheduleError, match="allowed are the years 2 to 9998"):
            expression.next(moment.replace(tzinfo=ZoneInfo(zone)))
        with pytest.raises(ScheduleError, match="allowed are the years 2 to 9998"):
            expression.previous(moment.replace(tzinfo=UTC))
    with pytest.raises(NoRunError):
        CronExpression("0 0 29 2 *", zone).next(datetime(9997, 1, 1, tzinfo=UTC))


def test_a_moment_without_zone_is_refused_in_a_sentence() -> None:
    expression, moment = CronExpression("@daily"), datetime(2026, 1, 1)

    with pytest.raises(
        ScheduleError, match=r"^after is datetime.datetime\(2026, 1, 1, 0, 0\), which has no time zone; give"
    ):
        expression.next(moment)
    with pytest.raises(ScheduleError, match=r"^before is .* which has no time zone; give it one"):
        expression.previous(moment)
    with pytest.raises(ScheduleError, match=r"^after is .* which has no time zone; give it one"):
        next(expression.upcoming(moment))


# -- zones


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        ("Europa/Brussels", "Did you mean 'Europe/Brussels'?"),
        ("CET/Nowhere at all", "Write a name of the IANA database, such as 'Europe/Brussels'."),
        ("", "Write a name of the IANA database"),
        ("Europe", "."),
        ("/etc/passwd", "."),
        ("../../etc/passwd", "."),
        ("a\0b", "."),
        (3, "Give the name of one, such as 'Europe/Brussels', or a ZoneInfo."),
        (UTC, "Give the name of one, such as 'Europe/Brussels', or a ZoneInfo."),
        (None, "Give the name of one"),
    ],
)
def test_an_unknown_zone_is_refused_with_a_hint(zone: str, hint: str) -> None:
    with pytest.raises(UnknownZoneError) as caught:
        CronExpression("@daily", zone)

    assert str(caught.value).startswith(f"{zone!r} is no time zone. ")
    assert hint in str(caught.value)


def test_a_zone_without_a_name_is_refused() -> None:
    utc_as_a_file = b"TZif" + bytes(16) + struct.pack(">6l", 0, 0, 0, 0, 1, 4) + bytes(6) + b"UTC\0"  # RFC 9636
    zone = ZoneInfo.from_file(BytesIO(utc_as_a_file))

    with pytest.raises(UnknownZoneError, match="has no name; make it with ZoneInfo"):
        CronExpression("@daily", zone)


def test_on_a_machine_without_time_zone_data_utc_works_and_the_rest_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("zoneinfo.TZPATH", ())
    monkeypatch.setattr("zoneinfo.available_timezones", set[str])

    assert CronExpression("@daily").next(datetime(2026, 1, 1, tzinfo=UTC)).day == 2
    with pytest.raises(UnknownZoneError, match=r"There is no time zone data on this machine: pip install tzdata\."):
        CronExpression("@daily", "Nowhere/Land")


# -- a change beside the end of a year


class Changing(tzinfo):
    """A clock that is put forward or back at a moment in UTC."""

    def __init__(self, at: datetime, by: timedelta) -> None:
        self.at, self.by = at, by

    def fromutc(self, moment: datetime) -> datetime:
        return moment + self.by * (moment.replace(tzinfo=None) >= self.at)


@pytest.mark.parametrize("by", [timedelta(minutes=90), timedelta(minutes=-90), DAY, -DAY], ids=str)
@pytest.mark.parametrize("hours", range(-24 * 5, 24 * 5, 11))
def test_a_change_beside_the_end_of_a_year_is_like_any_other(hours: int, by: timedelta) -> None:
    change = datetime(2026, 1, 1, 0, 10, tzinfo=UTC) + hours * HOUR
    zone = Changing(change.replace(tzinfo=None), by)
    begin, end = change - 25 * HOUR, change + 49 * HOUR
    for text in ("10,50 0-23/2,1,5 * * *", "10 */5 * * *"):
        parsed = parse_cron(text)
        runs = RunTimes(LocalTimes(parsed), zone, shown=parsed.shown)
        expected = [run.replace(tzinfo=None) for run in slow_runs(text, zone, begin, end)]

        assert all(runs.after(earlier) == later for earlier, later in pairwise(expected))
        assert all(runs.before(later) == earlier for earlier, later in pairwise(expected))
        assert runs.count(*(moment.replace(tzinfo=None) - SECOND for moment in (begin, end))) == len(expected)


@pytest.mark.parametrize("hours", range(-24 * 5, 24 * 5))
def test_a_yearly_time_that_has_run_in_the_first_pass_waits_for_a_year(hours: int) -> None:
    change = datetime(2026, 1, 1) + hours * HOUR
    run = change - 30 * MINUTE
    expression = LocalTimes(parse_cron(f"30 {run.hour} {run.day} {run.month} *"))
    runs = RunTimes(expression, Changing(change, -2 * HOUR), shown=False)
    next_run = run.replace(year=run.year + 1) + 2 * HOUR

    assert runs.after(run - MINUTE) == run
    assert runs.after(run) == runs.after(change) == next_run
    assert runs.before(next_run) == runs.before(change + 15 * DAY) == run


def test_a_year_of_runs_counts_as_many_as_the_year_has_hours() -> None:
    expression = CronExpression("0 * * * *", "Europe/Brussels")
    begin = datetime(2026, 1, 1, tzinfo=UTC) - timedelta(seconds=1)

    assert len(runs_between(expression, begin, datetime(2027, 1, 1, tzinfo=UTC))) == 365 * 24
    assert expression.count(begin, datetime(2027, 1, 1, tzinfo=UTC) - SECOND) == 365 * 24


def test_a_skipped_time_that_runs_when_another_does_counts_as_one_run() -> None:
    expression = CronExpression("30 2,3 * * *", "Europe/Brussels")
    assert expression.count(datetime(2026, 3, 27, 12, tzinfo=UTC), datetime(2026, 3, 30, 12, tzinfo=UTC)) == 5


@given(expressions.anything | expressions.by_minute, moments, st.integers(0, 40), st.floats(0, 0.999))
def test_as_many_runs_are_counted_as_are_found(text: str, where: tuple[str, datetime], found: int, later: float) -> None:
    try:
        expression = CronExpression(text, where[0])
        runs = [in_utc(run) for run in islice(expression.upcoming(where[1]), found + 1)]
    except (CronError, NoRunError):
        return
    assert expression.count(where[1], runs[-1]) == found + 1
    assert expression.count(where[1], runs[-1] - SECOND) == found
    assert expression.count(where[1], runs[-1] + later * SECOND) == found + 1
