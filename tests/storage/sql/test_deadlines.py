"""The deadline of a call, and who keeps to it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from math import inf
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from jobrunr.ids import JobId
from jobrunr.jobs import JobDetails, NewJob
from jobrunr.storage.sql import SqlStorageProvider, deadlines
from jobrunr.storage.sql.deadlines import Deadline, DeadlinePool, present_deadline, seconds_left
from jobrunr.storage.sql.inserting import in_pieces
from jobrunr.testing.factories import a_job


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What the deadline takes for the monotonic clock."""
    clock = SimpleNamespace(now=1000.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(deadlines, "time", clock)
    return clock


class TestDeadline:
    def test_outside_a_call_nothing_is_shortened(self) -> None:
        assert present_deadline() is None
        assert seconds_left(3) == 3

    def test_in_a_call_everything_has_what_is_left(self, clock: SimpleNamespace) -> None:
        with Deadline(10, 1):
            assert seconds_left(inf) == 10
            clock.now += 8
            assert (seconds_left(inf), seconds_left(1)) == (2, 1)
            clock.now += 8
            assert seconds_left(inf) == 0
        assert seconds_left(inf) == inf

    def test_the_first_try_leaves_time_for_another(self, clock: SimpleNamespace) -> None:
        with Deadline(10, 0.7) as deadline:
            assert seconds_left(inf) == pytest.approx(7)
            clock.now += 7
            assert not deadline.is_over
            deadline.take_all()
            assert seconds_left(inf) == pytest.approx(3)
            clock.now += 3
            assert deadline.is_over

    def test_a_migration_takes_as_long_as_it_takes(self) -> None:
        with Deadline(inf, 0.7) as deadline:
            assert deadline.left == inf


class TestPool:
    @pytest.fixture
    def pool(self) -> Iterator[DeadlinePool]:
        pool = DeadlinePool(lambda: sqlite3.connect(":memory:"), pool_size=1, max_overflow=0, timeout=30)
        yield pool
        pool.dispose()

    def test_nobody_waits_longer_than_his_call_may_take(self, pool: DeadlinePool) -> None:
        taken = pool.connect()
        began = time.monotonic()
        with Deadline(0.05, 1), pytest.raises(PoolTimeoutError):
            pool.connect()
        assert time.monotonic() - began < 1
        taken.close()

    def test_it_logs_under_the_name_of_sqlalchemy(self, pool: DeadlinePool) -> None:
        assert pool.logger.name.startswith("sqlalchemy.pool")

    def test_a_pool_made_anew_in_a_call_is_as_patient_as_the_one_before(self, pool: DeadlinePool) -> None:
        with Deadline(0.05, 1):
            assert pool.recreate().timeout() <= 0.05
        assert pool.recreate().timeout() == 30


class TestLongCalls:
    def test_many_large_jobs_have_the_time_anew_for_each_statement(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: SimpleNamespace
    ) -> None:
        left: list[float] = []

        def insert_slowly(connection: Connection, jobs: Sequence[NewJob]) -> set[JobId]:
            left.append(seconds_left(inf))
            clock.now += 8
            return set()

        jobs = [a_job(details=JobDetails("shop:pay", "x" * 2**20)) for _ in range(4)]
        with SqlStorageProvider(f"sqlite:///{tmp_path / 'jobs.db'}") as storage, Deadline(10, 1):
            monkeypatch.setattr(storage._inserting, "_insert_piece", insert_slowly)
            clock.now += 1
            storage._inserting.insert(None, in_pieces(jobs))  # type: ignore[arg-type] - nothing is sent
        assert left[0] == 9, "what came before counts"
        assert left[1:] == [10] * len(left[1:])
        assert len(left) > 1
