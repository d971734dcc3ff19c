"""Searching in slices, with slices so small that a few jobs make many of them. The law is the same."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import URL

from jobrunr.jobs import JobDetails
from jobrunr.states import JobState
from jobrunr.storage.contract import JobCount, JobQuery, StorageProvider
from jobrunr.storage.sql import searching, walking
from jobrunr.testing.clock import TestClock
from jobrunr.testing.contract.looking import Finding
from jobrunr.testing.contract.searching import CountingMatches, Searching
from jobrunr.testing.factories import enqueued
from tests.storage.sql_contract import SqlFixtures


class InSlices(SqlFixtures, Finding, Searching, CountingMatches):
    @pytest.fixture(autouse=True)
    def slices_are_small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(walking, "FIRST_SLICE", 2)
        monkeypatch.setattr(walking, "GROWTH", 1)
        monkeypatch.setattr(walking, "LEAST_AT_ONCE", 2)
        monkeypatch.setattr(searching, "FEW", 2)
        monkeypatch.setattr(searching, "AT_ONCE", 2)

    @pytest.mark.parametrize("state", [None, JobState.ENQUEUED])
    def test_a_search_without_patience_says_where_it_stopped(
        self, storage: StorageProvider, clock: TestClock, state: JobState | None
    ) -> None:
        jobs = []
        for number in range(6):
            jobs.append(enqueued(storage, details=JobDetails(f"shop.jobs:{'rare' if number == 1 else 'frequent'}", "{}")))
            clock.advance(seconds=1)
        query = {"state": state, "target": "shop.jobs:rare", "patience": timedelta(0)}

        page = storage.find(JobQuery(**query))

        assert (page.jobs, page.searched_to) == ((), jobs[4].created_at)
        page = storage.find(JobQuery(after=page.next, **query))
        assert (page.jobs, page.searched_to) == ((), jobs[2].created_at)
        page = storage.find(JobQuery(after=page.next, **query))
        assert (page.jobs, page.searched_to) == ((jobs[1],), jobs[0].created_at)
        page = storage.find(JobQuery(after=page.next, **query))
        assert (page.jobs, page.searched_to, page.next) == ((), None, None)

    def test_a_count_without_patience_says_that_it_is_not_exact(self, storage: StorageProvider) -> None:
        for _ in range(5):
            enqueued(storage)
        assert storage.count(JobQuery(queue="default", patience=timedelta(0))) == JobCount(2, is_exact=False)


class TestSqlite(InSlices):
    @pytest.fixture
    def url(self, sqlite: URL) -> URL:
        return sqlite


class TestPostgresql(InSlices):
    @pytest.fixture
    def url(self, postgresql: URL) -> URL:
        return postgresql


class TestMariadb(InSlices):
    @pytest.fixture
    def url(self, mariadb: URL) -> URL:
        return mariadb
