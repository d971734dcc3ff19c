"""From a call to a stored job."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import pytest

from jobrunr import FixedDelays, JobFilter, JobId, JobRunr, JobState, NewJob, Retry, job, log_context
from jobrunr.errors import (
    ArgumentError,
    JobRefusedError,
    OptionError,
    StorageUnavailableError,
    TargetNotImportableError,
    TooLargeError,
)
from jobrunr.scheduler.bulk import CHUNK
from jobrunr.storage.memory import MemoryStorageProvider
from tests.server import jobs

HERE = "tests.scheduler.test_making"


@job(name="Send welcome to {0}", retries=3, labels=["mail", "to-{email}"], queue="mails", priority=7)
def send_welcome(email: str, *, copies: int = 1) -> str:
    return email * copies


def plain(number: int = 0) -> int:
    return number


def by_position(a: int, b: int, /, c: int) -> None: ...


class Order:
    def __init__(self, number: int) -> None:
        self.number = number


@pytest.fixture
def app() -> Iterator[JobRunr]:
    with JobRunr("memory://", retries=4) as app:
        yield app


def test_it_is_enqueued_with_all_that_the_decorator_says(app: JobRunr) -> None:
    stored = app.scheduler.get(app.scheduler.enqueue(send_welcome, "ada@example.org", copies=2))
    assert stored.state is JobState.ENQUEUED
    assert stored.target == f"{HERE}:send_welcome"
    assert msgspec.json.decode(stored.details.arguments) == {"email": "ada@example.org", "copies": 2}
    assert stored.name == "Send welcome to ada@example.org"
    assert stored.labels == ("mail", "to-ada@example.org")
    assert (stored.queue, stored.priority, stored.retries) == ("mails", 7, 3)


def test_the_call_goes_before_the_decorator_and_the_decorator_before_the_settings(app: JobRunr) -> None:
    scheduler = app.scheduler
    assert scheduler.get(scheduler.enqueue(plain)).retries == 4, "the settings"
    assert scheduler.get(scheduler.enqueue(send_welcome, "a")).retries == 3, "the decorator"
    said = scheduler.options(retries=0, queue="mine", labels=[], name="mine", priority=-1)
    stored = scheduler.get(said.enqueue(send_welcome, "a"))
    assert (stored.retries, stored.queue, stored.labels, stored.name, stored.priority) == (0, "mine", (), "mine", -1)


def test_options_add_up_and_leave_the_scheduler_they_came_from_alone(app: JobRunr) -> None:
    both = app.scheduler.options(queue="q").options(priority=2)
    assert (app.scheduler.get(both.enqueue(plain)).queue, app.scheduler.get(both.enqueue(plain)).priority) == ("q", 2)
    assert app.scheduler.get(app.scheduler.enqueue(plain)).queue == "default"


def test_delays_say_how_many_retries_there_are_unless_that_is_said(app: JobRunr) -> None:
    delays = FixedDelays(1, 2, 3)
    assert app.scheduler.get(app.scheduler.options(retry=delays).enqueue(plain)).retries == 3
    assert app.scheduler.get(app.scheduler.options(retry=delays, retries=9).enqueue(plain)).retries == 9


def test_a_method_is_stored_by_its_class(app: JobRunr) -> None:
    mailer = jobs.Mailer("anything")
    for function in (jobs.Mailer.send, mailer.send, lambda: mailer.send("ada")):
        args = () if getattr(function, "__name__", "") == "<lambda>" else ("ada",)
        stored = app.scheduler.get(app.scheduler.enqueue(function, *args))  # type: ignore[arg-type]
        assert stored.target == "tests.server.jobs:Mailer.send"
        assert stored.details.arguments == '{"to":"ada"}'


def test_the_arguments_of_a_lambda_are_evaluated_now(app: JobRunr) -> None:
    order = Order(17)
    job_id = app.scheduler.enqueue(lambda: plain(order.number))
    order.number = 18
    assert app.scheduler.get(job_id).details.arguments == '{"number":17}'


def test_what_is_scheduled_waits_for_its_time(app: JobRunr) -> None:
    moment = datetime(2030, 5, 6, 7, 8, 9, tzinfo=UTC)
    at = app.scheduler.get(app.scheduler.schedule(moment, plain, 1))
    after = app.scheduler.get(app.scheduler.schedule(timedelta(hours=24), plain, 1))
    assert (at.state, at.run_at) == (JobState.SCHEDULED, moment)
    assert after.run_at is not None
    assert abs(after.run_at - after.created_at - timedelta(hours=24)) < timedelta(seconds=5)


def test_many_are_streamed_and_their_ids_come_back_in_order() -> None:
    drawn: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(2500):
            drawn.append(number)
            yield number

    stored_when_drawn: list[int] = []

    class Streams(JobFilter):
        def created(self, job: NewJob) -> None:
            stored_when_drawn.append(len(drawn))

    with JobRunr("memory://", filters=[Streams()]) as watched:
        ids = watched.scheduler.enqueue_many(plain, numbers())
        assert [watched.scheduler.get(job_id).details.arguments for job_id in ids[:3]] == [
            f'{{"number":{n}}}' for n in range(3)
        ]
        assert len(set(ids)) == 2500
        assert stored_when_drawn[0] < 2500, "the first jobs were stored before the last were drawn"


class Bursting(MemoryStorageProvider):
    """Takes so many chunks, and is away then."""

    def __init__(self, chunks: int) -> None:
        super().__init__()
        self.chunks = chunks
        self.tried: list[int] = []

    def insert(self, jobs: Sequence[NewJob]) -> frozenset[JobId]:
        self.tried.append(len(jobs))
        if len(self.tried) > self.chunks:
            raise StorageUnavailableError("memory://", "it is full")
        return super().insert(jobs)


def test_of_many_none_is_stored_behind_a_chunk_that_could_not_be() -> None:
    created: list[JobId] = []

    class Counts(JobFilter):
        def created(self, job: NewJob) -> None:
            created.append(job.id)

    storage = Bursting(chunks=2)
    with JobRunr(storage, filters=[Counts()]) as app:
        with pytest.raises(StorageUnavailableError) as caught:
            app.scheduler.enqueue_many(plain, range(10 * CHUNK))
        assert caught.value.stored == tuple(created)
        assert storage.tried == [CHUNK] * 3
        assert app.scheduler.counts()[JobState.ENQUEUED] == len(created) == 2 * CHUNK


def test_of_many_those_are_stored_that_came_before_one_that_is_refused(app: JobRunr) -> None:
    with pytest.raises(ArgumentError) as caught:
        app.scheduler.enqueue_many(plain, [*range(CHUNK), *range(CHUNK), "three"])
    assert app.scheduler.counts()[JobState.ENQUEUED] == 2 * CHUNK
    of_item, of_stored = caught.value.__notes__
    assert "item 2,000 of" in of_item and "first is item 0" in of_item
    assert "stored 2,000 jobs" in of_stored
    numbers = [app.scheduler.get(job_id).details.arguments for job_id in caught.value.stored]
    assert numbers == [f'{{"number":{n}}}' for n in [*range(CHUNK), *range(CHUNK)]]


def test_an_error_of_the_callers_own_among_many_is_told_what_is_stored(app: JobRunr) -> None:
    def numbers() -> Iterator[int]:
        yield from range(CHUNK)
        raise LookupError("no more")

    with pytest.raises(LookupError) as caught:
        app.scheduler.enqueue_many(plain, numbers())
    assert caught.value.__notes__ == ["enqueue_many had stored 1,000 jobs before that."]


def test_a_tuple_is_several_arguments(app: JobRunr) -> None:
    (job_id,) = app.scheduler.enqueue_many(jobs.add, [(1, 2)])
    assert app.scheduler.get(job_id).details.arguments == '{"a":1,"b":2}'


def test_an_id_that_exists_is_no_error_and_changes_nothing() -> None:
    created: list[JobId] = []

    class Counts(JobFilter):
        def created(self, job: NewJob) -> None:
            created.append(job.id)

    with JobRunr("memory://", filters=[Counts()]) as app:
        once = app.scheduler.options(id=JobId.from_key("order-17"))
        first = once.enqueue(plain, 1)
        before = app.scheduler.get(first)
        assert once.options(name="other").enqueue(plain, 2) == first
        assert app.scheduler.get(first) == before
        assert created == [first]


def test_the_log_context_is_kept_and_fills_names(app: JobRunr) -> None:
    with log_context(tenant="a"):
        stored = app.scheduler.get(app.scheduler.options(name="{tenant}: {number} {nobody}").enqueue(plain, 3))
    assert stored.name == "a: 3 {nobody}"
    assert stored.extras.log_context == {"tenant": "a"}


def test_a_name_without_a_template_says_what_is_called(app: JobRunr) -> None:
    assert "plain(" in app.scheduler.get(app.scheduler.enqueue(plain, 3)).name


def test_what_cannot_be_passed_by_name_stands_there_without_one(app: JobRunr) -> None:
    assert app.scheduler.get(app.scheduler.enqueue(by_position, 1, 2, c=3)).name == "test_making.by_position(1, 2, c=3)"


def test_a_log_context_that_is_too_large_is_refused(app: JobRunr) -> None:
    with log_context(page="x" * 16_373):
        app.scheduler.enqueue(plain, 3)
    with log_context(page="x" * 16_374), pytest.raises(OptionError, match=r"would take 16,385 bytes .* the limit is 16,384"):
        app.scheduler.enqueue(plain, 3)


def test_a_log_context_that_cannot_be_stored_is_refused_by_its_key(app: JobRunr) -> None:
    with log_context(tenant="a", order=Order(1)), pytest.raises(OptionError, match="for 'order': an Order has no form"):
        app.scheduler.enqueue(plain, 3)


def test_a_filter_may_change_what_is_stored() -> None:
    class Tenant(JobFilter):
        def creating(self, job: NewJob) -> NewJob:
            return msgspec.structs.replace(job, labels=("tenant-a",))

    with JobRunr("memory://", filters=[Tenant()]) as app:
        assert app.scheduler.get(app.scheduler.enqueue(send_welcome, "a")).labels == ("tenant-a",)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (5, "5 is no NewJob"),
        ({"id": None}, r"\$\.id"),
        ({"name": None}, r"\$\.name"),
        ({"name": "x" * 256}, r"\$\.name"),
        ({"name": "a\0b"}, "NUL"),
        ({"labels": "mail"}, r"\$\.labels"),
        ({"priority": 40_000}, r"\$\.priority"),
        ({"state": JobState.SUCCEEDED}, "SUCCEEDED"),
        ({"state": JobState.SCHEDULED}, "does not say for when"),
    ],
)
def test_a_filter_that_makes_no_job_of_it_is_logged_and_changes_nothing(
    caplog: pytest.LogCaptureFixture, wrong: Any, says: str
) -> None:
    class Wrong(JobFilter):
        def creating(self, job: NewJob) -> NewJob:
            return msgspec.structs.replace(job, **wrong) if isinstance(wrong, dict) else wrong

    with JobRunr("memory://", filters=[Wrong()]) as app:
        stored = app.scheduler.get(app.scheduler.enqueue(plain, 3))

    assert (stored.state, stored.labels, stored.priority) == (JobState.ENQUEUED, (), 0)
    assert f"creating failed for job {stored.id}; the job goes on" in caplog.text
    assert re.search(says, caplog.text)


def nested() -> object:
    def inside() -> None: ...

    return inside


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda s: s.enqueue(nested()), TargetNotImportableError, "top level"),
        (lambda s: s.enqueue(lambda: plain(plain(1))), TargetNotImportableError, "one call"),
        (lambda s: s.enqueue(lambda: 17), TargetNotImportableError, "call"),
        (lambda s: s.enqueue(lambda: plain(1), 2), OptionError, "lambda"),
        (lambda s: s.enqueue(partial(plain, 1)), TargetNotImportableError, "partial"),
        (lambda s: s.enqueue(print, "x"), JobRefusedError, "builtins"),
        (lambda s: s.enqueue(plain, "three"), ArgumentError, "number"),
        (lambda s: s.enqueue(plain, 1, 2), ArgumentError, "plain"),
        (lambda s: s.enqueue(jobs.note, "key", Order(1)), ArgumentError, "value"),
        (lambda s: s.enqueue(jobs.fail, "x" * 2**21), TooLargeError, "max_arguments_size"),
        (lambda s: s.schedule(datetime(2030, 1, 1), plain), OptionError, "time zone"),  # noqa: DTZ001 - that is the point
        (lambda s: s.options(id=JobId.new()).enqueue_many(plain, [1]), OptionError, "one job"),
        (lambda s: s.options(labels=["x" * 101]).enqueue(plain), OptionError, "characters"),
        (lambda s: s.options(labels="mail"), OptionError, "list"),
        (lambda s: s.options(labels=["x"] * 11), OptionError, "10 labels"),
        (lambda s: s.options(retries=-1), OptionError, "retries"),
        (lambda s: s.options(priority=40_000), OptionError, "priority"),
        (lambda s: s.options(queue=""), OptionError, "queue"),
        (lambda s: s.options(delete_succeeded_after=-timedelta(1)), OptionError, "delete_succeeded_after"),
        (lambda s: s.options(retry=lambda job, exception, attempt: Retry(timedelta(0))).enqueue(plain), OptionError, "@job"),
    ],
)
def test_what_cannot_become_a_job_is_refused_with_a_reason_and_nothing_is_stored(
    app: JobRunr, make: object, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        make(app.scheduler)  # type: ignore[operator]
    assert sum(app.scheduler.counts().values()) == 0
