"""What is to be done when the time of a recurring job has come."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import pytest
from msgspec.structs import replace

from jobrunr.cron import CronExpression
from jobrunr.errors import ScheduleError
from jobrunr.recurring_job import Misfire, RecurringJob, SkipReason, Skips
from jobrunr.schedules import FiringRules, Plan, Schedule, left_out, parse_schedule, plan
from jobrunr.schedules.schedule import WALKED
from jobrunr.testing.factories import a_recurring_job

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
RULES = FiringRules()


def schedule_of(job: RecurringJob) -> Schedule:
    return parse_schedule(job.schedule, job.zone, job.anchor, find_class=type)


def every_minute(**overrides: Any) -> RecurringJob:
    """Registered at noon, so that it is due at a minute past."""
    first = NOON + MINUTE
    return a_recurring_job(NOON, **({"schedule": "PT1M", "next_run_at": first, "look_at": first} | overrides))


def at(minutes: float, job: RecurringJob | None = None, live: int = 0, waiting: int = 0, **rules: Any) -> Plan:
    """The plan so many minutes past noon."""
    return plan(job or every_minute(), schedule_of, minute(minutes), live, waiting, FiringRules(**rules))


def minute(number: float) -> datetime:
    return NOON + number * MINUTE


def skipped(reason: SkipReason, first: float, last: float, count: int) -> Skips:
    return Skips(reason=reason, first=minute(first), last=minute(last), count=count)


class TestOnTime:
    def test_a_due_run_gets_a_job_and_the_next_one_is_looked_for_at_its_time(self) -> None:
        decided = at(1)
        assert decided.runs == (minute(1),)
        assert decided.skips == ()
        assert (decided.after.next_run_at, decided.after.look_at) == (minute(2), minute(2))
        assert (decided.after.last_run_at, decided.after.version) == (minute(1), 2)

    def test_nothing_is_made_before_its_time(self) -> None:
        decided = plan(every_minute(), schedule_of, minute(1) - timedelta(microseconds=1), 0, 0, RULES)
        assert decided.runs == ()
        assert decided.after.next_run_at == minute(1)

    def test_a_run_is_skipped_while_as_many_as_may_be_are_there(self) -> None:
        decided = at(1, live=1)
        assert decided.runs == ()
        assert decided.skips == (skipped(SkipReason.STILL_RUNNING, 1, 1, 1),)
        assert decided.after.next_run_at == minute(2)

    def test_more_may_run_at_a_time_if_that_is_wanted(self) -> None:
        assert at(1, every_minute(max_concurrent=3), live=2).runs == (minute(1),)
        assert at(1, every_minute(max_concurrent=3), live=3).runs == ()

    def test_a_job_that_waits_for_its_retry_holds_up_nothing_unless_that_is_wanted(self) -> None:
        assert at(1, waiting=1).runs == (minute(1),)
        assert at(1, waiting=1, retries_count_as_live=True).runs == ()


class TestMissedRuns:
    def test_those_are_skipped_that_are_noticed_later_than_the_grace(self) -> None:
        decided = at(5.5, misfire_grace=20 * SECOND)
        assert decided.runs == ()
        assert decided.skips == (skipped(SkipReason.MISSED, 1, 5, 5),)
        assert decided.after.next_run_at == minute(6)

    def test_the_last_one_is_made_when_it_is_within_the_grace(self) -> None:
        decided = at(5.5)
        assert decided.runs == (minute(5),)
        assert decided.skips == (skipped(SkipReason.MISSED, 1, 4, 4),)

    def test_one_is_made_up_for_however_late(self) -> None:
        decided = at(5.5, every_minute(misfire=Misfire.ONE), misfire_grace=SECOND)
        assert decided.runs == (minute(5),)
        assert decided.skips == (skipped(SkipReason.MISSED, 1, 4, 4),)

    def test_all_are_made_up_for_the_oldest_first(self) -> None:
        decided = at(3.5, every_minute(misfire=Misfire.ALL, max_concurrent=10), misfire_grace=SECOND)
        assert decided.runs == (minute(1), minute(2), minute(3))
        assert decided.skips == ()

    def test_of_more_than_the_limit_the_oldest_are_left_out(self) -> None:
        decided = at(5.5, every_minute(misfire=Misfire.ALL, max_concurrent=10), misfire_limit=2)
        assert decided.runs == (minute(4), minute(5))
        assert decided.skips == (skipped(SkipReason.MISSED, 1, 3, 3),)

    def test_those_that_are_made_up_for_wait_for_room(self) -> None:
        job = every_minute(misfire=Misfire.ALL)
        decided = at(3.5, job, misfire_grace=SECOND)
        assert decided.runs == (minute(1),)
        assert (decided.after.next_run_at, decided.after.look_at) == (minute(2), minute(3.5) + SECOND)

        busy = at(3.6, decided.after, live=1, misfire_grace=SECOND)
        assert (busy.runs, busy.after.next_run_at) == ((), minute(2))
        free = at(3.7, busy.after, misfire_grace=SECOND)
        assert (free.runs, free.after.next_run_at) == ((minute(2),), minute(3))


class TestPauses:
    def test_the_runs_of_a_paused_one_are_skipped(self) -> None:
        decided = at(1, every_minute(paused_at=NOON))
        assert decided.runs == ()
        assert decided.skips == (skipped(SkipReason.PAUSED, 1, 1, 1),)
        assert decided.after.next_run_at == minute(2)

    def test_skips_of_one_reason_are_one_entry_that_grows(self) -> None:
        first = at(1, every_minute(paused_at=NOON))
        second = at(2, first.after)
        assert second.skips == (skipped(SkipReason.PAUSED, 1, 2, 2),)
        assert second.after.skips == second.skips[0]

    def test_another_reason_or_a_run_begins_a_new_entry(self) -> None:
        paused = at(1, every_minute(paused_at=NOON))
        busy = at(2, replace(paused.after, paused_at=None), live=1)
        assert busy.skips == (skipped(SkipReason.STILL_RUNNING, 2, 2, 1),)
        made = at(3, busy.after)
        assert made.after.skips is None
        assert at(4, made.after, live=1).skips == (skipped(SkipReason.STILL_RUNNING, 4, 4, 1),)

    def test_missed_and_then_busy_are_two_entries(self) -> None:
        decided = at(3.2, live=1)
        assert decided.skips == (
            skipped(SkipReason.MISSED, 1, 2, 2),
            skipped(SkipReason.STILL_RUNNING, 3, 3, 1),
        )


class TestEnds:
    def test_it_ends_when_no_run_is_left_before_its_end(self) -> None:
        job = every_minute(until=minute(2))
        assert not at(1, job).ends
        last = at(2, job)
        assert (last.runs, last.ends) == ((minute(2),), True)

    def test_runs_behind_its_end_are_not_made_up_for(self) -> None:
        decided = at(9, every_minute(until=minute(2.5), misfire=Misfire.ALL, max_concurrent=9))
        assert (decided.runs, decided.ends) == ((minute(1), minute(2)), True)

    def test_it_ends_when_its_schedule_does(self) -> None:
        class Once:
            def next_run(self, after: datetime) -> datetime | None:
                return None

        decided = plan(every_minute(), lambda job: Once(), minute(1), 0, 0, RULES)
        assert (decided.runs, decided.ends) == ((minute(1),), True)


class Wordless(BaseException):
    """Neither it nor what it says can be shown."""

    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


def raises(error: BaseException) -> Any:
    raise error


class Nowhere(tzinfo):
    """A time zone without an offset."""

    def utcoffset(self, moment: datetime | None) -> None:
        return None

    def dst(self, moment: datetime | None) -> None:
        return None

    def tzname(self, moment: datetime | None) -> None:
        return None


class Broken(Nowhere):
    def utcoffset(self, moment: datetime | None) -> None:
        raise RuntimeError("no such place")


class TestTroubledSchedules:
    @pytest.mark.parametrize(
        ("answer", "says"),
        [
            (lambda after: 1 / 0, "ZeroDivisionError"),
            (lambda after: after, "not after it"),
            (lambda after: after - SECOND, "not after it"),
            (lambda after: after.replace(tzinfo=None), "time zone"),
            (lambda after: "soon", "'soon'"),
            (lambda after: sys.exit(3), "SystemExit: 3"),
            (lambda after: raises(asyncio.CancelledError("stop")), "CancelledError: stop"),
            (lambda after: raises(Wordless()), "Wordless: (its message cannot be shown"),
            (lambda after: Wordless(), "RuntimeError"),
            (lambda after: after.replace(tzinfo=Broken()), "RuntimeError: no such place"),
            (lambda after: after.replace(tzinfo=Nowhere()) + MINUTE, "time zone"),
        ],
    )
    def test_one_that_is_irregular_halts_its_recurring_job_with_the_reason(self, answer: Any, says: str) -> None:
        class Odd:
            def next_run(self, after: datetime) -> Any:
                return answer(after)

        decided = plan(every_minute(), lambda job: Odd(), minute(1), 0, 0, RULES)
        assert decided.runs == (minute(1),)  # it was due all the same
        assert decided.after.problem is not None
        assert says in decided.after.problem
        assert (decided.after.look_at, decided.after.next_run_at, decided.ends) == (None, None, False)

    def test_ctrl_c_goes_through(self) -> None:
        class Stopped:
            def next_run(self, after: datetime) -> datetime | None:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            plan(every_minute(), lambda job: Stopped(), minute(1), 0, 0, RULES)

    def test_one_that_cannot_be_read_does_so_too(self) -> None:
        def unreadable(job: RecurringJob) -> Schedule:
            raise ScheduleError("its class is gone")

        assert plan(every_minute(), unreadable, minute(1), 0, 0, RULES).after.problem == "its class is gone"

    def test_what_it_said_before_it_failed_is_decided_about(self) -> None:
        class Failing:
            def next_run(self, after: datetime) -> datetime | None:
                if after >= minute(3):
                    raise OSError("the calendar is away")
                return after + MINUTE

        job = every_minute(misfire=Misfire.ALL, max_concurrent=9)
        decided = plan(job, lambda job: Failing(), minute(7), 0, 0, RULES)
        assert decided.runs == (minute(1), minute(2), minute(3))
        assert "Failing.next_run raised OSError: the calendar is away" in str(decided.after.problem)


@pytest.mark.parametrize("schedule", ["PT1S", "* * * * * *"])
def test_days_without_a_server_are_no_endless_work(schedule: str) -> None:
    job = every_minute(schedule=schedule, misfire=Misfire.ALL, max_concurrent=1000)
    decided = plan(job, schedule_of, NOON + timedelta(days=30), 0, 0, FiringRules(misfire_limit=3))
    end = NOON + timedelta(days=30)
    assert decided.runs == (end - 2 * SECOND, end - SECOND, end)
    assert decided.skips[0].count > 990
    assert decided.skips[0].last == end - 3 * SECOND


class EverySecond:
    """A schedule of one's own, which is asked for one run after the other."""

    def __init__(self, end: datetime | None = None) -> None:
        self.end = end

    def next_run(self, after: datetime) -> datetime | None:
        return None if after == self.end else after + SECOND


class TestManyRunsOfAScheduleOfOnesOwn:
    """They are walked through in pieces, one at each look."""

    @pytest.mark.parametrize("misfire", Misfire)
    @pytest.mark.parametrize("more", [-1, 0, 1, 2, 3, 4, 2 * WALKED])
    def test_are_decided_about_with_the_true_last_ones_in_sight(self, misfire: Misfire, more: int) -> None:
        runs = [minute(1) + number * SECOND for number in range(WALKED + more)]
        job, made, skips = every_minute(misfire=misfire, max_concurrent=1000), [], {}
        while job.next_run_at is not None and job.next_run_at <= runs[-1]:
            decided = plan(job, lambda job: EverySecond(), runs[-1], 0, 0, FiringRules(misfire_limit=3))
            job = decided.after
            made += decided.runs
            skips |= {each.first: each.count for each in decided.skips}
        assert made == (runs[-3:] if misfire is Misfire.ALL else runs[-1:])
        assert sum(skips.values()) == len(runs) - len(made)

    @pytest.mark.parametrize("more", [-1, 0, 1, 2, 3])
    def test_end_where_the_schedule_ends(self, more: int) -> None:
        end = minute(1) + (WALKED + more) * SECOND
        job, made, ends = every_minute(misfire=Misfire.ALL, max_concurrent=9), [], False
        while not ends:
            decided = plan(job, lambda job: EverySecond(end), end + MINUTE, 0, 0, FiringRules(misfire_limit=2))
            job, ends = decided.after, decided.ends
            made += decided.runs
        assert made == [end - SECOND, end]


def test_runs_are_counted_however_many_they_are_and_whatever_the_clocks_do() -> None:
    job = every_minute(schedule="30 2,3 * * *", zone="Europe/Brussels", next_run_at=datetime(2026, 3, 3, 1, 30, tzinfo=UTC))
    decided = plan(job, schedule_of, datetime(2027, 3, 3, 1, tzinfo=UTC), 0, 0, RULES)
    assert decided.skips[0].count == 2 * 365 - 1  # 02:30 and 03:30 are one run in the night when the clock is put forward


def test_an_expression_is_not_asked_for_every_run_of_a_long_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[datetime] = []
    for name in ("next", "previous"):
        ask = getattr(CronExpression, name)
        monkeypatch.setattr(CronExpression, name, lambda self, at, ask=ask: asked.append(at) or ask(self, at))
    decided = plan(every_minute(schedule="* * * * *"), schedule_of, NOON + timedelta(days=365), 0, 0, RULES)
    assert decided.skips[0].count == 365 * 24 * 60 - 1
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("until", "last", "count"), [(None, 5, 5), (3.5, 3, 3), (0.5, None, 0)], ids=["no end", "ends amid", "ended before"]
)
def test_what_is_left_out_before_a_change_is_what_was_due_and_not_behind_the_end(
    until: float | None, last: float | None, count: int
) -> None:
    job = every_minute(until=None if until is None else minute(until))
    decided = left_out(job, schedule_of(job), minute(5.5))
    assert decided.skips == (() if last is None else (skipped(SkipReason.MISSED, 1, last, count),))
    assert decided.after.next_run_at == (minute(6) if until is None else None)


def test_what_is_left_out_is_known_even_if_nobody_knows_what_comes_next() -> None:
    last = minute(1) + WALKED * SECOND

    class Failing(EverySecond):
        def next_run(self, after: datetime) -> datetime | None:
            if after == last:
                raise OSError("the calendar is away")
            return super().next_run(after)

    decided = left_out(every_minute(), Failing(), last + MINUTE)
    assert [(skips.last, skips.count) for skips in decided.skips] == [(last, WALKED + 1)]
    assert "the calendar is away" in str(decided.after.problem)
