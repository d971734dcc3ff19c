"""What a job logs and keeps of itself."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from jobrunr import Job, current_job
from jobrunr.context import JobContext
from jobrunr.errors import JobCancelledError, JobRunrError, MetadataError, StorageUnavailableError
from jobrunr.job_log import MAX_LOGGED_TRACEBACK_SIZE, JobLog
from jobrunr.testing import NotedJournal, job_context


@pytest.fixture
def journal() -> NotedJournal:
    return NotedJournal()


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"])
def test_a_line_has_a_level_as_with_logging(journal: NotedJournal, level: str) -> None:
    with job_context(journal=journal) as context:
        getattr(context.log, level.lower())("%d of %d", 1, 2)

    assert journal.logs == [(logging.getLevelNamesMapping()[level], "1 of 2")]


@pytest.mark.parametrize(
    "write",
    [
        lambda log, error: log.exception("no mail for %s", "ada"),  # noqa: LOG004
        lambda log, error: log.error("no mail for %s", "ada", exc_info=True),  # noqa: LOG014
        lambda log, error: log.log(logging.ERROR, "no mail for %s", "ada", exc_info=error),
    ],
)
def test_a_line_can_hold_the_traceback(journal: NotedJournal, write: Callable[[JobLog, Exception], None]) -> None:
    with job_context(journal=journal):
        try:
            raise OSError("no route" * 10_000)
        except OSError as error:
            write(current_job().log, error)

    ((level, line),) = journal.logs
    assert level == logging.ERROR
    assert line.startswith("no mail for ada\nTraceback (most recent call last):")
    assert "characters left out" in line
    assert len(line) < MAX_LOGGED_TRACEBACK_SIZE + 100


def test_where_no_exception_is_handled_a_line_holds_none(journal: NotedJournal) -> None:
    with job_context(journal=journal) as context:
        context.log.exception("all is well")  # noqa: LOG004 - that is the point

    assert journal.logs == [(logging.ERROR, "all is well")]


class UnspeakableError(Exception):
    @property
    def __notes__(self) -> list[str]:
        raise RuntimeError

    def __str__(self) -> str:
        raise RuntimeError


def test_an_exception_that_cannot_be_shown_fails_no_job(journal: NotedJournal) -> None:
    with job_context(journal=journal) as context:
        context.log.error("oops", exc_info=UnspeakableError())

    assert "UnspeakableError" in journal.logs[0][1]


def test_a_job_sees_of_its_metadata_what_is_stored(journal: NotedJournal) -> None:
    with job_context(journal=journal) as context:
        given: list[int] = []
        context.metadata["seen"] = given
        given.append(1)
        context.metadata["seen"].append(2)
        assert context.metadata["seen"] == journal.metadata["seen"] == []

        context.metadata["seen"] = [*context.metadata["seen"], 3]
        assert context.metadata["seen"] == journal.metadata["seen"] == [3]


class StorageAwayJournal(NotedJournal):
    """The journal of a server whose storage is away for the first few looks, or for good."""

    def __init__(self, away: int | None = None) -> None:
        super().__init__()
        self._away = away
        self.looks = 0
        self.looked = threading.Event()

    def read(self, job: Job) -> dict[str, str]:
        self.looks += 1
        self.looked.set()
        if self._away is None or self.looks <= self._away:
            raise StorageUnavailableError("nowhere", "it is away")
        return super().read(job)


def test_a_job_that_only_assigns_metadata_does_not_need_the_storage() -> None:
    journal = StorageAwayJournal()
    with job_context(journal=journal) as context:
        context.metadata["key"] = 1

    assert journal.metadata == {"key": 1}


class TestReadingWhileTheStorageIsAway:
    @pytest.fixture(autouse=True)
    def _soon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("jobrunr.backoff.FIRST_PAUSE", 0.001)

    def test_a_function_waits_until_it_is_back(self) -> None:
        journal = StorageAwayJournal(away=2)
        with job_context(journal=journal) as context:
            context.metadata["key"] = 1
            assert dict(context.metadata) == {"key": 1}
            assert dict(context.metadata) == {"key": 1}

        assert journal.looks == 3, "what was read once is not read again"

    def test_a_function_waits_no_longer_than_it_is_wanted(self) -> None:
        journal = StorageAwayJournal()
        with job_context(journal=journal) as context, ThreadPoolExecutor(1) as thread:
            looking = thread.submit(lambda: context.metadata.get("key"))
            assert journal.looked.wait(10)
            context.cancel()
            with pytest.raises(JobCancelledError):
                looking.result(10)

    def test_a_coroutine_does_not_hold_up_the_others(self) -> None:
        journal = StorageAwayJournal(away=1)

        async def look(context: JobContext) -> object:
            with pytest.raises(StorageUnavailableError):
                context.metadata.get("key")
            return await asyncio.to_thread(dict, context.metadata)

        with job_context(journal=journal) as context:
            assert asyncio.run(look(context)) == {}


def test_what_was_deleted_is_gone_and_what_was_not_there_cannot_be_deleted(journal: NotedJournal) -> None:
    with job_context(journal=journal) as context:
        context.metadata["key"] = 1
        del context.metadata["key"]
        with pytest.raises(KeyError):
            del context.metadata["key"]

        assert dict(context.metadata) == {}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ((1, 2), "a tuple would come back as a list"),
        ({"a": {1}}, "under key 'a': a set would come back as a list"),
        ({1: 2}, "the key 1 would come back as '1'"),
        (datetime(2030, 1, 1, tzinfo=UTC), "a datetime would come back as a str"),
        (float("nan"), "no number to JSON"),
        (object(), "no form in JSON"),
    ],
)
def test_a_value_that_would_come_back_different_is_refused(value: Any, says: str) -> None:
    with job_context() as context, pytest.raises(MetadataError, match=says) as caught:
        context.metadata["key"] = value

    assert isinstance(caught.value, JobRunrError)
    assert str(caught.value).startswith("metadata['key'] cannot be kept: ")
    assert "key" not in context.metadata
