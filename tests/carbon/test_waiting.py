"""Jobs that wait for clean electricity, from the call to their start."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from jobrunr import CarbonAware, Forecast, ForecastSlot, Job, JobRunr, JobState
from jobrunr.server.duties.await_forecast import FORECAST, PROBLEM, AwaitForecast, Forecasts
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing import TestClock
from tests.recurring import jobs
from tests.server.conftest import FAST, eventually

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Source:
    """A forecast to be told."""

    def __init__(self) -> None:
        self.forecast: Forecast | Exception = Forecast(slots=tuple(ForecastSlot(NOON + n * HOUR, 9 - n) for n in range(6)))
        self.asked = 0

    def fetch(self) -> Forecast:
        self.asked += 1
        if isinstance(self.forecast, Exception):
            raise self.forecast
        return self.forecast


class Alone:
    """A membership of one."""

    is_master = True


@pytest.fixture
def clock() -> TestClock:
    return TestClock(NOON)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def app(clock: TestClock, source: Source) -> Iterator[JobRunr]:
    with JobRunr(MemoryStorageProvider(clock), carbon_forecast=source) as app:
        yield app


@pytest.fixture
def duty(app: JobRunr, clock: TestClock, source: Source) -> AwaitForecast:
    performer = app.performer(clock)
    return AwaitForecast(app.storage, Alone(), clock, Forecasts(app.storage, source), performer.filters_of)  # type: ignore[arg-type]


def in_four_hours(app: JobRunr) -> Job:
    """A job that may run within five hours, and would run in four."""
    window = CarbonAware.at(NOON + 4 * HOUR, before=4 * HOUR, after=HOUR)
    return app.scheduler.get(app.scheduler.schedule(window, jobs.sync))


def test_a_job_waits_and_is_scheduled_for_the_cleanest_time(app: JobRunr, duty: AwaitForecast) -> None:
    job = in_four_hours(app)
    assert (job.state, job.run_at) == (JobState.AWAITING, NOON + 4 * HOUR)

    assert duty.give_times() == 1

    job = app.scheduler.get(job.id)
    assert (job.state, job.run_at) == (JobState.SCHEDULED, NOON + 4 * HOUR)
    assert "cleanest" in str(job.reason)
    assert [change.state for change in job.history] == [JobState.AWAITING, JobState.SCHEDULED]


def test_without_a_source_nothing_waits(clock: TestClock) -> None:
    with JobRunr(MemoryStorageProvider(clock)) as app:
        job = in_four_hours(app)
    assert (job.state, job.run_at) == (JobState.SCHEDULED, NOON + 4 * HOUR)


def test_what_prefers_now_starts_now(app: JobRunr) -> None:
    job_id = app.scheduler.schedule(CarbonAware.before(NOON + 9 * HOUR), jobs.sync)
    assert app.scheduler.get(job_id).run_at == NOON


def test_one_that_waits_in_vain_starts_at_its_preferred_time(
    app: JobRunr, duty: AwaitForecast, source: Source, clock: TestClock
) -> None:
    source.forecast = RuntimeError("no electricity")
    job = in_four_hours(app)
    assert duty.give_times() == 0
    clock.set(NOON + 4 * HOUR - timedelta(minutes=1))
    assert duty.give_times() == 1
    job = app.scheduler.get(job.id)
    assert (job.state, job.run_at) == (JobState.SCHEDULED, NOON + 4 * HOUR)


def test_a_failure_is_noted_as_a_problem_until_there_is_a_forecast(
    app: JobRunr, duty: AwaitForecast, source: Source, clock: TestClock
) -> None:
    good, source.forecast = source.forecast, RuntimeError("no electricity")
    in_four_hours(app)
    for _ in range(3):
        duty.give_times()
    assert source.asked == 1
    assert "no electricity" in str(app.storage.get_metadata(PROBLEM))
    source.forecast = good
    clock.advance(hours=1)
    duty.give_times()
    assert source.asked == 2
    assert app.storage.get_metadata(PROBLEM) == ""


def test_a_forecast_is_asked_for_once_a_day_and_kept_for_the_next_master(
    app: JobRunr, source: Source, clock: TestClock
) -> None:
    first = Forecasts(app.storage, source).current(NOON)
    assert Forecasts(app.storage, source).current(NOON + 23 * HOUR) == first
    assert source.asked == 1
    Forecasts(app.storage, source).current(NOON + 24 * HOUR)
    assert source.asked == 2


def test_one_that_says_when_there_is_a_newer_one_is_believed(app: JobRunr, source: Source) -> None:
    source.forecast = Forecast(slots=(), next_at=NOON + 6 * HOUR)
    for hours in (0, 5, 6):
        Forecasts(app.storage, source).current(NOON + hours * HOUR)
    assert source.asked == 2


def test_a_damaged_note_is_asked_for_again(app: JobRunr, source: Source) -> None:
    app.storage.put_metadata(FORECAST, "not JSON")
    assert Forecasts(app.storage, source).current(NOON) == source.forecast


def test_nobody_is_asked_while_nothing_waits(app: JobRunr, duty: AwaitForecast, source: Source) -> None:
    assert duty.give_times() == 0
    assert source.asked == 0


class TestRecurring:
    def test_its_jobs_are_made_when_their_windows_begin(self, app: JobRunr, duty: AwaitForecast, clock: TestClock) -> None:
        job_id = app.scheduler.options(window=(2 * HOUR, HOUR)).schedule_recurrently("0 16 * * *", jobs.sync)
        recurring = app.scheduler.recurring.get(job_id)
        assert recurring.schedule == "0 16 * * * [PT2H/PT1H]"
        assert (recurring.next_run_at, recurring.look_at) == (NOON + 4 * HOUR, NOON + 2 * HOUR)
        fire = app.fire(clock)
        assert fire.fire_due() == 0

        clock.set(NOON + 2 * HOUR)
        assert fire.fire_due() == 1

        (job,) = app.scheduler.find(recurring_job_id=job_id)
        assert (job.state, job.run_at) == (JobState.AWAITING, NOON + 4 * HOUR)
        duty.give_times()
        assert app.scheduler.get(job.id).run_at == NOON + 4 * HOUR
        assert app.scheduler.recurring.get(job_id).next_run_at == NOON + 28 * HOUR

    def test_a_job_of_a_window_without_a_source_is_scheduled_for_its_time(self, clock: TestClock) -> None:
        with JobRunr(MemoryStorageProvider(clock)) as app:
            job_id = app.scheduler.schedule_recurrently("0 16 * * * [PT4H/PT1H]", jobs.sync)
            app.fire(clock).fire_due()
            (job,) = app.scheduler.find(recurring_job_id=job_id)
        assert (job.state, job.run_at) == (JobState.SCHEDULED, NOON + 4 * HOUR)

    def test_a_change_withdraws_what_waits(self, app: JobRunr, clock: TestClock) -> None:
        job_id = app.scheduler.schedule_recurrently("0 16 * * * [PT4H/PT1H]", jobs.sync)
        app.fire(clock).fire_due()
        (job,) = app.scheduler.find(recurring_job_id=job_id)
        app.scheduler.schedule_recurrently("0 17 * * * [PT1H/PT1H]", jobs.sync)
        assert app.scheduler.get(job.id).state is JobState.DELETED

    def test_a_window_in_which_its_job_is_not_made_in_time_is_missed_only_when_it_is_over(
        self, app: JobRunr, clock: TestClock
    ) -> None:
        job_id = app.scheduler.schedule_recurrently("0 16 * * * [PT1H/PT2H]", jobs.sync)
        clock.set(NOON + 5.5 * HOUR)
        app.fire(clock).fire_due()
        assert len(app.scheduler.find(recurring_job_id=job_id)) == 1
        clock.set(NOON + 30.5 * HOUR)
        app.fire(clock).fire_due()
        assert [run.skips is not None for run in app.scheduler.recurring.runs(job_id)] == [True, False]


def test_a_server_gives_waiting_jobs_their_time() -> None:
    begin = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    source = Source()
    source.forecast = Forecast(slots=tuple(ForecastSlot(begin + n * HOUR, 9 - n) for n in range(8)))
    with JobRunr("memory://", carbon_forecast=source, **FAST) as app:
        job = app.scheduler.schedule(CarbonAware.between(begin + 2 * HOUR, begin + 6 * HOUR), jobs.sync)
        assert app.scheduler.get(job).state is JobState.AWAITING
        with app.server():
            eventually(lambda: app.scheduler.get(job).state is JobState.SCHEDULED)
        assert app.scheduler.get(job).run_at == begin + 5 * HOUR
