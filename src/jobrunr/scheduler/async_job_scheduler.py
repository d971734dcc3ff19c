"""The client for coroutines: the verbs of the `JobScheduler`, awaited."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from datetime import timedelta
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, TypeVarTuple, Unpack, overload

from jobrunr.carbon import CarbonAware
from jobrunr.ids import JobId
from jobrunr.jobs import NewJob
from jobrunr.scheduler.async_recurring_jobs import AsyncRecurringJobs
from jobrunr.scheduler.awaited import Awaited, awaited, documented_by
from jobrunr.scheduler.bulk import CHUNK, tell_stored
from jobrunr.scheduler.coalescing_writer import CoalescingWriter
from jobrunr.scheduler.in_transaction import InTransaction
from jobrunr.scheduler.job_builder import JobCall
from jobrunr.scheduler.job_scheduler import JobScheduler, Method, When, WithSession
from jobrunr.scheduler.threads import Threads
from jobrunr.schedules import ScheduleLike

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def _configured(
    verb: Callable[Concatenate[JobScheduler, P], JobScheduler],
) -> Callable[Concatenate[AsyncJobScheduler, P], AsyncJobScheduler]:
    @wraps(verb)
    def options(self: AsyncJobScheduler, /, *args: P.args, **kwargs: P.kwargs) -> AsyncJobScheduler:
        return AsyncJobScheduler(verb(self._sync, *args, **kwargs), self._writer, self._threads, self._inside)

    return options


class AsyncJobScheduler(Awaited):
    """Turns function calls into jobs, and steers the jobs that are there, from any number of event loops in any threads.

    Get it from `jobrunr.JobRunr.async_scheduler`. In the examples, put ``await`` before the call. Whatever may block is done
    on threads: waiting for the database, hooks of filters around the creation of jobs, and the reading of an iterable that
    is not an async one. An await that is cancelled may or may not have had its effect.

    Arguments:
        scheduler: does the same without await.
        writer: stores what `enqueue` and `schedule` make.
        threads: where everything else is done.
        inside: in place of both, when the scheduler is bound to a transaction.
    """

    def __init__(
        self,
        scheduler: JobScheduler,
        writer: CoalescingWriter,
        threads: Threads,
        inside: InTransaction | None = None,
    ) -> None:
        super().__init__(scheduler, inside or threads)
        self._sync = scheduler
        self._writer = writer
        self._threads = threads
        self._inside = inside
        self.recurring = AsyncRecurringJobs(scheduler.recurring, self._runner)
        """Looks at recurring jobs, and steers them."""

    options = _configured(JobScheduler.options)

    @documented_by(JobScheduler.bind)
    def bind(self, transaction: object) -> AsyncJobScheduler:
        inside = InTransaction(transaction, self._sync._storage, self._threads)  # noqa: SLF001 - its other half
        return AsyncJobScheduler(self._sync._bound_to(inside.storage), self._writer, self._threads, inside)  # noqa: SLF001

    # -- making jobs

    @overload
    async def enqueue(self, function: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> JobId: ...
    @overload
    async def enqueue(self, method: Method[P] | WithSession[P], /, *args: P.args, **kwargs: P.kwargs) -> JobId: ...
    @documented_by(JobScheduler.enqueue)
    async def enqueue(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> JobId:
        if self._inside is not None:
            return await self._inside.run(self._sync.enqueue, function, *args, **kwargs)
        async with self._writer.room():
            return await self._store(self._sync._call(function, args, kwargs), None)  # noqa: SLF001 - its other half

    @overload
    async def schedule(self, when: When, function: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> JobId: ...
    @overload
    async def schedule(
        self, when: When, method: Method[P] | WithSession[P], /, *args: P.args, **kwargs: P.kwargs
    ) -> JobId: ...
    @documented_by(JobScheduler.schedule)
    async def schedule(self, when: When, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> JobId:
        if self._inside is not None:
            return await self._inside.run(self._sync.schedule, when, function, *args, **kwargs)
        async with self._writer.room():
            return await self._store(self._sync._call(function, args, kwargs), when)  # noqa: SLF001 - its other half

    @overload
    async def schedule_recurrently(
        self, schedule: ScheduleLike, function: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs
    ) -> str: ...
    @overload
    async def schedule_recurrently(
        self, schedule: ScheduleLike, method: Method[P] | WithSession[P], /, *args: P.args, **kwargs: P.kwargs
    ) -> str: ...
    @documented_by(JobScheduler.schedule_recurrently)
    async def schedule_recurrently(
        self, schedule: ScheduleLike, function: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> str:
        return await self._runner.run(self._sync.schedule_recurrently, schedule, function, *args, **kwargs)

    @overload
    async def enqueue_many(
        self, function: Callable[[Unpack[Ts]], Any], calls: Iterable[tuple[*Ts]] | AsyncIterable[tuple[*Ts]], /
    ) -> list[JobId]: ...
    @overload
    async def enqueue_many(self, function: Callable[[T], Any], calls: Iterable[T] | AsyncIterable[T], /) -> list[JobId]: ...
    @overload
    async def enqueue_many(
        self, method: Callable[[S, Unpack[Ts]], Any], calls: Iterable[tuple[*Ts]] | AsyncIterable[tuple[*Ts]], /
    ) -> list[JobId]: ...
    @overload
    async def enqueue_many(self, method: Callable[[S, T], Any], calls: Iterable[T] | AsyncIterable[T], /) -> list[JobId]: ...
    @documented_by(JobScheduler.enqueue_many)
    async def enqueue_many(self, function: Callable[..., Any], calls: Iterable[Any] | AsyncIterable[Any], /) -> list[JobId]:
        if self._inside is not None and isinstance(calls, AsyncIterable):
            calls = [call async for call in calls]  # all or none
        if not isinstance(calls, AsyncIterable):
            return await self._runner.run(self._sync.enqueue_many, function, calls)
        draft = self._sync._draft_for_many(function, calls)  # noqa: SLF001 - its other half
        ids: list[JobId] = []
        try:
            async for chunk in _chunks(calls):
                ids += await self._runner.run(self._sync._store_chunk, draft, chunk, len(ids))  # noqa: SLF001
        except BaseException as error:
            tell_stored(error, ids)
            raise
        return ids

    async def _store(self, call: JobCall, when: When | None) -> JobId:
        filters = call.draft.filters
        if isinstance(when, CarbonAware | timedelta) or filters.listen_to("creating"):
            new = await self._runner.run(self._make, call, when)
        else:
            new = self._make(call, when)
        return await self._writer.store(new, filters)

    def _make(self, call: JobCall, when: When | None) -> NewJob:
        return self._sync._made(call, when)  # noqa: SLF001 - its other half

    # -- looking and steering

    get = awaited(JobScheduler.get)
    find = awaited(JobScheduler.find)
    count = awaited(JobScheduler.count)
    failures = awaited(JobScheduler.failures)
    counts = awaited(JobScheduler.counts)
    logs = awaited(JobScheduler.logs)
    metadata = awaited(JobScheduler.metadata)
    progress = awaited(JobScheduler.progress)
    delete = awaited(JobScheduler.delete)
    requeue = awaited(JobScheduler.requeue)
    reschedule = awaited(JobScheduler.reschedule)
    delete_matching = awaited(JobScheduler.delete_matching)
    requeue_matching = awaited(JobScheduler.requeue_matching)
    servers = awaited(JobScheduler.servers)
    pause_server = awaited(JobScheduler.pause_server)
    resume_server = awaited(JobScheduler.resume_server)


async def _chunks(calls: AsyncIterable[Any]) -> AsyncIterator[list[Any]]:
    chunk: list[Any] = []
    async for call in calls:
        chunk.append(call)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
