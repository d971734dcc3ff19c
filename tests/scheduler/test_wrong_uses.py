"""What a type checker would have refused gets a clear sentence, too."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from jobrunr import ExponentialBackoff, FixedDelays, GiveUp, JobFilter, JobId, JobRunr, JobScheduler, job
from jobrunr.errors import (
    OptionError,
    StorageSetupError,
    TargetNotImportableError,
    TargetNotOfferedError,
    WrongSettingError,
)
from jobrunr.storage.memory import MemoryStorageProvider
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
        (lambda s: s.options(id="order-17").enqueue(fail, "a"), "JobId.from_key"),
        (lambda s: s.options(id=""), "JobId.from_key.*1 to 255 printable"),
        (lambda s: s.options(name=""), "name cannot be ''; it is a text that is not empty"),
        (lambda s: s.options(zone="UTC", until=None).enqueue(fail, "a"), "zone: only recurring jobs"),
        (lambda s: s.options(misfire="never"), "'skip', 'one' or 'all'"),
        (lambda s: s.options(max_concurrent=0), "max_concurrent"),
        (lambda s: s.options(until=datetime(2030, 1, 1)), "time zone"),  # noqa: DTZ001 - that is the point
        (lambda s: s.find(state="FAILED"), "JobState.FAILED"),
        *((lambda s, n=n: s.find(limit=n), "limit cannot be .*from 1 to 10000") for n in (-1, 0, 10_001, "5", True, 2.0)),
        *(
            (lambda s, n=n: s.find(**{n: 5}), f"{n} cannot be 5; it is a text")
            for n in ("queue", "target", "label", "after")
        ),
        (lambda s: s.delete(s.enqueue(fail, "a"), reason=5), "reason cannot be 5"),
        (lambda s: s.requeue(s.enqueue(fail, "a"), reason=None), "reason cannot be None"),
        (lambda s: s.reschedule(s.enqueue(fail, "a"), timedelta(1), reason=b"x"), "reason cannot be b'x'"),
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


async def activate_later(cls: type) -> Any:
    return cls()


A_FUNCTION_OF_THREE = "ExponentialBackoff(...), FixedDelays(...), or a function of job, exception and attempt"


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        ({"retry": 5}, A_FUNCTION_OF_THREE),
        ({"retry": 0}, A_FUNCTION_OF_THREE),
        ({"retry": FixedDelays}, A_FUNCTION_OF_THREE),
        ({"retry": ExponentialBackoff}, A_FUNCTION_OF_THREE),
        ({"retry": lambda job, exception: None}, A_FUNCTION_OF_THREE),
        ({"activator": "container"}, "a function that takes a class and returns an instance"),
        ({"activator": False}, "a function that takes a class and returns an instance"),
        ({"activator": lambda: None}, "a function that takes a class and returns an instance"),
        ({"activator": activate_later}, "a function that takes a class and returns an instance"),
        ({"filters": [JobFilter]}, "a list of instances of JobFilter"),
        ({"filters": JobFilter()}, "a list of instances of JobFilter"),
        ({"filters": None}, "a list of instances of JobFilter"),
        ({"filters": "audit"}, "a list of instances of JobFilter"),
        ({"filters": [JobFilter(), print]}, "a list of instances of JobFilter"),
        ({"application": 5}, "the name of a package, such as 'shop'"),
        ({"application": ""}, "the name of a package, such as 'shop'"),
    ],
)
def test_what_an_application_hands_over_is_looked_at_at_once(given: dict[str, Any], allowed: str) -> None:
    with pytest.raises(WrongSettingError, match=f"Setting {next(iter(given))} cannot be ") as caught:
        JobRunr("memory://", **given)
    assert allowed in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        {"retry": FixedDelays(1)},
        {"retry": lambda *facts: GiveUp("no")},
        {"activator": dict.fromkeys},
        {"activator": lambda cls, *, scope="job": cls()},
        {"filters": (each for each in [JobFilter()])},
        {"filters": ()},
    ],
)
def test_what_can_be_used_is_taken(given: dict[str, Any]) -> None:
    JobRunr("memory://", **given)


@pytest.mark.parametrize(
    ("use", "says"),
    [
        (lambda: job(bogus=1), "@job has no option 'bogus'. It has name, retries, "),
        (lambda: job(id=JobId.new()), "@job has no option 'id'"),
        (lambda: job(len), "@job cannot mark <built-in function len>. Write a function of your own"),
        (lambda: job("x"), "@job cannot mark 'x'"),
        (lambda: job(retries=1)(JobFilter().created), "@job cannot mark <bound method"),
        (lambda: FixedDelays("x"), "in seconds or as timedelta"),
        (lambda: FixedDelays(5, None), "in seconds or as timedelta"),
        (lambda: ExponentialBackoff(base="x"), "base, factor and jitter are numbers"),
        (lambda: ExponentialBackoff(maximum="1h"), "maximum is seconds or a timedelta"),
    ],
)
def test_wrong_options_are_refused_where_they_are_written(use: Any, says: str) -> None:
    with pytest.raises(OptionError) as caught:
        use()
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (len, TargetNotOfferedError),
        (os.system, TargetNotOfferedError),
        (str.upper, TargetNotImportableError),
        ("x".upper, TargetNotImportableError),
        ([].append, TargetNotImportableError),
        ([].__len__, TargetNotImportableError),
        (dict.fromkeys, TargetNotImportableError),
    ],
)
def test_for_what_is_written_in_c_the_advice_is_a_function_around_it(
    scheduler: JobScheduler, function: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"\. Write a function of your own that calls it, and enqueue that\.$"):
        scheduler.enqueue(function)


@pytest.mark.parametrize("storage", [object(), [], MemoryStorageProvider])
def test_what_is_no_storage_is_named_with_what_may_be_one(storage: Any) -> None:
    with pytest.raises(StorageSetupError, match=r"cannot be kept in .*Pass a URL .* an Engine .* StorageProvider"):
        JobRunr(storage).scheduler.counts()


@pytest.mark.parametrize("url", ["memory:", "memory://x", "memory"])
def test_only_memory_is_in_memory(url: str) -> None:
    with pytest.raises((WrongSettingError, StorageSetupError), match="URL"):
        JobRunr(url).scheduler.counts()


def test_a_policy_on_a_function_is_looked_at_too() -> None:
    with pytest.raises(OptionError, match="retry cannot be") as caught:
        job(retry=FixedDelays)(fail)  # type: ignore[arg-type]
    assert A_FUNCTION_OF_THREE in str(caught.value)


def test_times_are_stored_in_utc(scheduler: JobScheduler) -> None:
    there = datetime(2030, 1, 1, 12, tzinfo=timezone(timedelta(hours=5)))

    job = scheduler.get(scheduler.schedule(there, fail, "a"))

    assert job.run_at == datetime(2030, 1, 1, 7, tzinfo=UTC)
