"""Each run exactly once, whoever else is at it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import URL

from jobrunr import JobRunr, JobState
from jobrunr.recurring_job import RecurringRun
from jobrunr.server.duties.fire import Fire
from jobrunr.storage.contract import StorageProvider
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.storage.sql import SqlStorageProvider
from jobrunr.testing import TestClock
from tests.recurring import jobs

START = datetime(2026, 3, 28, 12, tzinfo=UTC)
SECONDS = 100_000
SCHEDULES = {
    "seconds": ("PT97S", "UTC", "skip"),
    "quarters": ("*/15 * * * *", "Europe/Brussels", "all"),
    "hourly": ("0 * * * *", "Australia/Lord_Howe", "one"),
    "at the change of the clock": ("30 2 * * *", "Europe/Brussels", "all"),
}


@pytest.fixture(params=["memory", "sqlite", "postgresql", "mariadb"])
def two_storages(request: pytest.FixtureRequest) -> Callable[[TestClock], list[StorageProvider]]:
    """Two providers over one storage, as two processes have, with a clock to turn."""
    kind: str = request.param
    url: URL | None = None if kind == "memory" else request.getfixturevalue(kind)

    def open_both(clock: TestClock) -> list[StorageProvider]:
        if url is None:
            return [MemoryStorageProvider(clock)] * 2
        first, second = (SqlStorageProvider(url, clock=clock) for _ in range(2))
        first.set_up()
        return [first, second]

    return open_both


@pytest.mark.timeout(180)
def test_two_masters_make_each_run_once_over_a_hundred_thousand_seconds(
    two_storages: Callable[[TestClock], list[StorageProvider]],
) -> None:
    clock, chance = TestClock(START), random.Random(17)
    with ExitStack() as stack, ThreadPoolExecutor(2) as threads:
        apps = [stack.enter_context(JobRunr(storage)) for storage in two_storages(clock)]
        for name, (schedule, zone, misfire) in SCHEDULES.items():
            options = apps[0].scheduler.options(id=name, zone=zone, misfire=misfire, max_concurrent=1000)
            options.schedule_recurrently(schedule, jobs.sync)
        expected = {name: runs_until(apps[0], name, START + timedelta(seconds=SECONDS)) for name in SCHEDULES}
        masters: list[Fire] = [app.fire(clock) for app in apps]

        while clock.now() < START + timedelta(seconds=SECONDS):
            clock.advance(seconds=chance.choice([1, 50, 59, 97, 600, 1800]))
            list(threads.map(lambda master: master.fire_due(), masters))

        for name in SCHEDULES:
            check(apps[0].scheduler.recurring.runs(name, 10_000), expected[name], apps[0].scheduler.recurring.get(name))
        made = sum(len(decided(apps[0], name)) for name in SCHEDULES)
        assert apps[0].scheduler.counts()[JobState.ENQUEUED] == made


def runs_until(app: JobRunr, name: str, end: datetime) -> list[datetime]:
    job = app.scheduler.recurring.get(name)
    schedule, runs, run = app.scheduler.recurring.schedule_of(job), [], START
    while (following := schedule.next_run(run)) is not None and following <= end:
        run = following.astimezone(UTC)
        runs.append(run)
    return runs


def decided(app: JobRunr, name: str) -> list[RecurringRun]:
    return [run for run in app.scheduler.recurring.runs(name, 10_000) if run.job_id is not None]


def check(runs: list[RecurringRun] | Any, expected: list[datetime], job: Any) -> None:
    """Every time has a job, or stands in an entry of skipped ones; none has two."""
    assert job.problem is None
    made = Counter(run.run_at for run in runs if run.job_id is not None)
    assert set(made.values()) <= {1}
    assert set(made) <= set(expected) | {job.last_run_at}
    skipped = [run.skips for run in runs if run.skips is not None]
    for time in expected:
        if time < job.next_run_at:
            in_entries = sum(skips.first <= time <= skips.last for skips in skipped)
            assert (time in made) + in_entries == 1, (job.id, time)


def test_many_who_register_different_ones_at_once_leave_one_that_is_whole(
    two_storages: Callable[[TestClock], list[StorageProvider]],
) -> None:
    clock = TestClock(START)
    with ExitStack() as stack, ThreadPoolExecutor(8) as threads:
        apps = [stack.enter_context(JobRunr(storage)) for storage in two_storages(clock)]
        wanted = [f"PT{n + 1}H" for n in range(4)]

        def register(app: JobRunr, schedule: str) -> str:
            return app.scheduler.options(id="sync").schedule_recurrently(schedule, jobs.sync)

        calls = [partial(register, apps[n % 2], schedule) for n, schedule in enumerate(wanted)]
        assert list(threads.map(lambda call: call(), calls)) == ["sync"] * 4

        job = apps[0].scheduler.recurring.get("sync")
        assert job.schedule in wanted
        period = timedelta(hours=wanted.index(job.schedule) + 1)
        assert job.next_run_at == START + period
