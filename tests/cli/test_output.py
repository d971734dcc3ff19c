"""Text for terminals."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from jobrunr.cli import output


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ☃", "plain ☃"),
        ("two\nlines\r\t", "two\\nlines\\r\\t"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x9b31m", "\\x9b31m"),
        ("abc\u202edef", "abc\\u202edef"),
        ("\ud800", "\\ud800"),
    ],
)
def test_control_characters_are_shown_and_not_obeyed(text: str, shown: str) -> None:
    assert output.printable(text) == shown


@pytest.mark.parametrize(
    ("text", "width", "fitting"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("東京都", 6, "東京都"),
        ("東京都", 5, "東京…"),
        ("e\u0301e\u0301e", 3, "e\u0301e\u0301e"),
    ],
)
def test_text_is_cut_by_the_cells_that_it_takes(text: str, width: int, fitting: str) -> None:
    assert output.fit(text, width) == fitting
    assert output.cells(fitting) <= width


def test_a_table_aligns_its_columns_and_cuts_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "columns", lambda: 20)

    lines = list(
        output.table(("NAME", "N", "TEXT"), [("東京", "7", "short"), ("a", "1,000", "much too long")], numbers=(1,))
    )

    assert lines == ["NAME      N  TEXT", "東京      7  short", "a     1,000  much t…"]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-1, "0 s"), (0.4, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (172_800, "2 d")],
)
def test_an_age_is_in_one_unit(seconds: float, shown: str) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)

    assert output.age(now - timedelta(seconds=seconds), now) == shown


@pytest.mark.parametrize(("count", "shown"), [(0, "0 bytes"), (1536, "1.5 KiB"), (88_080_384, "84 MiB"), (2**31, "2.0 GiB")])
def test_a_size_is_in_the_unit_that_suits_it(count: int, shown: str) -> None:
    assert output.size(count) == shown


def test_moments_are_in_the_time_zone_of_this_machine_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    at = datetime(2026, 11, 23, 23, 30, 0, 5000, tzinfo=UTC)
    monkeypatch.setenv("TZ", "CET-1")
    time.tzset()

    assert (output.moment(at), output.zone(at)) == ("2026-11-24 00:30:00.005", "UTC+01:00")

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    assert (output.moment(at), output.zone(at)) == ("2026-11-23 23:30:00.005", "UTC")
