from __future__ import annotations

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobrunr.durations import format_duration, parse_duration

PERIODS = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=36_500))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("36h", timedelta(hours=36)),
        ("15s", timedelta(seconds=15)),
        ("250ms", timedelta(milliseconds=250)),
        ("7us", timedelta(microseconds=7)),
        ("7 µs", timedelta(microseconds=7)),
        ("1h30m", timedelta(hours=1, minutes=30)),
        ("1 h 30 min", timedelta(hours=1, minutes=30)),
        (" 1.5H ", timedelta(minutes=90)),
        ("3d", timedelta(days=3)),
        ("2w", timedelta(weeks=2)),
        ("0s", timedelta(0)),
        ("PT36H", timedelta(hours=36)),
        ("P2W", timedelta(weeks=2)),
        ("P1DT2H3M4.5S", timedelta(days=1, hours=2, minutes=3, seconds=4.5)),
        ("pt15s", timedelta(seconds=15)),
        ("90", timedelta(seconds=90)),
        ("0.25", timedelta(milliseconds=250)),
        (90, timedelta(seconds=90)),
        (0.25, timedelta(milliseconds=250)),
        (timedelta(minutes=5), timedelta(minutes=5)),
    ],
)
def test_reads_what_people_write(written: str | float | timedelta, meant: timedelta) -> None:
    assert parse_duration(written) == meant


@pytest.mark.parametrize(
    "written",
    [
        "",
        " ",
        "h",
        "soon",
        "5 minutes",
        "1h 2",
        "1hm",
        "1h,2m",
        "-5s",
        "1e3",
        "nan",
        "inf",
        "P1Y",
        "P1M",
        "PT",
        "-PT5S",
        "9" * 12 + "d",
    ],
)
def test_refuses_a_text_that_is_no_duration(written: str) -> None:
    with pytest.raises(ValueError, match="is no duration; write"):
        parse_duration(written)


@pytest.mark.parametrize("written", [-1, -0.5, math.nan, math.inf, 1e30, True, None, [], timedelta(seconds=-1)])
def test_refuses_a_value_that_is_no_duration(written: object) -> None:
    with pytest.raises(ValueError, match="is no duration; write"):
        parse_duration(written)  # type: ignore[arg-type]


def test_the_refusal_names_the_value_and_shows_how_to_write_one() -> None:
    with pytest.raises(ValueError, match=r'^\'soon\' is no duration; write "36h", "15s", .* or a number of seconds\.$'):
        parse_duration("soon")


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(0), "0 s"),
        (timedelta(microseconds=1), "1 µs"),
        (timedelta(milliseconds=250), "250 ms"),
        (timedelta(seconds=0.99996), "1 s"),
        (timedelta(seconds=1.5), "1.5 s"),
        (timedelta(seconds=59.96), "1 min"),
        (timedelta(seconds=90), "1 min 30 s"),
        (timedelta(minutes=59, seconds=59.6), "1 h"),
        (timedelta(hours=36), "36 h"),
        (timedelta(hours=71, minutes=59), "71 h 59 min"),
        (timedelta(hours=72), "3 d"),
        (timedelta(days=4, hours=4, minutes=29), "4 d 4 h"),
        (timedelta(seconds=-90), "-1 min 30 s"),
    ],
)
def test_writes_for_people(duration: timedelta, text: str) -> None:
    assert format_duration(duration) == text


@given(PERIODS)
def test_what_is_written_for_people_reads_back_as_nearly_the_same(duration: timedelta) -> None:
    again = parse_duration(format_duration(duration))

    assert abs(again - duration) <= max(duration * 0.0085, timedelta(microseconds=1))  # half of 1 s in a minute


@given(PERIODS)
def test_what_is_written_for_people_stays_the_same_when_read_and_written_again(duration: timedelta) -> None:
    text = format_duration(duration)

    assert format_duration(parse_duration(text)) == text
