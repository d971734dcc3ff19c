"""What `plan` decides, look after look, beside a simple model: a list of times, and what becomes of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from jobrunr.recurring_job import Misfire, RecurringJob, SkipReason, Skips
from jobrunr.schedules import FiringRules, Schedule, parse_schedule, plan
from jobrunr.testing.factories import a_recurring_job
from tests.conftest import examples

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
GRACE = 60 * SECOND
LONGEST = 1_000
"""Seconds, in all."""


@dataclass
class Every:
    """A schedule of one's own, whose runs are walked through."""

    seconds: int

    def next_run(self, after: datetime) -> datetime | None:
        return after + self.seconds * SECOND


PERIODS = {"PT7S": 7, "PT1M": 60, "*/10 * * * * *": 10, "* * * * *": 60, "own:Every(7)": 7}


@dataclass
class Look:
    """A moment at which somebody looks, and what is found there."""

    after: float
    is_paused: bool
    live: int
    waiting: int


@dataclass
class Model:
    misfire: Misfire
    max_concurrent: int
    limit: int
    undecided: list[datetime]
    made: list[datetime] = field(default_factory=list)
    skipped: dict[datetime, SkipReason] = field(default_factory=dict)

    def look(self, now: datetime, *, is_paused: bool, live: int) -> None:
        due = [run for run in self.undecided if run <= now]
        wanted = [] if is_paused else self._wanted(due, now)
        for run in due:
            if run not in wanted:
                self._skip(run, SkipReason.PAUSED if is_paused else SkipReason.MISSED)
        for run in wanted:
            if live < self.max_concurrent:
                live += 1
                self.made.append(run)
                self.undecided.remove(run)
            elif now - run <= GRACE:
                self._skip(run, SkipReason.STILL_RUNNING)
            else:
                return  # it waits for room, and the others behind it

    def _wanted(self, due: Sequence[datetime], now: datetime) -> Sequence[datetime]:
        if self.misfire is Misfire.ALL:
            return due[-self.limit :]
        return due[-1:] if self.misfire is Misfire.ONE or (due and now - due[-1] <= GRACE) else []

    def _skip(self, run: datetime, reason: SkipReason) -> None:
        self.skipped[run] = reason
        self.undecided.remove(run)


def schedule_of(job: RecurringJob) -> Schedule:
    return parse_schedule(job.schedule, job.zone, job.anchor, find_class=lambda target: Every)


looks = st.lists(
    st.builds(Look, st.floats(0.1, LONGEST / 12), st.booleans(), st.integers(0, 4), st.integers(0, 2)),
    min_size=1,
    max_size=12,
)


@given(
    schedule=st.sampled_from(sorted(PERIODS)),
    misfire=st.sampled_from(Misfire),
    max_concurrent=st.integers(1, 3),
    limit=st.integers(1, 5),
    walked=st.integers(1, 6),
    retries_count=st.booleans(),
    until=st.none() | st.integers(60, LONGEST),
    looks=looks,
)
@settings(max_examples=examples(300))
def test_each_run_is_made_once_and_in_time_or_skipped_for_the_right_reason(
    schedule: str,
    misfire: Misfire,
    max_concurrent: int,
    limit: int,
    walked: int,
    retries_count: bool,
    until: int | None,
    looks: Sequence[Look],
) -> None:
    end = LONGEST + 60 if until is None else until
    period = PERIODS[schedule]
    times = [NOON + second * SECOND for second in range(period, end + 1, period)]
    model = Model(misfire, max_concurrent, limit, undecided=list(times))
    rules = FiringRules(misfire_grace=GRACE, misfire_limit=limit, retries_count_as_live=retries_count)
    job = a_recurring_job(
        NOON,
        schedule=schedule,
        misfire=misfire,
        max_concurrent=max_concurrent,
        until=None if until is None else NOON + until * SECOND,
        next_run_at=times[0],
        look_at=times[0],
    )
    made: list[datetime] = []
    skips: dict[datetime, Skips] = {}
    now, is_over = NOON, False
    for look in looks:
        now += look.after * SECOND
        job = replace(job, paused_at=now if look.is_paused else None)
        while job.look_at is not None and job.look_at <= now:
            with patch("jobrunr.schedules.schedule.WALKED", walked):
                decided = plan(job, schedule_of, now, look.live, look.waiting, rules)
            assert all(run <= now for run in decided.runs)
            made += decided.runs
            skips |= {each.first: each for each in decided.skips}
            job, is_over = decided.after, decided.ends
            if job.look_at is None or job.look_at > now:
                model.look(now, is_paused=look.is_paused, live=look.live + look.waiting * retries_count)

    assert made == model.made == sorted(set(made))
    assert [run for each in skips.values() for run in times if each.first <= run <= each.last] == sorted(model.skipped)
    for each in skips.values():
        covered = [run for run in times if each.first <= run <= each.last]
        assert len(covered) == each.count
        assert {model.skipped[run] for run in covered} == {each.reason}
    assert is_over == (not model.undecided)
    assert job.next_run_at == (None if is_over else model.undecided[0])
