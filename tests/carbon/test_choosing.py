"""Windows, margins, and which time in a window is chosen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobrunr.carbon import CarbonAware, Forecast, ForecastSlot, Margin, choose_slot, read_margin
from jobrunr.errors import OptionError, ScheduleError
from jobrunr.jobs import CarbonWindow

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def hour(number: float) -> datetime:
    return NOON + number * HOUR


def window(earliest: float, preferred: float, deadline: float) -> CarbonWindow:
    return CarbonWindow(hour(earliest), hour(preferred), hour(deadline))


def forecast(*intensities: float, begin: float = 0) -> Forecast:
    return Forecast(slots=tuple(ForecastSlot(hour(begin + n), value) for n, value in enumerate(intensities)))


def start_of(slot: object) -> float | None:
    return None if slot is None else (slot[0] - NOON) / HOUR  # type: ignore[index]


class TestChoosing:
    def test_the_cleanest_slot_that_starts_in_the_window_is_chosen(self) -> None:
        assert start_of(choose_slot(window(1, 1, 5), forecast(1, 9, 7, 3, 8, 2), NOON)) == 3

    def test_of_equally_clean_ones_it_is_the_earliest(self) -> None:
        assert start_of(choose_slot(window(0, 0, 4), forecast(5, 3, 3, 4), NOON)) == 1

    def test_a_slot_that_begins_at_the_deadline_is_too_late(self) -> None:
        assert start_of(choose_slot(window(0, 0, 3), forecast(5, 4, 9, 1), NOON)) == 1

    def test_what_is_past_is_not_chosen(self) -> None:
        assert start_of(choose_slot(window(0, 4, 5), forecast(1, 9, 9, 7, 8), hour(0.5))) == 3

    def test_without_a_forecast_it_waits_for_one_until_shortly_before_its_preferred_time(self) -> None:
        assert choose_slot(window(0, 3, 5), None, NOON) is None
        assert start_of(choose_slot(window(0, 3, 5), None, hour(2.99))) == 3

    @pytest.mark.parametrize("known", [None, forecast(1, 1), forecast(1, 1, 1, 1, begin=1), forecast()])
    def test_with_none_that_covers_the_window_it_starts_at_its_preferred_time(self, known: Forecast | None) -> None:
        assert choose_slot(window(0, 2, 4), known, NOON) is None
        assert start_of(choose_slot(window(0, 2, 4), known, hour(2))) == 2

    def test_a_window_that_is_too_short_for_the_forecast_is_no_choice(self) -> None:
        assert start_of(choose_slot(window(0.2, 0.5, 1.8), forecast(9, 1, 5), NOON)) == 0.5

    def test_one_whose_time_is_over_starts_now(self) -> None:
        assert start_of(choose_slot(window(-5, -4, -3), None, NOON)) == 0

    @given(
        earliest=st.integers(0, 10),
        length=st.integers(1, 12),
        preferred=st.floats(0, 1),
        now=st.floats(-5, 30),
        known=st.lists(st.integers(0, 5), max_size=30),
    )
    def test_whatever_is_known_it_starts_in_its_window_or_waits(
        self, earliest: int, length: int, preferred: float, now: float, known: list[int]
    ) -> None:
        wanted = window(earliest, earliest + preferred * length, earliest + length)
        slot = choose_slot(wanted, forecast(*known), hour(now))
        if slot is None:
            assert hour(now) < wanted.preferred
        else:
            assert slot.start >= hour(now)
            assert wanted.earliest <= slot.start or slot.start == hour(now)
            assert slot.start <= wanted.deadline or slot.start == hour(now)


class TestWindows:
    def test_between_two_moments_it_prefers_the_first(self) -> None:
        assert CarbonAware.between(hour(1), hour(5)).window(NOON) == window(1, 1, 5)

    def test_before_a_moment_it_prefers_now(self) -> None:
        assert CarbonAware.before(hour(5)).window(NOON) == window(0, 0, 5)

    def test_around_a_moment_it_prefers_that(self) -> None:
        assert CarbonAware.at(hour(3), before=HOUR, after=2 * HOUR).window(NOON) == window(2, 3, 5)

    @pytest.mark.parametrize(
        ("make", "says"),
        [
            (lambda: CarbonAware.between(hour(5), hour(1)), "not after its beginning"),
            (lambda: CarbonAware.between(NOON, NOON), "not after its beginning"),
            (lambda: CarbonAware.before(NOON.replace(tzinfo=None)), "time zone"),
            (lambda: CarbonAware.at(NOON, -HOUR, HOUR), "zero or more"),
        ],
    )
    def test_what_is_no_window_is_refused(self, make: Callable[[], object], says: str) -> None:
        with pytest.raises(OptionError, match=says):
            make()


class TestMargins:
    @pytest.mark.parametrize(
        ("text", "schedule", "margin"),
        [
            ("0 3 * * *", "0 3 * * *", None),
            ("0 3 * * * [PT2H/PT4H]", "0 3 * * *", Margin(2 * HOUR, 4 * HOUR)),
            ("P1D [0s/90m]", "P1D", Margin(0 * HOUR, 1.5 * HOUR)),
            ("0 3 * * * [PT0S/PT4H]", "0 3 * * *", Margin(0 * HOUR, 4 * HOUR)),
            ("shop:Days(['a'])", "shop:Days(['a'])", None),
            ("shop:Days(['a']) [PT2H/PT4H]", "shop:Days(['a'])", Margin(2 * HOUR, 4 * HOUR)),
        ],
    )
    def test_a_margin_stands_behind_the_schedule(self, text: str, schedule: str, margin: Margin | None) -> None:
        assert read_margin(text) == (schedule, margin)

    @pytest.mark.parametrize("text", ["0 3 * * * [PT2H]", "0 3 * * * [2/x]", "0 3 * * * []", "[PT1H/PT1H]"])
    def test_what_is_none_is_refused(self, text: str) -> None:
        with pytest.raises(ScheduleError, match=r"\[before/after\]"):
            read_margin(text)
