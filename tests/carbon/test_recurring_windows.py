"""Windows of recurring jobs, from what people write to when the jobs are made."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from jobrunr import JobRunr, JobState
from jobrunr.errors import OptionError, ScheduleError
from jobrunr.schedules import ScheduleLike
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing import TestClock
from tests.carbon.schedules import Fixed
from tests.recurring import jobs

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ZERO = timedelta(0)


@pytest.fixture
def clock() -> TestClock:
    return TestClock(NOON)


@pytest.fixture
def app(clock: TestClock) -> Iterator[JobRunr]:
    with JobRunr(MemoryStorageProvider(clock)) as app:
        yield app


def stored_schedule(app: JobRunr, schedule: ScheduleLike, window: tuple[timedelta, timedelta]) -> str:
    return app.scheduler.recurring.get(
        app.scheduler.options(id="sync", window=window).schedule_recurrently(schedule, jobs.sync)
    ).schedule


class TestWhatPeopleWrite:
    @pytest.mark.parametrize(
        ("window", "text"),
        [((ZERO, 4 * HOUR), "[PT0S/PT4H]"), ((2 * HOUR, ZERO), "[PT2H/PT0S]"), ((ZERO, ZERO), "[PT0S/PT0S]")],
    )
    def test_a_margin_can_be_zero(self, app: JobRunr, window: tuple[timedelta, timedelta], text: str) -> None:
        assert stored_schedule(app, "0 3 * * *", window) == f"0 3 * * * {text}"
        before = app.scheduler.recurring.get("sync")
        app.scheduler.options(id="sync").schedule_recurrently(f"0 3 * * * {text}", jobs.sync)
        assert app.scheduler.recurring.get("sync") == before

    def test_the_same_window_in_text_and_as_an_option_is_the_same(self, app: JobRunr) -> None:
        job_id = app.scheduler.schedule_recurrently("0 16 * * * [PT2H/PT1H]", jobs.sync)
        before = app.scheduler.recurring.get(job_id)
        app.scheduler.options(window=(2 * HOUR, HOUR)).schedule_recurrently("0 16 * * *", jobs.sync)
        assert app.scheduler.recurring.get(job_id) == before

    def test_a_window_is_said_once_and_has_two_sides(self, app: JobRunr) -> None:
        with pytest.raises(OptionError, match="already"):
            app.scheduler.options(window=(HOUR, HOUR)).schedule_recurrently("@daily [PT1H/PT1H]", jobs.sync)
        with pytest.raises(OptionError, match="before, after"):
            app.scheduler.options(window=(HOUR,))  # type: ignore[arg-type]


class TestSchedulesOfOnesOwn:
    def test_they_have_windows_like_any_other(self, app: JobRunr, clock: TestClock) -> None:
        text = stored_schedule(app, Fixed(hours=[15]), (2 * HOUR, HOUR))
        assert text == "tests.carbon.schedules:Fixed(hours=[15]) [PT2H/PT1H]"
        recurring = app.scheduler.recurring.get("sync")
        assert (recurring.next_run_at, recurring.look_at) == (NOON + 3 * HOUR, NOON + HOUR)
        assert app.scheduler.recurring.next_runs("sync", 2) == [NOON + 3 * HOUR, NOON + 27 * HOUR]

        clock.set(NOON + HOUR)
        assert app.fire(clock).fire_due() == 1

        (job,) = app.scheduler.find(recurring_job_id="sync")
        assert (job.state, job.run_at) == (JobState.SCHEDULED, NOON + 3 * HOUR)

    def test_their_text_is_refused_for_what_it_is(self, app: JobRunr) -> None:
        with pytest.raises(ScheduleError, match="Pass the object itself"):
            app.scheduler.schedule_recurrently("tests.carbon.schedules:Fixed(hours=[15]) [PT2H/PT1H]", jobs.sync)


class TestWindowsThatTouch:
    @pytest.mark.parametrize("hours", [-10, -8.5, 0, 3])
    def test_they_are_refused_at_any_hour(self, app: JobRunr, clock: TestClock, hours: float) -> None:
        clock.set(NOON + hours * HOUR)
        for schedule in ("0 3,4 * * *", Fixed(hours=[3, 4])):
            with pytest.raises(
                ScheduleError, match=r"03:00:00 and 2026-03-0[23] 04:00:00 UTC are 1 h apart.* 4 h must be shorter"
            ):
                stored_schedule(app, schedule, (2 * HOUR, 2 * HOUR))

    def test_they_are_refused_when_a_clock_change_will_make_them_touch(self, app: JobRunr) -> None:
        brussels = app.scheduler.options(zone="Europe/Brussels")
        with pytest.raises(ScheduleError, match="23 h apart"):
            brussels.schedule_recurrently("0 3 * * * [PT12H/PT11H]", jobs.sync)
        brussels.schedule_recurrently("0 3 * * * [PT12H/PT10H59M]", jobs.sync)

    def test_runs_behind_the_end_do_not_count(self, app: JobRunr) -> None:
        until = NOON + 15.5 * HOUR
        app.scheduler.options(until=until).schedule_recurrently("0 3,4 * * * [PT2H/PT2H]", jobs.sync)

    def test_a_period_has_to_be_longer_than_its_window(self, app: JobRunr) -> None:
        with pytest.raises(ScheduleError, match="shorter"):
            app.scheduler.schedule_recurrently("PT1H [PT30M/PT30M]", jobs.sync)
        app.scheduler.schedule_recurrently("PT1H [PT30M/PT29M]", jobs.sync)
