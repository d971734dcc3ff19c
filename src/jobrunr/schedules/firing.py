"""What is to be done about a recurring job whose time has come: which runs get a job, which are skipped and why, and when to
look again. A pure function from what is known to what to write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from jobrunr.carbon.windows import Margin, read_margin
from jobrunr.errors import ScheduleError
from jobrunr.recurring_job import Misfire, RecurringJob, SkipReason, Skips
from jobrunr.schedules.schedule import DueRuns, Schedule, due_runs, next_of
from jobrunr.texts import storable

_NO_MARGIN = Margin(timedelta(0), timedelta(0))
PUT_OFF = timedelta(seconds=1)
"""When to look again for room for a run that is made up for."""


class FiringRules(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that concern runs."""

    misfire_grace: timedelta = timedelta(minutes=1)
    misfire_limit: int = 100
    retries_count_as_live: bool = False


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to do."""

    after: RecurringJob
    """The recurring job as it is to be stored."""
    runs: tuple[datetime, ...] = ()
    """The times that get a job, the oldest first."""
    skips: tuple[Skips, ...] = ()
    """The times that are left out; each replaces what is kept under its first time."""
    ends: bool = False
    """Whether no run is to come."""


def plan(
    job: RecurringJob,
    schedule_of: Callable[[RecurringJob], Schedule],
    now: datetime,
    live: int,
    waiting: int,
    rules: FiringRules,
) -> Plan:
    """Decide about everything that is due at a moment.

    Arguments:
        job: it wants to be looked at.
        schedule_of: reads its schedule; may raise a `ScheduleError`.
        now: by the clock of the storage.
        live: how many of its jobs are due or running.
        waiting: how many wait for a time to come, such as that of a retry.
        rules: the settings.

    Returns:
        what to write. A schedule that cannot say when it runs next halts its recurring job, with the reason.
    """
    try:
        if job.problem is not None:
            raise ScheduleError(job.problem)
        return _plan(job, schedule_of(job), now, live + waiting * rules.retries_count_as_live, rules)
    except ScheduleError as error:
        return _Decisions(job, _NO_MARGIN).halt(error)


def problem_of(error: Exception) -> str:
    """Why a recurring job is halted, in words that any storage takes."""
    return storable(str(error), 1000)


def left_out(job: RecurringJob, schedule: Schedule, now: datetime) -> Plan:
    """Leave out everything that is due, before the recurring job is changed into one that knows nothing of it.

    Arguments:
        job: its next run is due.
    """
    assert job.next_run_at is not None
    decisions = _Decisions(job, read_margin(job.schedule)[1] or _NO_MARGIN)
    end = now if job.until is None else min(now, job.until)
    if job.next_run_at > end:
        return decisions.go_on(job.next_run_at)
    due = due_runs(schedule, job.next_run_at, end, 1)
    decisions.skip(_reason(job), due.first, due.last[-1], due.total)
    return decisions.halt(due.problem) if due.problem else decisions.go_on_behind(due.last[-1], schedule)


def _plan(job: RecurringJob, schedule: Schedule, now: datetime, live: int, rules: FiringRules) -> Plan:
    margin = read_margin(job.schedule)[1] or _NO_MARGIN
    decisions = _Decisions(job, margin)
    ahead = now + margin.before
    end = ahead if job.until is None else min(ahead, job.until)
    if job.next_run_at is None or job.next_run_at > end:
        return decisions.go_on(job.next_run_at)
    most = rules.misfire_limit if job.misfire is Misfire.ALL else 1
    due = due_runs(schedule, job.next_run_at, end, most + 1)  # those that may be made, and the one before
    if not due.is_all:  # whether the last of these are the last of all, the next look knows, which is at once
        decisions.skip(_reason(job), due.first, due.last[0], due.total - most)
        return decisions.then(due.last[1], now)
    free = job.max_concurrent - live
    for run in _candidates(job, due, most, decisions, now - margin.after, rules):
        if free > 0:
            decisions.make(run)
            free -= 1
        elif now - margin.after - run <= rules.misfire_grace:
            decisions.skip(SkipReason.STILL_RUNNING, run, run, 1)
        else:  # it is made up for when there is room; nothing behind it is decided now
            return decisions.then(run, now + PUT_OFF)
    return decisions.halt(due.problem) if due.problem else decisions.go_on_behind(due.last[-1], schedule)


def _reason(job: RecurringJob) -> SkipReason:
    """Why runs are skipped that nobody thinks of making."""
    return SkipReason.PAUSED if job.is_paused else SkipReason.MISSED


def _candidates(
    job: RecurringJob, due: DueRuns, most: int, decisions: _Decisions, now: datetime, rules: FiringRules
) -> Sequence[datetime]:
    """The due runs that are to get a job if there is room; the others are skipped."""
    if job.is_paused:
        decisions.skip(SkipReason.PAUSED, due.first, due.last[-1], due.total)
        return ()
    last = due.last[-1]
    if job.misfire is Misfire.ALL:
        wanted = due.last[-most:]
    elif job.misfire is Misfire.ONE or now - last <= rules.misfire_grace:
        wanted = [last]
    else:
        wanted = []
    missed = due.total - len(wanted)
    if missed:
        decisions.skip(SkipReason.MISSED, due.first, due.last[-len(wanted) - 1], missed)
    return wanted


class _Decisions:
    """What was decided so far about one recurring job."""

    def __init__(self, job: RecurringJob, margin: Margin) -> None:
        self._job = job
        self._margin = margin
        self._runs: list[datetime] = []
        self._skips: list[Skips] = []
        self._streak = job.skips
        self._last_run_at = job.last_run_at

    def make(self, run: datetime) -> None:
        self._runs.append(run)
        self._last_run_at = run
        self._streak = None

    def skip(self, reason: SkipReason, first: datetime, last: datetime, count: int) -> None:
        """Skips of one reason with nothing made in between are one entry that grows."""
        if self._streak is not None and self._streak.reason is reason:
            self._streak = replace(self._streak, last=last, count=self._streak.count + count)
            if self._skips and self._skips[-1].first == self._streak.first:
                self._skips.pop()
        else:
            self._streak = Skips(reason=reason, first=first, last=last, count=count)
        self._skips.append(self._streak)

    def go_on(self, run: datetime | None) -> Plan:
        """Everything is decided up to this run; None when there is no more."""
        until = self._job.until
        if run is None or (until is not None and run > until):
            return self._plan(None, None, ends=True)
        return self.then(run, run - self._margin.before)

    def go_on_behind(self, last: datetime, schedule: Schedule) -> Plan:
        """Everything is decided up to and with this moment."""
        try:
            return self.go_on(next_of(schedule, last))
        except ScheduleError as error:  # what was decided is decided all the same
            return self.halt(error)

    def then(self, next_run_at: datetime, look_at: datetime) -> Plan:
        return self._plan(next_run_at, look_at, ends=False)

    def halt(self, error: ScheduleError) -> Plan:
        """What comes next cannot be told."""
        return self._plan(None, None, ends=False, problem=problem_of(error))

    def _plan(
        self, next_run_at: datetime | None, look_at: datetime | None, *, ends: bool, problem: str | None = None
    ) -> Plan:
        after = replace(
            self._job,
            next_run_at=next_run_at,
            look_at=look_at,
            last_run_at=self._last_run_at,
            skips=self._streak,
            problem=problem,
            version=self._job.version + 1,
        )
        return Plan(after=after, runs=tuple(self._runs), skips=tuple(self._skips), ends=ends)
