"""The client: makes jobs and steers them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any, ParamSpec, Protocol, TypeVar, TypeVarTuple, Unpack, overload
from uuid import UUID

from jobrunr.carbon import FORECAST, CarbonAware, choose_slot, known_at, read_kept
from jobrunr.declarations import recurring_options
from jobrunr.errors import OptionError
from jobrunr.filters import JobFilters
from jobrunr.ids import JobId
from jobrunr.jobs import Execution, NewJob
from jobrunr.options import NO_OPTIONS, JobOptions, RecurringOptions, read_timeout
from jobrunr.recurring_job import Misfire
from jobrunr.retries import RetryPolicy
from jobrunr.scheduler.bulk import CHUNK, BulkWriter
from jobrunr.scheduler.in_transaction import opened
from jobrunr.scheduler.job_builder import JobBuilder, JobCall, JobDraft
from jobrunr.scheduler.job_steering import JobSteering
from jobrunr.scheduler.recurring_jobs import RecurringJobs
from jobrunr.schedules import ScheduleLike
from jobrunr.storage.contract import StorageProvider

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

When = datetime | timedelta | CarbonAware


class Method(Protocol[P]):
    """A method named through its class (``MailService.send``), to a type checker: its first parameter is called `self`.

    The name keeps plain functions out; among them a forgotten first argument would be taken for the instance.
    """

    def __call__(_method, self: Any, *args: P.args, **kwargs: P.kwargs) -> Any: ...  # noqa: N805 - `self` is the method's own


class WithSession(Protocol[P]):
    """A function that gets the session of the job's own transaction as its first parameter, called `session`."""

    def __call__(_function, session: Any, *args: P.args, **kwargs: P.kwargs) -> Any: ...  # noqa: N805 - as above


class JobScheduler(JobSteering):
    """Turns function calls into jobs, and steers the jobs that are there. Safe to use from any number of threads.

    Get it from `jobrunr.JobRunr.scheduler`. Nothing here needs a running server.
    """

    def __init__(
        self,
        storage: Callable[[], StorageProvider],
        builder: JobBuilder,
        filters: JobFilters,
        recurring: RecurringJobs,
        *,
        has_forecast: bool,
    ) -> None:
        super().__init__(storage, filters)
        self._builder = builder
        self.recurring = recurring
        """Looks at recurring jobs, and steers them."""
        self._has_forecast = has_forecast
        self._options = NO_OPTIONS
        self._recurring_options = RecurringOptions()
        self._is_bound = False

    # -- making jobs

    def options(
        self,
        *,
        id: UUID | str | None = None,
        name: str | None = None,
        retries: int | None = None,
        retry: RetryPolicy | None = None,
        retry_on: Sequence[type[BaseException]] | None = None,
        no_retry_on: Sequence[type[BaseException]] | None = None,
        labels: Sequence[str] | None = None,
        queue: str | None = None,
        priority: int | None = None,
        delete_succeeded_after: timedelta | None = None,
        delete_failed_after: timedelta | None = None,
        purge_deleted_after: timedelta | None = None,
        timeout: timedelta | float | str | None = None,
        execution: Execution | None = None,
        zone: str | None = None,
        misfire: Misfire | str | None = None,
        max_concurrent: int | None = None,
        until: datetime | None = None,
        paused: bool | None = None,
        window: tuple[timedelta, timedelta] | None = None,
    ) -> JobScheduler:
        """A scheduler that says this about every job it makes. What is said here goes before the decorator and the settings.

        Arguments:
            id: the id of the job. If there is a job with this id already, nothing changes and nothing is an error;
                `JobId.from_key` makes an id from a key of your own. A recurring job has a text of yours as its id.
            name: what people see; ``{0}`` and ``{email}`` are filled in from the call and from the log context.
            retries: how often a failed job is tried again.
            retry: how long to wait before each retry: `ExponentialBackoff` or `FixedDelays`.
            retry_on: try again after these exceptions only.
            no_retry_on: never try again after these exceptions.
            labels: up to 10 texts of up to 100 characters, with the same fields as the name.
            queue: the queue it waits in.
            priority: higher goes first; 0 is normal.
            delete_succeeded_after, delete_failed_after, purge_deleted_after: how long the job is kept.
            timeout: how long a run may take, as a timedelta, in seconds, or as text such as ``"90s"``.
            execution: ``"thread"`` of the server, or ``"process"``: in a child process of the server.
            zone: of a recurring job, the IANA time zone that its schedule is meant in.
            misfire: of a recurring job, what becomes of runs that were missed because no server was up: ``"skip"`` leaves
                them out, ``"one"`` makes up for the last, ``"all"`` for all of them, the oldest first.
            max_concurrent: of a recurring job, how many of its jobs may be due or running at a time (1). A run that would
                be one more is skipped.
            until: of a recurring job, the last moment at which it may run; after that it is removed.
            paused: of a recurring job, whether it is paused when it is registered for the first time.
            window: of a recurring job, how much earlier and later than its time a run may start, as ``(before, after)``: it
                starts when electricity is cleanest, if there is a forecast.

        Raises:
            OptionError: an option is not acceptable.
        """
        more = JobOptions(
            id=_id_or_none(id),
            name=name,
            retries=retries,
            retry=retry,
            retry_on=_tuple(retry_on),
            no_retry_on=_tuple(no_retry_on),
            labels=_tuple(labels),
            queue=queue,
            priority=priority,
            delete_succeeded_after=delete_succeeded_after,
            delete_failed_after=delete_failed_after,
            purge_deleted_after=purge_deleted_after,
            timeout=read_timeout(timeout),
            execution=execution,
        )
        recurring = recurring_options(
            id=None if id is None else str(id),
            zone=zone,
            misfire=misfire,
            max_concurrent=max_concurrent,
            until=until,
            paused=paused,
            window=window,
        )
        other = copy(self)
        other._options = more.over(self._options)  # noqa: SLF001 - its own copy
        other._recurring_options = recurring.over(self._recurring_options)  # noqa: SLF001 - its own copy
        return other

    def bind(self, transaction: object) -> JobScheduler:
        """A scheduler that does everything inside a transaction of yours: what it writes is there for others when, and only
        when, that is committed. It commits nothing itself, and belongs to the thread of the transaction.

        Arguments:
            transaction: on the database of the storage, a `Session`, `scoped_session` or `Connection` of SQLAlchemy, or a
                connection of the driver that the storage uses, or of Django; for the `AsyncJobScheduler`, an
                `AsyncSession`, `async_scoped_session` or `AsyncConnection`.

        Raises:
            BindError: the storage has no part in transactions, is another database, or the connection commits by itself.
            StorageError: the storage could not be opened, which is done on a connection of its own.

        The `AsyncJobScheduler` looks at all of this when the first verb is awaited.
        """
        storage = opened(self._storage).bound(transaction)
        return self._bound_to(lambda: storage)

    def _bound_to(self, storage: Callable[[], StorageProvider]) -> JobScheduler:
        """The same over a storage inside a transaction."""
        other = copy(self)
        other._storage = storage  # noqa: SLF001 - its own copy
        other.recurring = self.recurring._bound_to(storage)  # noqa: SLF001 - its other half
        other._is_bound = True  # noqa: SLF001 - its own copy
        return other

    @overload
    def enqueue(self, function: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> JobId: ...
    @overload
    def enqueue(self, method: Method[P] | WithSession[P], /, *args: P.args, **kwargs: P.kwargs) -> JobId: ...
    def enqueue(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> JobId:
        """Make a job that is run as soon as a worker is free. When this returns, the job is stored.

        Arguments:
            function: a function, a coroutine function, a static, class or instance method; a method named through its
                class (``MailService.send``) gets its instance from the `JobActivator` when the job runs; a lambda of
                exactly one call is taken apart, its arguments are evaluated now.
            args, kwargs: its arguments; they must survive the way through JSON.

        Returns:
            the id of the job.

        Raises:
            JobRefusedError: the call cannot become a job; the message says why and what to write instead.
            StorageUnavailableError: the storage does not answer; the job may or may not be stored.

        >>> job_id = jobs.enqueue(send_welcome, "ada@example.org")
        >>> jobs.get(job_id).state
        <JobState.ENQUEUED: 'ENQUEUED'>
        """
        return self._store(self._call(function, args, kwargs))

    @overload
    def schedule(
        self, when: datetime | timedelta | CarbonAware, function: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs
    ) -> JobId: ...
    @overload
    def schedule(
        self,
        when: datetime | timedelta | CarbonAware,
        method: Method[P] | WithSession[P],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> JobId: ...
    def schedule(
        self, when: datetime | timedelta | CarbonAware, function: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> JobId:
        """Make a job that is run at a time, never before it.

        Arguments:
            when: an aware datetime, or how long from now by the clock of the storage; a time that is past means now. Or a
                `CarbonAware`: when electricity is cleanest in a window, if there is a forecast.
            function, args, kwargs: as for `enqueue`.

        Raises:
            OptionError: the datetime has no time zone.
            JobRefusedError, StorageUnavailableError: as for `enqueue`.

        >>> job_id = jobs.schedule(timedelta(hours=24), send_welcome, "ada@example.org")
        >>> jobs.get(job_id).state
        <JobState.SCHEDULED: 'SCHEDULED'>
        """
        return self._store(self._call(function, args, kwargs), when)

    @overload
    def schedule_recurrently(
        self, schedule: ScheduleLike, function: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs
    ) -> str: ...
    @overload
    def schedule_recurrently(
        self, schedule: ScheduleLike, method: Method[P] | WithSession[P], /, *args: P.args, **kwargs: P.kwargs
    ) -> str: ...
    def schedule_recurrently(
        self, schedule: ScheduleLike, function: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> str:
        """Run something again and again. Registering the same again changes nothing, neither the next run nor where an
        interval counts from; registering a changed one under the same id takes effect at once.

        Arguments:
            schedule: a cron expression (``"0 3 * * *"``, with seconds in front where there are six fields, ``"@daily"``,
                ``Cron.daily(3)``, a `CronExpression`); or a period of at least a second (a `timedelta`, or ``"PT5M"``);
                or an object of yours with ``next_run(after)`` and a textual form.
            function, args, kwargs: as for `enqueue`.

        Returns:
            the id of the recurring job: that of the options, or else the target (``package.module:function``).

        Raises:
            ScheduleError: the schedule is not to be understood; the message says what it may be.
            JobRefusedError, StorageUnavailableError: as for `enqueue`.

        >>> jobs.options(id="nightly", zone="Europe/Brussels").schedule_recurrently("0 3 * * *", print_report, 2026)
        'nightly'
        """
        template = self._builder.template(function, args, kwargs, self._options)
        return self.recurring.register(template, schedule, self._recurring_options)

    @overload
    def enqueue_many(self, function: Callable[[Unpack[Ts]], Any], calls: Iterable[tuple[*Ts]], /) -> list[JobId]: ...
    @overload
    def enqueue_many(self, function: Callable[[T], Any], calls: Iterable[T], /) -> list[JobId]: ...
    @overload
    def enqueue_many(self, method: Callable[[S, Unpack[Ts]], Any], calls: Iterable[tuple[*Ts]], /) -> list[JobId]: ...
    @overload
    def enqueue_many(self, method: Callable[[S, T], Any], calls: Iterable[T], /) -> list[JobId]: ...
    def enqueue_many(self, function: Callable[..., Any], calls: Iterable[Any], /) -> list[JobId]:
        """Make one job for each call. The iterable is streamed: a thousand jobs are stored in one transaction, then more.

        Arguments:
            function: as for `enqueue`, but no lambda.
            calls: one argument each, or a tuple of arguments each (to pass one tuple, wrap it in a tuple).

        Returns:
            the ids, in the order of the calls.

        Raises:
            JobRefusedError: a call cannot become a job; a note says which, counted from 0. Chunks before it are stored, its
                own chunk and later ones are not.
            StorageUnavailableError: as for `enqueue`; chunks that were stored before stay stored.

        Both have the ids of the jobs that are stored as ``stored``. A bound scheduler (`bind`) reads all of the iterable
        first, and stores all or none.

        >>> len(jobs.enqueue_many(send_welcome, ["a@example.org", "b@example.org"]))
        2
        """
        draft = self._draft_for_many(function, calls)
        if self._is_bound:
            return self._store_chunk(draft, list(calls), 0)
        with BulkWriter(self._storage().insert, partial(_announce, draft.filters)) as writer:
            for chunk in _chunks(enumerate(calls)):
                writer.write([_one_of_many(draft, number, call) for number, call in chunk])
        return writer.ids

    # -- how; `AsyncJobScheduler` does the same in other steps

    def _store(self, call: JobCall, when: When | None = None) -> JobId:
        new = self._made(call, when)
        _announce(call.draft.filters, [new], self._storage().insert([new]))
        return new.id

    def _call(self, function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> JobCall:
        self._check_options()
        return self._builder.call(function, args, kwargs, self._options)

    def _made(self, call: JobCall, when: When | None) -> NewJob:
        if not isinstance(when, CarbonAware):
            return call.job(None if when is None else self._moment(when))
        now = self._storage().now()
        window = when.window(now)
        if not self._has_forecast:
            return call.job(window.preferred)
        known = known_at(now, read_kept(self._storage().get_metadata(FORECAST)))
        slot = choose_slot(window, known, now)
        if slot is None:
            return call.job(window.preferred, window=window)
        return call.job(slot.start, reason=slot.reason)

    def _draft_for_many(self, function: Callable[..., Any], calls: object) -> JobDraft:
        if self._recurring_options.id is not None:
            raise OptionError("options(id=...) names one job; enqueue_many makes several.")
        self._check_options()
        if isinstance(calls, str | bytes):
            raise OptionError(f"enqueue_many wants one item for each job; for one job, write [{calls!r:.50}].")
        return self._builder.draft(function, self._options)

    def _store_chunk(self, draft: JobDraft, calls: Sequence[Any], first: int) -> list[JobId]:
        """Some of many, the first of which has this number, all or none."""
        jobs = [_one_of_many(draft, number, call) for number, call in enumerate(calls, first)]
        _announce(draft.filters, jobs, self._storage().insert(jobs))
        return [job.id for job in jobs]

    def _check_options(self) -> None:
        """Refuse what only recurring jobs have."""
        if self._options.id is None and self._recurring_options.id is not None:
            try:
                JobId.of(self._recurring_options.id)
            except ValueError as error:
                raise OptionError(str(error)) from None
        if self._recurring_options.given:
            names = " and ".join(self._recurring_options.given)
            raise OptionError(f"{names}: only recurring jobs have this. Use schedule_recurrently, or leave it out.")


def _one_of_many(draft: JobDraft, number: int, call: Any) -> NewJob:
    try:
        return draft.job(call if isinstance(call, tuple) else (call,), {}, JobId.new())
    except Exception as error:
        error.add_note(f"It was item {number:,} of what enqueue_many was given (the first is item 0).")
        raise


def _announce(filters: JobFilters, jobs: Sequence[NewJob], stored: frozenset[JobId]) -> None:
    """Tell the filters of the jobs that are new."""
    if filters.listen_to("created"):
        for job in jobs:
            if job.id in stored:
                filters.created(job)


def _id_or_none(value: UUID | str | None) -> JobId | None:
    """The id of a job; None for a text that is none, as recurring jobs have."""
    try:
        return None if value is None else JobId.of(value)
    except ValueError:
        return None


def _tuple(items: Sequence[Any] | None) -> Any:
    return tuple(items) if isinstance(items, list) else items


def _chunks(calls: Iterable[Any]) -> Iterator[list[Any]]:
    iterator = iter(calls)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk
