"""The scheduler for coroutines, and the writer behind it."""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta

import pytest

from jobrunr import JobFilter, JobId, JobRunr, JobScheduler, JobState, NewJob, log_context
from jobrunr.errors import JobRefusedError, OptionError, StorageError, StorageUnavailableError
from jobrunr.scheduler import coalescing_writer
from jobrunr.scheduler.async_job_scheduler import AsyncJobScheduler
from jobrunr.scheduler.async_recurring_jobs import AsyncRecurringJobs
from jobrunr.scheduler.bulk import CHUNK
from jobrunr.scheduler.recurring_jobs import RecurringJobs
from jobrunr.storage.memory import MemoryStorageProvider
from tests.server import jobs


class Gated(MemoryStorageProvider):
    """Stores when the gate is open, keeps what each call brought, and fails as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.entered = threading.Event(), threading.Event()
        self.gate.set()
        self.batches: list[list[JobId]] = []
        self.bad: dict[str, Exception] = {}
        self.outage = False

    def insert(self, jobs: Sequence[NewJob]) -> frozenset[JobId]:
        self.batches.append([job.id for job in jobs])
        self.entered.set()
        assert self.gate.wait(30)
        if self.outage:
            raise StorageUnavailableError("here", "it is switched off")
        for job in jobs:
            if job.queue in self.bad:
                raise self.bad[job.queue]
        return super().insert(jobs)


@pytest.fixture
def storage() -> Gated:
    return Gated()


@pytest.fixture
def app(storage: Gated) -> Iterator[JobRunr]:
    with JobRunr(storage) as app:
        yield app


async def held(app: JobRunr, storage: Gated, count: int) -> list[asyncio.Task[JobId]]:
    """One job is on its way and cannot go on; so many pile up behind it."""
    storage.gate.clear()
    tasks = [asyncio.create_task(app.async_scheduler.enqueue(jobs.add, 0, 0))]
    assert await asyncio.to_thread(storage.entered.wait, 30)
    tasks += [asyncio.create_task(app.async_scheduler.enqueue(jobs.add, 1, number)) for number in range(count)]
    await asyncio.sleep(0)
    return tasks


def public(cls: type) -> dict[str, object]:
    return {name: verb for name, verb in inspect.getmembers(cls, inspect.isfunction) if not name.startswith("_")}


@pytest.mark.parametrize(("sync", "other"), [(JobScheduler, AsyncJobScheduler), (RecurringJobs, AsyncRecurringJobs)])
def test_both_have_the_same_verbs_parameters_and_documentation(sync: type, other: type) -> None:
    ours, theirs = public(other), public(sync)
    assert ours.keys() == theirs.keys()
    for name, verb in theirs.items():
        twin = ours[name]
        assert callable(verb) and callable(twin)
        assert inspect.iscoroutinefunction(twin) == (name not in ("options", "bind")), name
        assert twin.__doc__ == verb.__doc__, name
        shape = [(p.name, p.kind, p.default) for p in inspect.signature(verb).parameters.values()]
        assert [(p.name, p.kind, p.default) for p in inspect.signature(twin).parameters.values()] == shape, name


def test_what_was_awaited_is_stored(app: JobRunr) -> None:
    async def use() -> None:
        made = await app.async_scheduler.enqueue(jobs.add, 1, 2)
        later = await app.async_scheduler.options(queue="q").schedule(timedelta(hours=1), jobs.add, 1, 2)
        assert (await app.async_scheduler.get(made)).state is JobState.ENQUEUED
        stored = app.scheduler.get(later)
        assert (stored.state, stored.queue) == (JobState.SCHEDULED, "q")
        await app.async_scheduler.delete(later)
        assert app.scheduler.get(later).state is JobState.DELETED
        assert await app.async_scheduler.options(id="r").schedule_recurrently("@daily", jobs.add, 1, 2) == "r"
        assert [job.id for job in await app.async_scheduler.recurring.list()] == ["r"]

    asyncio.run(use())


def test_what_piles_up_is_stored_together_in_order(app: JobRunr, storage: Gated) -> None:
    async def use() -> list[JobId]:
        tasks = await held(app, storage, 50)
        storage.gate.set()
        return await asyncio.gather(*tasks)

    ids = asyncio.run(use())
    assert storage.batches == [ids[:1], ids[1:]]


def test_one_bad_job_does_not_fail_its_neighbours(app: JobRunr, storage: Gated) -> None:
    storage.bad["bad"] = ValueError("not this one")

    async def use() -> list[JobId | BaseException]:
        tasks = await held(app, storage, 2)
        tasks.insert(2, asyncio.create_task(app.async_scheduler.options(queue="bad").enqueue(jobs.add, 1, 1)))
        await asyncio.sleep(0)
        storage.gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, second, bad, last = asyncio.run(use())
    assert bad is storage.bad["bad"]
    assert {job.id for job in app.scheduler.find()} == {first, second, last}


def test_an_outage_reaches_everybody_and_is_waited_for_once(app: JobRunr, storage: Gated) -> None:
    async def use() -> list[JobId | BaseException]:
        tasks = await held(app, storage, 20)
        storage.outage = True
        storage.gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    errors = asyncio.run(use())
    assert all(type(error) is StorageUnavailableError and str(error) == str(errors[0]) for error in errors)
    assert len(set(map(id, errors))) == 21
    assert len(storage.batches) == 2


def test_a_cancelled_await_hurts_nobody(app: JobRunr, storage: Gated) -> None:
    async def use() -> list[JobId | BaseException]:
        tasks = await held(app, storage, 3)
        tasks[0].cancel(), tasks[2].cancel()
        await asyncio.sleep(0)
        storage.gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    on_its_way, second, cancelled, last = asyncio.run(use())
    assert isinstance(on_its_way, asyncio.CancelledError) and isinstance(cancelled, asyncio.CancelledError)
    assert {second, last} < {job.id for job in app.scheduler.find()}
    assert app.scheduler.counts()[JobState.ENQUEUED] == 3, "the one that was on its way is stored, too"


def test_a_loop_that_is_closed_meanwhile_does_not_stop_the_writer(app: JobRunr, storage: Gated) -> None:
    storage.gate.clear()
    loop = asyncio.new_event_loop()
    pending = loop.create_task(app.async_scheduler.enqueue(jobs.add, 1, 2))
    loop.run_until_complete(asyncio.to_thread(storage.entered.wait, 30))
    pending.cancel()
    loop.run_until_complete(asyncio.gather(pending, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    storage.gate.set()

    asyncio.run(app.async_scheduler.enqueue(jobs.add, 1, 2))
    assert app.scheduler.counts()[JobState.ENQUEUED] == 2


def test_a_loop_that_is_closed_under_its_awaits_does_not_stop_the_writer(app: JobRunr, storage: Gated) -> None:
    storage.gate.clear()
    loop = asyncio.new_event_loop()
    pending = loop.create_task(app.async_scheduler.enqueue(jobs.add, 1, 2))
    loop.run_until_complete(asyncio.to_thread(storage.entered.wait, 30))
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    storage.gate.set()

    asyncio.run(app.async_scheduler.enqueue(jobs.add, 1, 2))
    assert app.scheduler.counts()[JobState.ENQUEUED] == 2
    pending.get_coro().close()  # type: ignore[union-attr]
    pending._log_destroy_pending = False  # type: ignore[attr-defined]


def test_a_bug_of_the_writer_reaches_who_waits(app: JobRunr, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = KeyError("a bug")

    def insert(writer: object, batch: object) -> None:
        raise broken

    with monkeypatch.context() as patch:
        patch.setattr(coalescing_writer.CoalescingWriter, "_insert", insert)
        with pytest.raises(KeyError, match="a bug"):
            asyncio.run(app.async_scheduler.enqueue(jobs.add, 1, 2))
    asyncio.run(app.async_scheduler.enqueue(jobs.add, 1, 2))
    assert app.scheduler.counts()[JobState.ENQUEUED] == 1


def test_several_loops_in_several_threads(app: JobRunr) -> None:
    async def use() -> None:
        await asyncio.gather(*(app.async_scheduler.enqueue(jobs.add, 1, number) for number in range(100)))

    threads = [threading.Thread(target=asyncio.run, args=(use(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert app.scheduler.counts()[JobState.ENQUEUED] == 400


def test_who_finds_no_room_waits(app: JobRunr, storage: Gated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coalescing_writer, "ROOM", 5)

    async def use() -> None:
        tasks = await held(app, storage, 10)
        storage.gate.set()
        await asyncio.gather(*tasks)

    asyncio.run(use())
    assert max(map(len, storage.batches)) <= 5
    assert app.scheduler.counts()[JobState.ENQUEUED] == 11


def test_close_stores_what_is_in_and_later_ones_hear_that_it_is_closed(
    app: JobRunr, storage: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coalescing_writer, "ROOM", 5)

    async def use() -> list[JobId | BaseException]:
        tasks = await held(app, storage, 10)
        storage.gate.set()
        app.close()  # on the loop: nothing that it waits for needs the loop
        return await asyncio.gather(*tasks, return_exceptions=True)

    ends = asyncio.run(use())
    assert ends[:5] == [job_id for batch in storage.batches[:2] for job_id in batch]
    assert all(isinstance(end, StorageError) for end in ends[5:])


def test_the_same_id_at_once_is_one_job(app: JobRunr, storage: Gated) -> None:
    async def use() -> None:
        same = app.async_scheduler.options(id=JobId.from_key("order-1"))
        assert len(set(await asyncio.gather(*(same.enqueue(jobs.add, 1, 2) for _ in range(10))))) == 1

    asyncio.run(use())
    assert app.scheduler.counts()[JobState.ENQUEUED] == 1


class Heard(JobFilter):
    def __init__(self) -> None:
        self.seen: list[tuple[str, JobId, threading.Thread]] = []

    def creating(self, job: NewJob) -> None:
        self.seen.append(("creating", job.id, threading.current_thread()))

    def created(self, job: NewJob) -> None:
        self.seen.append(("created", job.id, threading.current_thread()))


def test_filters_hear_of_each_job_once_before_the_await_ends_and_not_on_the_loop() -> None:
    heard = Heard()
    with JobRunr("memory://", filters=[heard]) as app:
        same = app.async_scheduler.options(id=JobId.from_key("order-1"))

        async def use() -> None:
            await asyncio.gather(*(same.enqueue(jobs.add, 1, 2) for _ in range(5)))

        asyncio.run(use())
        assert sorted(name for name, _, _ in heard.seen) == ["created"] + ["creating"] * 5
        assert threading.main_thread() not in {thread for _, _, thread in heard.seen}


def test_the_log_context_goes_along(app: JobRunr) -> None:
    async def use() -> list[JobId]:
        with log_context(tenant="a"):
            one = await app.async_scheduler.enqueue(jobs.add, 1, 2)
            return [one, *await app.async_scheduler.enqueue_many(jobs.add, [(1, 2)])]

    assert [dict(app.scheduler.get(job_id).extras.log_context or {}) for job_id in asyncio.run(use())] == [
        {"tenant": "a"}
    ] * 2


async def pairs(count: int) -> AsyncIterator[tuple[int, int]]:
    for number in range(count):
        yield number, number


def test_many_are_read_from_either_kind_of_iterable(app: JobRunr, storage: Gated) -> None:
    ids = asyncio.run(app.async_scheduler.enqueue_many(jobs.add, pairs(CHUNK + 1)))
    assert [len(batch) for batch in storage.batches] == [CHUNK, 1]
    assert ids == [job_id for batch in storage.batches for job_id in batch]
    assert len(asyncio.run(app.async_scheduler.enqueue_many(jobs.add, ((n, n) for n in range(3))))) == 3


def test_an_error_among_many_says_which_and_what_is_stored(app: JobRunr) -> None:
    async def calls() -> AsyncIterator[tuple[object, int]]:
        async for pair in pairs(CHUNK):
            yield pair
        yield object(), 1

    with pytest.raises(JobRefusedError) as caught:
        asyncio.run(app.async_scheduler.enqueue_many(jobs.add, calls()))
    assert f"item {CHUNK:,}" in caught.value.__notes__[0]
    assert len(caught.value.stored) == CHUNK


def test_what_cannot_be_a_job_is_refused_at_once(app: JobRunr, storage: Gated) -> None:
    with pytest.raises(OptionError):
        asyncio.run(app.async_scheduler.options(paused=True).enqueue(jobs.add, 1, 2))
    assert storage.batches == []


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_the_child_of_a_fork_has_a_writer_of_its_own_and_sends_nothing_of_the_parent(app: JobRunr, storage: Gated) -> None:
    async def in_child() -> int:
        storage.gate.set()
        await app.async_scheduler.enqueue(jobs.add, 1, 2)
        return len(storage.batches)

    async def use() -> int:
        tasks = await held(app, storage, 3)
        child = os.fork()
        if child == 0:
            asyncio._set_running_loop(None)
            os._exit(asyncio.run(in_child()))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])  # noqa: ASYNC222 - the loop has nothing else to do
        storage.gate.set()
        await asyncio.gather(*tasks)
        return status

    assert asyncio.run(use()) == 2, "the first of the parent, which was on its way, and the one of the child"
    assert len(storage.batches) == 2
