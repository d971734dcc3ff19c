"""Jobs that wait for clean electricity, from the call to their start."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from jobrunr import CarbonAware, Job, JobRunr, JobState
from jobrunr.carbon import FORECAST, CarbonForecast, KeptForecast
from jobrunr.server.duties.await_forecast import AwaitForecast
from jobrunr.server.forecasts import Forecasts
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing import TestClock, drain
from jobrunr.testing.factories import awaiting
from tests.carbon.sources import HOUR, NOON, SlowSource, Source, ever_cleaner
from tests.recurring import jobs
from tests.server.conftest import FAST, eventually

MINUTE = timedelta(minutes=1)


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


def duty_of(app: JobRunr, clock: TestClock, source: CarbonForecast | None) -> AwaitForecast:
    def call(ask: Callable[[], None]) -> None:
        ask()

    forecasts = Forecasts(app.storage, source, in_background=call)
    return AwaitForecast(app.storage, Alone(), clock, forecasts, app.performer(clock).filters_of)


@pytest.fixture
def duty(app: JobRunr, clock: TestClock, source: Source) -> AwaitForecast:
    return duty_of(app, clock, source)


def give_times(duty: AwaitForecast) -> float:
    """Two rounds: the first may ask, and the second have the answer. When the next wants to begin."""
    for _ in range(2):
        while not (delay := duty.tick()):
            pass
    return delay


def state_of(app: JobRunr, job: Job) -> tuple[JobState, datetime | None]:
    job = app.scheduler.get(job.id)
    return job.state, job.run_at


def schedule(app: JobRunr, window: CarbonAware) -> Job:
    return app.scheduler.get(app.scheduler.schedule(window, jobs.sync))


def know(app: JobRunr, at: datetime = NOON) -> None:
    """Let a forecast be known since a moment, to the end of a day."""
    app.storage.put_metadata(FORECAST, KeptForecast(forecast=ever_cleaner(at, hours=24), tried_at=at, got_at=at).note)


def in_four_hours(app: JobRunr) -> Job:
    """A job that may run within five hours, and would run in four."""
    window = CarbonAware.at(NOON + 4 * HOUR, before=4 * HOUR, after=HOUR)
    return app.scheduler.get(app.scheduler.schedule(window, jobs.sync))


def test_a_job_waits_and_is_scheduled_for_the_cleanest_time(app: JobRunr, duty: AwaitForecast) -> None:
    job = in_four_hours(app)
    assert (job.state, job.run_at) == (JobState.AWAITING, NOON + 4 * HOUR)

    give_times(duty)

    job = app.scheduler.get(job.id)
    assert (job.state, job.run_at) == (JobState.SCHEDULED, NOON + 4 * HOUR)
    assert "cleanest" in str(job.reason)
    assert [change.state for change in job.history] == [JobState.AWAITING, JobState.SCHEDULED]


def test_without_a_source_nothing_waits(clock: TestClock) -> None:
    with JobRunr(MemoryStorageProvider(clock)) as app:
        assert state_of(app, in_four_hours(app)) == (JobState.SCHEDULED, NOON + 4 * HOUR)
        assert state_of(app, schedule(app, CarbonAware.before(NOON + 9 * HOUR))) == (JobState.SCHEDULED, NOON)


def test_one_that_waits_in_vain_starts_at_its_preferred_time(
    app: JobRunr, duty: AwaitForecast, source: Source, clock: TestClock
) -> None:
    source.answer = RuntimeError("no electricity")
    job = in_four_hours(app)
    give_times(duty)
    assert state_of(app, job) == (JobState.AWAITING, NOON + 4 * HOUR)
    clock.set(NOON + 4 * HOUR - MINUTE)
    give_times(duty)
    assert state_of(app, job) == (JobState.SCHEDULED, NOON + 4 * HOUR)


def test_a_job_of_somebody_with_a_source_does_not_wait_for_a_master_without(app: JobRunr, clock: TestClock) -> None:
    soon, later = schedule(app, CarbonAware.before(NOON + 9 * HOUR)), in_four_hours(app)
    give_times(duty_of(app, clock, None))
    assert state_of(app, soon) == (JobState.SCHEDULED, NOON)
    assert state_of(app, later) == (JobState.AWAITING, NOON + 4 * HOUR)


def test_nobody_is_asked_while_nothing_waits(duty: AwaitForecast, source: Source) -> None:
    give_times(duty)
    assert source.asked == 0


SOON = [
    CarbonAware.before(NOON + 6 * HOUR),
    CarbonAware.between(NOON, NOON + 6 * HOUR),
    CarbonAware.at(NOON, HOUR, 6 * HOUR),
]


class TestStartingSoon:
    @pytest.mark.parametrize("window", SOON)
    def test_it_waits_for_the_answer_of_a_source(self, app: JobRunr, duty: AwaitForecast, window: CarbonAware) -> None:
        job = schedule(app, window)
        assert job.state is JobState.AWAITING
        give_times(duty)
        assert state_of(app, job) == (JobState.SCHEDULED, NOON + 5 * HOUR)

    @pytest.mark.parametrize("window", SOON)
    def test_it_waits_for_a_minute_and_not_for_a_source_that_fails(
        self, app: JobRunr, duty: AwaitForecast, source: Source, clock: TestClock, window: CarbonAware
    ) -> None:
        never = duty_of(app, clock, SlowSource())
        never._forecasts._in_background = lambda ask: None
        job = schedule(app, window)
        clock.advance(seconds=59)
        give_times(never)
        assert state_of(app, job) == (JobState.AWAITING, NOON)
        clock.advance(seconds=1)
        give_times(never)
        assert state_of(app, job) == (JobState.SCHEDULED, NOON + MINUTE)

        source.answer = RuntimeError("no electricity")
        app.storage.put_metadata(FORECAST, "")
        job = schedule(app, window)
        give_times(duty)
        assert app.scheduler.get(job.id).state is JobState.SCHEDULED

    @pytest.mark.parametrize("window", SOON)
    def test_it_has_its_time_at_once_when_a_forecast_is_known(self, app: JobRunr, window: CarbonAware) -> None:
        know(app)
        job = schedule(app, window)
        assert state_of(app, job) == (JobState.SCHEDULED, NOON + 5 * HOUR)
        assert "cleanest" in str(job.reason)

    def test_it_starts_at_once_when_no_answer_is_to_be_expected(self, app: JobRunr) -> None:
        app.storage.put_metadata(FORECAST, KeptForecast(tried_at=NOON, failures=1).note)
        assert state_of(app, schedule(app, CarbonAware.before(NOON + 6 * HOUR))) == (JobState.SCHEDULED, NOON)

    def test_a_forecast_that_is_a_day_old_is_renewed_before_it_is_used(self, app: JobRunr, duty: AwaitForecast) -> None:
        know(app, NOON - 24 * HOUR)
        job = schedule(app, CarbonAware.before(NOON + 6 * HOUR))
        assert job.state is JobState.AWAITING
        give_times(duty)
        assert state_of(app, job) == (JobState.SCHEDULED, NOON + 5 * HOUR)

    def test_a_test_that_drains_runs_it_without_asking(self, app: JobRunr, source: Source) -> None:
        soon, later = schedule(app, CarbonAware.before(NOON + 6 * HOUR)), in_four_hours(app)
        assert [job.id for job in drain(app)] == [soon.id]
        assert state_of(app, later) == (JobState.AWAITING, NOON + 4 * HOUR)
        assert source.asked == 0


class TestMany:
    def make(self, app: JobRunr, count: int, preferred: datetime, after: timedelta) -> None:
        for _ in range(count):
            app.scheduler.schedule(CarbonAware.at(preferred, timedelta(0), after), jobs.sync)

    def waiting(self, app: JobRunr) -> int:
        return app.scheduler.counts()[JobState.AWAITING]

    def test_all_that_are_due_at_the_same_time_get_it_in_one_round(
        self, app: JobRunr, duty: AwaitForecast, clock: TestClock, source: Source
    ) -> None:
        source.answer = RuntimeError("no electricity")
        self.make(app, 2_500, NOON + HOUR, timedelta(minutes=3))
        give_times(duty)
        assert self.waiting(app) == 2_500
        clock.set(NOON + HOUR - 2 * MINUTE)
        give_times(duty)
        assert self.waiting(app) == 0

    def test_those_that_go_on_waiting_are_in_nobodys_way(self, app: JobRunr, duty: AwaitForecast) -> None:
        self.make(app, 1_500, NOON + HOUR, 48 * HOUR)
        self.make(app, 1_500, NOON + 2 * HOUR, 3 * HOUR)
        give_times(duty)
        assert self.waiting(app) == 1_500
        page = app.scheduler.find(state=JobState.SCHEDULED, limit=1)
        assert [job.run_at for job in page] == [NOON + 4 * HOUR]

    def test_those_that_no_forecast_has_to_do_with_are_not_looked_at(
        self, app: JobRunr, duty: AwaitForecast, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.make(app, 2_500, NOON + 480 * HOUR, HOUR)
        calls = []
        awaiting = app.storage.awaiting
        monkeypatch.setattr(app.storage, "awaiting", lambda *asked: calls.append(asked) or awaiting(*asked))
        give_times(duty)
        assert len(calls) == 2

    def test_the_next_look_comes_long_before_anybody_has_to_start(self, app: JobRunr, duty: AwaitForecast) -> None:
        in_four_hours(app)
        assert give_times(duty) <= 10


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
        give_times(duty)
        assert state_of(app, job) == (JobState.SCHEDULED, NOON + 4 * HOUR)
        assert app.scheduler.recurring.get(job_id).next_run_at == NOON + 28 * HOUR

    @pytest.mark.parametrize("margin", ["PT0S/PT12H", "PT1S/PT5H"])
    def test_one_that_prefers_the_beginning_of_its_window_waits_for_an_answer(
        self, app: JobRunr, duty: AwaitForecast, clock: TestClock, margin: str
    ) -> None:
        job_id = app.scheduler.schedule_recurrently(f"0 13 * * * [{margin}]", jobs.sync)
        clock.set(NOON + HOUR)
        app.fire(clock).fire_due()
        (job,) = app.scheduler.find(recurring_job_id=job_id)
        assert (job.state, job.run_at) == (JobState.AWAITING, NOON + HOUR)
        give_times(duty)
        start = NOON + HOUR if "12" in margin else NOON + 5 * HOUR  # the forecast ends before the longer one does
        assert state_of(app, job) == (JobState.SCHEDULED, start)

    def test_its_job_has_its_time_at_once_when_a_forecast_is_known(self, app: JobRunr, clock: TestClock) -> None:
        know(app)
        job_id = app.scheduler.schedule_recurrently("0 13 * * * [PT0S/PT4H]", jobs.sync)
        clock.set(NOON + HOUR)
        app.fire(clock).fire_due()
        (job,) = app.scheduler.find(recurring_job_id=job_id)
        assert (job.state, job.run_at) == (JobState.SCHEDULED, NOON + 4 * HOUR)
        assert "recurring" in str(job.reason)
        assert "cleanest" in str(job.reason)
        assert [run.run_at for run in app.scheduler.recurring.runs(job_id)] == [NOON + HOUR]
        app.fire(clock).fire_due()
        assert app.scheduler.counts()[JobState.SCHEDULED] == 1

    def test_its_job_starts_at_its_time_when_no_answer_is_to_be_expected(self, app: JobRunr, clock: TestClock) -> None:
        app.storage.put_metadata(FORECAST, KeptForecast(tried_at=NOON + HOUR, failures=1).note)
        job_id = app.scheduler.schedule_recurrently("0 13 * * * [PT0S/PT4H]", jobs.sync)
        clock.set(NOON + HOUR)
        app.fire(clock).fire_due()
        (job,) = app.scheduler.find(recurring_job_id=job_id)
        assert (job.state, job.run_at) == (JobState.ENQUEUED, NOON + HOUR)

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


def this_hour() -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def test_a_server_gives_waiting_jobs_their_time() -> None:
    begin = this_hour()
    with JobRunr("memory://", carbon_forecast=Source(ever_cleaner(begin, hours=8)), **FAST) as app:
        job = schedule(app, CarbonAware.between(begin + 2 * HOUR, begin + 6 * HOUR))
        soon = schedule(app, CarbonAware.before(begin + 6 * HOUR))
        assert job.state is soon.state is JobState.AWAITING
        with app.server():
            for each in (job, soon):
                eventually(lambda each=each: state_of(app, each) == (JobState.SCHEDULED, begin + 5 * HOUR))  # type: ignore[misc]


def test_a_server_that_has_found_nobody_waiting_notices_who_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    begin, looked = this_hour(), threading.Event()

    def awaiting(storage: MemoryStorageProvider, limit: int, after: Job | None = None) -> list[Job]:
        found = look(storage, limit, after)
        looked.set()
        return found

    look = MemoryStorageProvider.awaiting
    monkeypatch.setattr(MemoryStorageProvider, "awaiting", awaiting)
    with JobRunr("memory://", carbon_forecast=Source(ever_cleaner(begin, hours=8)), **FAST) as app, app.server():
        assert looked.wait(20)
        job = schedule(app, CarbonAware.between(begin + 2 * HOUR, begin + 6 * HOUR))
        eventually(lambda: state_of(app, job) == (JobState.SCHEDULED, begin + 5 * HOUR))


def test_a_source_that_does_not_answer_keeps_neither_jobs_nor_the_end_of_a_server_waiting() -> None:
    source = SlowSource()
    with JobRunr("memory://", carbon_forecast=source, **FAST) as app:
        schedule(app, CarbonAware.at(this_hour() + 5 * HOUR, HOUR, HOUR))
        due = awaiting(app.storage, run_at=app.storage.now())
        with app.server() as server:
            eventually(lambda: source.asked == 1)
            eventually(lambda: state_of(app, due)[0] is not JobState.AWAITING)
            began = time.monotonic()
            server.stop()
            assert time.monotonic() - began < 3
        assert source.threads[0].is_alive()
        source.released.set()
        source.threads[0].join(20)
