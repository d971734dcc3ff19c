"""Windows, margins, and which time in a window is chosen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobrunr.carbon import CarbonAware, Forecast, ForecastSlot, Known, Margin, choose_slot, read_margin
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


def start(
    wanted: CarbonWindow, now: float, known: Forecast | None, *, ask_at: float | None = 99, since: float | None = None
) -> float | None:
    """When it starts; None when it waits."""
    knows = Known(known, None if ask_at is None else hour(ask_at))
    slot = choose_slot(wanted, knows, hour(now), None if since is None else hour(since))
    return None if slot is None else (slot.start - NOON) / HOUR


class TestChoosing:
    def test_the_cleanest_slot_that_starts_in_the_window_is_chosen(self) -> None:
        assert start(window(1, 1, 5), 0, forecast(1, 9, 7, 3, 8, 2)) == 3

    def test_of_equally_clean_ones_it_is_the_earliest(self) -> None:
        assert start(window(0, 0, 4), 0, forecast(5, 3, 3, 4)) == 1

    def test_a_slot_that_begins_at_the_deadline_is_too_late(self) -> None:
        assert start(window(0, 0, 3), 0, forecast(5, 4, 9, 1)) == 1

    def test_what_is_past_is_not_chosen(self) -> None:
        assert start(window(0, 4, 5), 0.5, forecast(1, 9, 9, 7, 8)) == 3

    @pytest.mark.parametrize("known", [None, forecast(1, 1), forecast(1, 1, 1, 1, begin=1), forecast()])
    def test_with_none_that_covers_the_window_it_starts_at_its_preferred_time(self, known: Forecast | None) -> None:
        assert start(window(0, 2, 4), 0, known) is None
        assert start(window(0, 2, 4), 2, known) == 2

    def test_a_forecast_that_begins_with_the_next_slot_is_enough(self) -> None:
        assert start(window(0.1, 0.1, 4), 0.1, forecast(9, 3, 5, begin=1)) == 2
        assert start(window(0.1, 0.1, 5), 0.1, forecast(9, 3, 5, begin=2)) == 0.1

    def test_a_window_that_is_too_short_for_the_forecast_is_no_choice(self) -> None:
        assert start(window(0.2, 0.5, 1.8), 0, forecast(9, 1, 5)) == 0.5

    @pytest.mark.parametrize("known", [None, forecast(*range(9), begin=-9), forecast(*range(9), begin=-5)])
    def test_one_whose_time_is_over_starts_now(self, known: Forecast | None) -> None:
        assert start(window(-5, -4, -3), 0, known) == 0


class TestWaiting:
    def test_without_a_forecast_it_waits_for_one_until_shortly_before_its_preferred_time(self) -> None:
        assert start(window(0, 3, 5), 0, None) is None
        assert start(window(0, 3, 5), 2.96, None, since=0) is None
        assert start(window(0, 3, 5), 2.97, None, since=0) == 3

    def test_one_that_prefers_now_waits_a_minute_for_an_answer(self) -> None:
        assert start(window(0, 0, 5), 0, None, ask_at=0) is None
        assert start(window(0, 0, 5), 0.9 / 60, None, ask_at=0, since=0) is None
        assert start(window(0, 0, 5), 1 / 60, None, ask_at=0, since=0) == 1 / 60

    def test_one_that_prefers_a_time_very_soon_waits_as_long_and_starts_then(self) -> None:
        assert start(window(0, 1.5 / 60, 5), 0.9 / 60, None, ask_at=0, since=0) is None
        assert start(window(0, 1.5 / 60, 5), 1 / 60, None, ask_at=0, since=0) == 1.5 / 60

    @pytest.mark.parametrize("ask_at", [None, 0.25])
    def test_it_does_not_wait_for_an_answer_that_does_not_come(self, ask_at: float | None) -> None:
        assert start(window(0, 0, 5), 0, None, ask_at=ask_at) == 0

    def test_a_short_window_is_not_worth_it(self) -> None:
        assert start(window(0, 0, 9 / 60), 0, None, ask_at=0) == 0
        assert start(window(0, 0, 11 / 60), 0, None, ask_at=0) is None

    def test_what_is_known_is_good_enough_unless_something_newer_is_coming(self) -> None:
        assert start(window(0, 0, 4), 0, forecast(5, 3, 4, 4), ask_at=1) == 1
        assert start(window(0, 0, 4), 0, forecast(5, 3, 4, 4), ask_at=0) is None
        assert start(window(0, 0, 4), 2 / 60, forecast(5, 3, 4, 4), ask_at=0, since=0) == 1

    @given(
        earliest=st.integers(0, 10),
        length=st.integers(1, 12),
        preferred=st.floats(0, 1),
        now=st.floats(-5, 30),
        waited=st.floats(0, 5),
        ask_at=st.none() | st.floats(-5, 30),
        known=st.lists(st.integers(0, 5), max_size=30),
    )
    def test_whatever_is_known_it_starts_in_its_window_or_waits_where_it_still_can(
        self,
        earliest: int,
        length: int,
        preferred: float,
        now: float,
        waited: float,
        ask_at: float | None,
        known: list[int],
    ) -> None:
        wanted = window(earliest, earliest + preferred * length, earliest + length)
        asked = Known(forecast(*known), None if ask_at is None else hour(ask_at))
        slot = choose_slot(wanted, asked, hour(now), hour(now - waited))
        if slot is None:
            assert hour(now) < max(wanted.preferred, hour(now - waited) + timedelta(minutes=1))
            assert hour(now) < wanted.deadline
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

    def test_margins_are_elapsed_time_whatever_the_clocks_do(self) -> None:
        five = datetime(2026, 3, 29, 5, tzinfo=ZoneInfo("Europe/Brussels"))  # three hours after they went forward
        assert CarbonAware.at(five, before=4 * HOUR, after=HOUR).earliest == datetime(2026, 3, 28, 23, tzinfo=UTC)
        autumn = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Brussels"))  # comes twice
        assert CarbonAware.between(autumn, autumn.replace(fold=1)).deadline == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("make", "says"),
        [
            (lambda: CarbonAware.between(hour(5), hour(1)), "not after its beginning"),
            (lambda: CarbonAware.between(NOON, NOON), "not after its beginning"),
            (lambda: CarbonAware.before(NOON.replace(tzinfo=None)), "time zone"),
            (lambda: CarbonAware.at(NOON.replace(tzinfo=None), HOUR, HOUR), "time zone"),
            (lambda: CarbonAware.before("tomorrow"), "time zone"),  # type: ignore[arg-type]
            (lambda: CarbonAware.at(NOON, -HOUR, HOUR), "zero or more"),
            (lambda: CarbonAware.at(NOON, HOUR, timedelta.max), "too long"),
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
