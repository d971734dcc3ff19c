"""What a type checker would have refused gets a clear sentence, too."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from jobrunr import JobFilter, JobRunr, JobScheduler
from jobrunr.errors import OptionError
from tests.server.jobs import fail


@pytest.fixture
def scheduler() -> JobScheduler:
    return JobRunr("memory://").scheduler


@pytest.mark.parametrize(
    ("use", "says"),
    [
        (lambda s: s.schedule(3600, fail, "a"), "3600 is no time"),
        (lambda s: s.schedule(date(2030, 1, 1), fail, "a"), "is no time"),
        (lambda s: s.reschedule(s.enqueue(fail, "a"), "tomorrow"), "'tomorrow' is no time"),
        (lambda s: s.schedule(timedelta(days=10**7), fail, "a"), "too far away"),
        (lambda s: s.schedule(datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5))), fail, "a"), "too far away"),
        (lambda s: s.enqueue_many(fail, "ada@example.org"), r"write \['ada@example.org'\]"),
        (lambda s: s.options(id="order-17"), "JobId.from_key"),
        (lambda s: s.find(state="FAILED"), "JobState.FAILED"),
        (lambda s: s.options(queue="a\0b"), "printable"),
        (lambda s: s.options(retry_on=ValueError), r"\[ValueError\]"),
    ],
)
def test_it_is_refused(scheduler: JobScheduler, use: Callable[[Any], object], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        use(scheduler)


@pytest.mark.parametrize("verb", ["get", "delete", "requeue", "logs", "metadata", "progress"])
def test_an_id_may_be_text_and_must_be_one(scheduler: JobScheduler, verb: str) -> None:
    job_id = scheduler.enqueue(fail, "a")

    getattr(scheduler, verb)(str(job_id))

    with pytest.raises(ValueError, match="'order-17' is no UUID"):
        getattr(scheduler, verb)("order-17")


def test_a_filter_is_an_instance() -> None:
    with pytest.raises(TypeError, match="pass instances"):
        JobRunr("memory://", filters=[JobFilter])  # type: ignore[list-item]


def test_times_are_stored_in_utc(scheduler: JobScheduler) -> None:
    there = datetime(2030, 1, 1, 12, tzinfo=timezone(timedelta(hours=5)))

    job = scheduler.get(scheduler.schedule(there, fail, "a"))

    assert job.run_at == datetime(2030, 1, 1, 7, tzinfo=UTC)
