"""What may be written, and what it means: on which days, and at which times of day, in UTC."""

from __future__ import annotations

import pickle
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobrunr.cron import CronExpression
from jobrunr.errors import CronError, JobRunrError, ScheduleError, UnknownZoneError
from tests.unit.cron import expressions
from tests.unit.cron.slow_cron import DAY, means_date, means_time

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)  # a Thursday
A_SECOND_BEFORE = timedelta(seconds=1)


def days_of_2026(days: str) -> list[str]:
    """The days of the year 2026 that three fields mean, as 01-31."""
    runs = CronExpression(f"0 12 {days}").upcoming(JANUARY)
    return [f"{run:%m-%d}" for run in takewhile(lambda run: run.year == 2026, runs)]


def days_of_january(days: str) -> list[int]:
    return [int(day[3:]) for day in days_of_2026(days) if day.startswith("01-")]


def times_of_a_day(times: str) -> list[str]:
    end = JANUARY + DAY
    runs = takewhile(lambda run: run < end, CronExpression(f"{times} * * *").upcoming(JANUARY - A_SECOND_BEFORE))
    return [f"{run:%H:%M:%S}".removesuffix(":00") for run in runs]


class TestTimesOfDay:
    @pytest.mark.parametrize(
        ("times", "meant"),
        [
            ("30 3", ["03:30"]),
            ("05 03", ["03:05"]),
            ("0,30 3,4", ["03:00", "03:30", "04:00", "04:30"]),
            ("0 9-11", ["09:00", "10:00", "11:00"]),
            ("0 22-2", ["00:00", "01:00", "02:00", "22:00", "23:00"]),
            ("0 22-3/2", ["00:00", "02:00", "22:00"]),
            ("0 23-3/2", ["01:00", "03:00", "23:00"]),
            ("55-5/5 7", ["07:00", "07:05", "07:55"]),
            ("0 */6", ["00:00", "06:00", "12:00", "18:00"]),
            ("0 */7", ["00:00", "07:00", "14:00", "21:00"]),
            ("0 */24", ["00:00"]),
            ("0 5/6", ["05:00", "11:00", "17:00", "23:00"]),
            ("50/4 8", ["08:50", "08:54", "08:58"]),
            ("0 9-17/4", ["09:00", "13:00", "17:00"]),
            ("0 9-18/4", ["09:00", "13:00", "17:00"]),
            ("0 5-5", ["05:00"]),
            ("3,1,2,2 0", ["00:01", "00:02", "00:03"]),
            ("0 12-13,13-14,*/12", ["00:00", "12:00", "13:00", "14:00"]),
            ("15 30 9", ["09:30:15"]),
            ("*/20 59 23", ["23:59", "23:59:20", "23:59:40"]),
            ("59 59 23", ["23:59:59"]),
        ],
    )
    def test_are_those_of_the_fields(self, times: str, meant: list[str]) -> None:
        assert times_of_a_day(times) == meant

    @given(expressions.by_minute, st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)))
    def test_are_those_that_are_meant(self, text: str, begin: datetime) -> None:
        begin = begin.replace(second=0, microsecond=0)
        minutes = [begin + timedelta(minutes=minute) for minute in range(1, 1440)]
        runs = CronExpression(text).upcoming(begin.replace(tzinfo=UTC))
        within = takewhile(lambda run: run < begin + DAY, (run.replace(tzinfo=None) for run in runs))

        assert list(within) == [minute for minute in minutes if means_time(text, minute)]


class TestDays:
    @pytest.mark.parametrize(
        ("days", "meant"),
        [
            ("13 * *", [13]),
            ("1-3,30 * *", [1, 2, 3, 30]),
            ("30-2 * *", [1, 2, 30, 31]),
            ("*/10 * *", [1, 11, 21, 31]),
            ("25/3 * *", [25, 28, 31]),
            ("* * MON", [5, 12, 19, 26]),
            ("* * monday", [5, 12, 19, 26]),
            ("* * 0", [4, 11, 18, 25]),
            ("* * 7", [4, 11, 18, 25]),
            ("* * Sun", [4, 11, 18, 25]),
            ("* * 6-7", [3, 4, 10, 11, 17, 18, 24, 25, 31]),
            ("* * SAT-SUN", [3, 4, 10, 11, 17, 18, 24, 25, 31]),
            ("* * FRI-MON/2", [2, 4, 9, 11, 16, 18, 23, 25, 30]),
            ("* * 7-1", [4, 5, 11, 12, 18, 19, 25, 26]),
            ("* * WED/2", [2, 7, 9, 14, 16, 21, 23, 28, 30]),
            ("* * 7/3", [3, 4, 7, 10, 11, 14, 17, 18, 21, 24, 25, 28, 31]),
            ("* * 0-7/3", [3, 4, 7, 10, 11, 14, 17, 18, 21, 24, 25, 28, 31]),
            ("L * *", [31]),
            ("L-2 * *", [29]),
            ("l,lw * *", [30, 31]),
            ("LW * *", [30]),
            ("LW-3 * *", [27]),
            ("1W * *", [1]),
            ("3W * *", [2]),
            ("4W * *", [5]),
            ("31W * *", [30]),
            ("1W+2 * *", [3]),
            ("3W,4W,L,10-11 * *", [2, 5, 10, 11, 31]),
            ("* * 5L", [30]),
            ("* * FRIL", [30]),
            ("* * fridayL,MON", [5, 12, 19, 26, 30]),
            ("* * 0L", [25]),
            ("* * 7L", [25]),
            ("* * FRI#1", [2]),
            ("* * FRI#5", [30]),
            ("* * MON#5", []),
            ("* * 7#1,1#2", [4, 12]),
            ("* JAN-MAR *", [*range(1, 32)]),
            ("* january THU#1", [1]),
            ("1 FEB *", []),
        ],
    )
    def test_are_those_of_january_2026(self, days: str, meant: list[int]) -> None:
        assert days_of_january(days) == meant

    @pytest.mark.parametrize(
        ("days", "meant"),
        [
            ("1W * *", "01-01 02-02 03-02 04-01 05-01 06-01 07-01 08-03 09-01 10-01 11-02 12-01"),
            ("LW * *", "01-30 02-27 03-31 04-30 05-29 06-30 07-31 08-31 09-30 10-30 11-30 12-31"),
            ("31W * *", "01-30 03-31 05-29 07-31 08-31 10-30 12-31"),
            ("31 * *", "01-31 03-31 05-31 07-31 08-31 10-31 12-31"),
            ("L-29 * *", "01-02 03-02 04-01 05-02 06-01 07-02 08-02 09-01 10-02 11-01 12-02"),
            ("LW-27 * *", "01-03 03-04 04-03 05-02 06-03 07-04 08-04 09-03 10-03 11-03 12-04"),
            ("28W+2 * *", "01-30 03-29 04-30 05-30 07-30 08-30 09-30 10-30 11-29 12-30"),
            ("1 nov-feb *", "01-01 02-01 11-01 12-01"),
            ("1 */5 *", "01-01 06-01 11-01"),
            ("* * TUE#5", "03-31 06-30 09-29 12-29"),
        ],
    )
    def test_are_those_of_a_year(self, days: str, meant: str) -> None:
        assert days_of_2026(days) == meant.split()

    def test_are_the_days_of_either_field_when_both_are_restricted(self) -> None:
        assert days_of_january("13 * FRI") == [2, 9, 13, 16, 23, 30]
        assert days_of_january("1,*/10 * FRI") == [1, 2, 9, 11, 16, 21, 23, 30, 31]

    def test_are_the_days_of_both_fields_when_one_begins_with_a_star(self) -> None:
        assert days_of_january("*/2 * FRI") == [9, 23]
        assert days_of_january("*/2,4 * FRI") == [9, 23]
        assert days_of_january("13-19 * */5") == [16, 18]

    @given(expressions.by_day, st.dates(datetime(1990, 1, 1).date(), datetime(2040, 1, 1).date()))
    def test_are_those_that_are_meant(self, text: str, begin: datetime) -> None:
        noon = datetime(begin.year, begin.month, begin.day, 12, tzinfo=UTC)
        days = [begin + day * DAY for day in range(500)]
        meant = [day for day in days if means_date(text, day)]
        try:
            runs = CronExpression(text).upcoming(noon - A_SECOND_BEFORE)
        except CronError:
            meant = [day for day in range(28 * 366) if means_date(text, begin + day * DAY)]
            within = []
        else:
            within = [run.date() for run in takewhile(lambda run: run <= noon + 499 * DAY, runs)]

        assert within == meant

    def test_a_rare_day_is_found(self) -> None:
        leap_days = CronExpression("0 0 29 2 *").upcoming(datetime(2096, 1, 1, tzinfo=UTC))
        fifth_mondays_in_february = CronExpression("0 0 */28 2 1#5")

        assert [run.year for run in islice(leap_days, 3)] == [2096, 2104, 2108]
        assert fifth_mondays_in_february.next(datetime(2072, 1, 1, tzinfo=UTC)).year == 2072
        assert fifth_mondays_in_february.next(datetime(2072, 3, 1, tzinfo=UTC)).year == 2112  # no leap year in 2100
        assert fifth_mondays_in_february.previous(datetime(2112, 1, 1, tzinfo=UTC)).year == 2072


@pytest.mark.parametrize(
    ("macro", "text"),
    [
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * 0"),
        ("@daily", "0 0 * * *"),
        ("@Midnight", "0 0 * * *"),
        (" @HOURLY ", "0 * * * *"),
    ],
)
def test_a_macro_stands_for_an_expression(macro: str, text: str) -> None:
    expected = islice(CronExpression(text).upcoming(JANUARY), 5)

    assert list(islice(CronExpression(macro).upcoming(JANUARY), 5)) == list(expected)
    assert str(CronExpression(macro)) == macro.strip().lower()


NUMBERS = {"minute": "0 to 59", "hour": "0 to 23", "second": "0 to 59"}
DAYS = r"1 to 31, L, L-n, nW, nW\+k, LW, LW-k"
WEEKDAYS = r"0 to 7, SUN to SAT \(0 and 7 are Sunday\), nL, n#1 to n#5"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("60 * * * *", "minute cannot be '60'; allowed: 0 to 59."),
        ("-1 * * * *", "minute cannot be '-1'; allowed: 0 to 59."),
        ("1- * * * *", "minute cannot be '1-'; allowed: 0 to 59."),
        ("1-2-3 * * * *", "minute cannot be '2-3'; allowed: 0 to 59."),
        ("1,,2 * * * *", "minute cannot be ''; allowed: 0 to 59."),
        ("*5 * * * *", r"minute cannot be '\*5'; allowed: 0 to 59."),
        ("1.5 * * * *", "minute cannot be '1.5'; allowed: 0 to 59."),
        ("٣ * * * *", "minute cannot be '٣'; allowed: 0 to 59."),
        ("99999999999999999999 * * * *", "minute cannot be '9+'; allowed: 0 to 59."),
        ("H * * * *", "minute cannot be 'H'; allowed: 0 to 59."),
        ("60 0 * * * *", "second cannot be '60'; allowed: 0 to 59."),
        ("0 24 * * *", "hour cannot be '24'; allowed: 0 to 23."),
        ("0 MON * * *", "hour cannot be 'MON'; allowed: 0 to 23."),
        ("0 0 0 * *", f"day of month cannot be '0'; allowed: {DAYS}."),
        ("0 0 32 * *", f"day of month cannot be '32'; allowed: {DAYS}."),
        ("0 0 32W * *", f"day of month cannot be '32'; allowed: {DAYS}."),
        ("0 0 W * *", f"day of month cannot be 'W', L and W stand alone or in lists; allowed: {DAYS}."),
        ("0 0 1-5W * *", f"day of month cannot be '1-5W', L and W stand alone or in lists; allowed: {DAYS}."),
        ("0 0 L/2 * *", f"day of month cannot be 'L/2', L and W stand alone or in lists; allowed: {DAYS}."),
        ("0 0 5L * *", f"day of month cannot be '5L', L and W stand alone or in lists; allowed: {DAYS}."),
        ("0 0 L-31 * *", f"day of month cannot be 'L-31', the distance is 1 to 30; allowed: {DAYS}."),
        ("0 0 LW-0 * *", f"day of month cannot be 'LW-0', the distance is 1 to 30; allowed: {DAYS}."),
        ("0 0 1W+999 * *", rf"day of month cannot be '1W\+999', the distance is 1 to 30; allowed: {DAYS}."),
        ("0 0 ? * MON", rf"day of month cannot be '\?', write \* where Quartz has \?; allowed: {DAYS}."),
        ("0 0 * 0 *", "month cannot be '0'; allowed: 1 to 12, JAN to DEC."),
        ("0 0 * 13 *", "month cannot be '13'; allowed: 1 to 12, JAN to DEC."),
        ("0 0 * MAI *", "month cannot be 'MAI'; allowed: 1 to 12, JAN to DEC."),
        ("0 0 * L *", "month cannot be 'L'; allowed: 1 to 12, JAN to DEC."),
        ("0 0 * * 8", f"day of week cannot be '8'; allowed: {WEEKDAYS}."),
        ("0 0 * * FRY", f"day of week cannot be 'FRY'; allowed: {WEEKDAYS}."),
        ("0 0 * * L", f"day of week cannot be 'L', which weekday is not said: write SATL .*; allowed: {WEEKDAYS}."),
        ("0 0 * * MON-FRIL", f"day of week cannot be 'MON-FRIL', L stands behind one weekday; allowed: {WEEKDAYS}."),
        ("0 0 * * MON#6", f"day of week cannot be 'MON#6', a month has up to five of each weekday; allowed: {WEEKDAYS}."),
        ("0 0 * * MON#0", "day of week cannot be 'MON#0', a month has up to five"),
        ("0 0 * * MON#", "day of week cannot be 'MON#', a month has up to five"),
        ("0 0 * * #2", f"day of week cannot be ''; allowed: {WEEKDAYS}."),
        ("*/0 * * * *", r"the step of the minute '\*/0' cannot be '0'; allowed: 1 to 60."),
        ("*/61 * * * *", r"the step of the minute '\*/61' cannot be '61'; allowed: 1 to 60."),
        ("0 */25 * * *", r"the step of the hour '\*/25' cannot be '25'; allowed: 1 to 24."),
        ("*/ * * * *", r"the step of the minute '\*/' cannot be ''; allowed: 1 to 60."),
        ("1/2/3 * * * *", "the step of the minute '1/2/3' cannot be '2/3'; allowed: 1 to 60."),
        ("0 0 * */MAR *", r"the step of the month '\*/MAR' cannot be 'MAR'; allowed: 1 to 12."),
        ("0 0 30 2 *", r"day of month '30' in month '2' with day of week '\*' is a day that no year has"),
        ("0 0 0 31 APR,JUN *", r"day of month '31' in month 'APR,JUN' with day of week '\*' is a day that no year has"),
        ("0 0 */31 2,4 MON#2", r"day of month '\*/31' in month '2,4'"),
        ("0 0 31W+3 * *", r"day of month '31W\+3' in month '\*'"),
        ("", "it has 0 fields; allowed: 5, or 6 with seconds first."),
        ("* * *", "it has 3 fields; allowed: 5, or 6 with seconds first."),
        ("0 12 * */2", r"it has 4 fields; allowed: 5, or 6 with seconds first \(.*put a \* for the one that is missing\)."),
        ("0 0 12 * * ? 2026", "it has 7 fields; allowed: 5, or 6 with seconds first .there is no field for years; leave"),
        ("@reboot", "@reboot is not supported: a job cannot wait for a machine to start; enqueue it when the application"),
        ("@every 5m", r"@every is not supported: cron knows times, not distances; write \*/5 \* \* \* \* for every five"),
        ("@fortnightly", "of the words with @ there are @yearly, @annually, @monthly, .*, each alone."),
        ("@daily *", "of the words with @ there are @yearly"),
        ("@", "of the words with @ there are @yearly"),
        (15, "it is no text; write one such as '0 3 "),
        (None, "it is no text; write one such as '0 3 "),
    ],
)
def test_what_has_no_meaning_is_refused_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(CronError, match=f"^Cron expression .*: {sentence}") as caught:
        CronExpression(text)

    assert str(caught.value).startswith(f"Cron expression {text!r}: ")
    assert str(caught.value).endswith(".")


@given(st.text(max_size=20) | st.text("0159*/,-#LW+? @MONFRIA", max_size=30))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    with suppress(CronError):
        assert CronExpression(text).text == " ".join(text.split()).upper() or text.lstrip().startswith("@")


def test_a_refusal_is_an_error_of_ours_and_a_value_error() -> None:
    assert issubclass(CronError, ScheduleError) and issubclass(UnknownZoneError, ScheduleError)
    assert issubclass(ScheduleError, JobRunrError) and issubclass(ScheduleError, ValueError)


class TestValue:
    def test_the_text_is_as_written_with_single_spaces_and_capitals(self) -> None:
        assert str(CronExpression("  0 9\t* jan-Mar   monday,fril ")) == "0 9 * JAN-MAR MONDAY,FRIL"

    @given(expressions.anything)
    def test_the_text_means_the_same_again(self, text: str) -> None:
        try:
            expression = CronExpression(text.lower(), "Europe/Brussels")
        except CronError:
            return
        again = CronExpression(str(expression), "Europe/Brussels")

        assert again == expression and again.next(JANUARY) == expression.next(JANUARY)

    def test_is_equal_when_text_and_zone_are(self) -> None:
        expression = CronExpression("0 9 * * mon", "Europe/Brussels")

        assert expression == CronExpression("0  9 * * MON", ZoneInfo("Europe/Brussels"))
        assert len({expression, CronExpression("0 9 * * MON", "Europe/Brussels")}) == 1
        assert expression != CronExpression("0 9 * * MON", "Europe/Paris")
        assert expression != CronExpression("0 9 * * TUE", "Europe/Brussels")
        assert expression != "0 9 * * MON"

    def test_is_immutable(self) -> None:
        expression = CronExpression("@daily")

        for name in ("text", "zone", "anything"):
            with pytest.raises(AttributeError):
                setattr(expression, name, "0 0 * * *")

    def test_shows_how_to_make_it(self) -> None:
        assert repr(CronExpression("@daily")) == "CronExpression('@daily', 'UTC')"

    def test_can_be_sent_to_another_process(self) -> None:
        expression = CronExpression("0 9 * * MON", "Europe/Brussels")

        assert pickle.loads(pickle.dumps(expression)) == expression
