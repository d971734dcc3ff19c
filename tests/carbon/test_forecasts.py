"""When a source is asked, what becomes of its answers, and of those that are none."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from jobrunr import Forecast, ForecastSlot
from jobrunr.carbon import FORECAST, PROBLEM, KeptForecast, Known
from jobrunr.server.forecasts import Forecasts
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing import TestClock
from tests.carbon.sources import HOUR, NOON, SlowSource, Source, ever_cleaner
from tests.server.conftest import eventually

MINUTE = timedelta(minutes=1)


@pytest.fixture
def storage() -> MemoryStorageProvider:
    return MemoryStorageProvider(TestClock(NOON))


@pytest.fixture
def source() -> Source:
    return Source()


def call(ask: Callable[[], None]) -> None:
    ask()


@pytest.fixture
def forecasts(storage: MemoryStorageProvider, source: Source) -> Forecasts:
    return Forecasts(storage, source, in_background=call)


def look(forecasts: Forecasts, at: datetime) -> Known:
    """Look, and look at the answer if that made somebody ask."""
    forecasts.look(at)
    return forecasts.look(at)


def problem(storage: MemoryStorageProvider) -> str:
    return storage.get_metadata(PROBLEM) or ""


class TestAsking:
    def test_about_once_a_day_and_the_answer_is_kept_for_the_next_master(
        self, storage: MemoryStorageProvider, source: Source
    ) -> None:
        source.answer = ever_cleaner(hours=48)
        for hours, asked in [(0, 1), (0.1, 1), (23, 1), (24, 2), (47, 2), (48, 3)]:
            known = look(Forecasts(storage, source, in_background=call), NOON + hours * HOUR)
            assert known.forecast == source.answer
            assert source.asked == asked
            source.answer = ever_cleaner(NOON + hours * HOUR, hours=48) if hours in (23, 47) else source.answer

    def test_when_there_is_a_newer_one_as_the_forecast_says_but_not_at_once(
        self, forecasts: Forecasts, source: Source
    ) -> None:
        source.answer = Forecast(slots=(), next_at=NOON + 6 * HOUR)
        for hours in (0, 5, 6):
            look(forecasts, NOON + hours * HOUR)
        assert source.asked == 2
        source.answer = Forecast(slots=ever_cleaner(hours=48).slots, next_at=NOON)
        for hours in (6.9, 7, 7.9, 8):
            look(forecasts, NOON + hours * HOUR)
        assert source.asked == 4

    def test_nobody_is_asked_where_there_is_no_source(self, storage: MemoryStorageProvider, forecasts: Forecasts) -> None:
        known = look(forecasts, NOON).forecast
        assert Forecasts(storage, None).look(NOON + 48 * HOUR) == Known(known, ask_at=None)

    @pytest.mark.parametrize(
        "note",
        [
            "not JSON",
            "{}",
            '{"tried_at": "2026-03-02T12:00:00"}',
            '{"tried_at": "2026-03-02T12:00:00Z", "forecast": {"slots": [{"start": "2026-03-02T12:00", "intensity": 1}]}}',
        ],
    )
    def test_a_damaged_note_is_asked_for_again(
        self, storage: MemoryStorageProvider, forecasts: Forecasts, source: Source, note: str
    ) -> None:
        storage.put_metadata(FORECAST, note)
        assert look(forecasts, NOON).forecast == source.answer

    def test_a_clock_that_was_put_back_does_not_keep_it_from_asking(
        self, storage: MemoryStorageProvider, forecasts: Forecasts, source: Source
    ) -> None:
        kept = KeptForecast(tried_at=NOON + 240 * HOUR, got_at=NOON + 240 * HOUR, forecast=ever_cleaner(NOON + 240 * HOUR))
        storage.put_metadata(FORECAST, kept.note)
        assert look(forecasts, NOON).forecast == source.answer

    def test_another_master_that_was_faster_has_the_last_word(
        self, storage: MemoryStorageProvider, forecasts: Forecasts, source: Source
    ) -> None:
        forecasts.look(NOON)
        newer = ever_cleaner(NOON + HOUR)
        look(Forecasts(storage, Source(newer), in_background=call), NOON + HOUR)
        assert forecasts.look(NOON + HOUR).forecast == newer


class TestFailures:
    def test_are_a_problem_until_there_is_a_forecast(
        self, storage: MemoryStorageProvider, forecasts: Forecasts, source: Source
    ) -> None:
        source.answer = RuntimeError("no electricity")
        look(forecasts, NOON)
        assert problem(storage) == (
            "There is no new forecast of carbon intensity: RuntimeError: no electricity. "
            "It is asked for again at 2026-03-02 12:15 UTC."
        )
        source.answer = ever_cleaner()
        assert look(forecasts, NOON + 0.25 * HOUR).forecast == source.answer
        assert problem(storage) == ""

    def test_are_tried_again_after_a_pause_that_grows(self, forecasts: Forecasts, source: Source) -> None:
        source.answer = RuntimeError("no electricity")
        tries = []
        for minute in range(24 * 60):
            asked = source.asked
            look(forecasts, NOON + minute * MINUTE)
            if source.asked > asked:
                tries.append(minute)
        assert tries == [0, 15, 45, 105, 225, 465, 705, 945, 1185, 1425]

    def test_leave_what_was_known(self, storage: MemoryStorageProvider, forecasts: Forecasts, source: Source) -> None:
        before = look(forecasts, NOON).forecast
        source.answer = RuntimeError("no electricity")
        known = look(forecasts, NOON + 24 * HOUR)
        assert (known.forecast, known.ask_at) == (before, NOON + 24.25 * HOUR)
        assert "no electricity" in problem(storage)

    @pytest.mark.parametrize(
        ("answer", "says"),
        [
            ({"slots": []}, "no Forecast, but {'slots'"),
            (Forecast(slots=()), "no slots"),
            (ever_cleaner(NOON - 24 * HOUR), "It is over"),
            (Forecast(slots=5), "slots are 5"),  # type: ignore[arg-type]
            (Forecast(slots=("x",)), "no ForecastSlot, but 'x'"),  # type: ignore[arg-type]
            (Forecast(slots=(ForecastSlot(NOON.replace(tzinfo=None), 1),)), "time zone"),
            (Forecast(slots=(ForecastSlot("12:00", 1),)), "time zone"),  # type: ignore[arg-type]
            (Forecast(slots=(ForecastSlot(NOON.replace(year=9999), 1),)), "in our times"),
            (Forecast(slots=(ForecastSlot(NOON, math.nan),)), "finite"),
            (Forecast(slots=(ForecastSlot(NOON, -math.inf),)), "finite"),
            (Forecast(slots=(ForecastSlot(NOON, 10**400),)), "finite"),
            (Forecast(slots=(ForecastSlot(NOON, "low"),)), "finite"),  # type: ignore[arg-type]
            (Forecast(slots=(ForecastSlot(NOON, 1),), interval=-HOUR), "interval"),
            (Forecast(slots=(ForecastSlot(NOON, 1),), interval=3600), "interval"),  # type: ignore[arg-type]
            (Forecast(slots=(ForecastSlot(NOON, 1),), next_at=NOON.replace(tzinfo=None)), "next_at"),
            (Forecast(slots=(ForecastSlot(NOON, 1),), next_at=NOON + 300 * HOUR), "too far away"),
            (RuntimeError(), "RuntimeError"),
            (RuntimeError(" "), "RuntimeError"),
            (RuntimeError("\0\ud800"), "RuntimeError: \ufffd\ufffd"),
            (SystemExit(), "SystemExit"),
        ],
        ids=repr,
    )
    def test_are_told_in_words_whatever_the_source_does(
        self, storage: MemoryStorageProvider, forecasts: Forecasts, source: Source, answer: object, says: str
    ) -> None:
        source.answer = answer
        assert look(forecasts, NOON) == Known(None, ask_at=NOON + 15 * MINUTE)
        assert says in problem(storage)

    def test_a_source_whose_error_cannot_be_shown_is_no_exception(
        self, storage: MemoryStorageProvider, forecasts: Forecasts, source: Source
    ) -> None:
        class UnspeakableError(Exception):
            def __str__(self) -> str:
                raise ValueError

        source.answer = UnspeakableError()
        look(forecasts, NOON)
        assert "UnspeakableError" in problem(storage)

    def test_a_system_without_another_thread_is_one(self, storage: MemoryStorageProvider, source: Source) -> None:
        def no_thread(ask: Callable[[], None]) -> None:
            raise RuntimeError("can't start new thread")

        look(Forecasts(storage, source, in_background=no_thread), NOON)
        assert "can't start new thread" in problem(storage)


def test_what_it_answers_is_put_in_order_and_in_utc(forecasts: Forecasts, source: Source) -> None:
    elsewhere = datetime.fromisoformat("2026-03-02T15:00:00+02:00")
    source.answer = Forecast(slots=[ForecastSlot(elsewhere, 1), ForecastSlot(NOON, 2)])  # type: ignore[arg-type]
    known = look(forecasts, NOON).forecast
    assert known is not None
    assert known.slots == (ForecastSlot(NOON, 2.0), ForecastSlot(NOON + HOUR, 1.0))
    assert known.slots[1].start.tzinfo is UTC


class TestSlowSources:
    def test_nobody_waits_for_one_and_its_answer_is_welcome_when_it_comes(self, storage: MemoryStorageProvider) -> None:
        source, answered = SlowSource(), []
        forecasts = Forecasts(storage, source)
        forecasts.answered = lambda: answered.append(1)
        assert forecasts.look(NOON) == Known(None, ask_at=NOON)
        assert forecasts.look(NOON + 0.9 * MINUTE) == Known(None, ask_at=NOON + 0.9 * MINUTE)
        assert problem(storage) == ""

        assert forecasts.look(NOON + MINUTE) == Known(None, ask_at=NOON + 16 * MINUTE)
        assert "no answer yet" in problem(storage)
        assert forecasts.look(NOON + 2 * MINUTE).ask_at == NOON + 16 * MINUTE
        assert forecasts.look(NOON + 16 * MINUTE).ask_at == NOON + 46 * MINUTE

        source.released.set()
        eventually(lambda: bool(answered))
        assert forecasts.look(NOON + 17 * MINUTE).forecast == ever_cleaner()
        assert problem(storage) == ""
        assert source.asked == 1
        assert all(thread.daemon for thread in source.threads)
