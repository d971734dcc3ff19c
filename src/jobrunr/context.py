"""What a running job sees of itself: `current_job()`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

from jobrunr.backoff import Backoff
from jobrunr.clock import Clock
from jobrunr.errors import (
    JobCancelledError,
    MetadataError,
    NoCurrentJobError,
    OwnTransactionError,
    StorageUnavailableError,
)
from jobrunr.ids import JobId
from jobrunr.job_log import JobLog
from jobrunr.job_transaction import JobTransaction
from jobrunr.jobs import ANYTHING, Job, decode_stored
from jobrunr.json_values import NotStorableError, find_difference, to_strict_json
from jobrunr.progress import PROGRESS, ProgressBar
from jobrunr.states import JobState
from jobrunr.texts import storable

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

S = TypeVar("S")
T = TypeVar("T")

METADATA = "metadata."
"""Prefix of the keys under which a job's metadata is stored."""

MAX_KEY_LENGTH = 100
MAX_VALUE_SIZE = 2**16
"""Bytes of JSON that a value of a job's metadata may take."""
MAX_KEYS = 1000
"""So many keys a job's metadata may have."""


class RunJournal(Protocol):
    """Where a run writes down what shall be kept of it; the server behind it batches, and drops what is no longer ours."""

    def log(self, job: Job, at: datetime, level: int, message: str) -> None: ...

    def put(self, job: Job, key: str, value: str) -> None: ...

    def read(self, job: Job) -> dict[str, str]:
        """What is kept with the job.

        Raises:
            StorageUnavailableError: nobody knows now.
        """
        ...


Transactions = Callable[["JobContext", Job, Callable[..., Any] | None], JobTransaction[Any]]
"""Begins a transaction in which the job of a context ends; sessions are made by the last argument."""


class JobContext:
    """The running job, as seen from inside. Get it with `current_job()`."""

    has_ended = False
    """Whether its success is written in a transaction of its own, or is being committed just now. Set by the server."""

    is_inside: JobTransaction[Any] | None = None
    """The transaction of its own that it is in. Set by the server."""

    def __init__(self, job: Job, journal: RunJournal, clock: Clock, transactions: Transactions | None = None) -> None:
        self._job = job
        self._transactions = transactions
        self._journal = journal
        self._clock = clock
        self._cancelled = False
        self._metadata: JobMetadata | None = None
        self._log: JobLog | None = None

    @property
    def id(self) -> JobId:
        """The id of the job."""
        return self._job.id

    @property
    def name(self) -> str:
        """What people see."""
        return self._job.name

    @property
    def target(self) -> str:
        """What is called: ``package.module:Class.method``."""
        return self._job.target

    @property
    def state(self) -> JobState:
        """PROCESSING, while the job runs."""
        return self._job.state

    @property
    def queue(self) -> str:
        """The queue it came from."""
        return self._job.queue

    @property
    def priority(self) -> int:
        """Its priority; higher goes first."""
        return self._job.priority

    @property
    def labels(self) -> tuple[str, ...]:
        """Its labels."""
        return self._job.labels

    @property
    def created_at(self) -> datetime:
        """When it was made."""
        return self._job.created_at

    @property
    def recurring_job_id(self) -> str | None:
        """The recurring job that made it, if one did."""
        return self._job.recurring_job_id

    @property
    def run_at(self) -> datetime | None:
        """The time that it stands for: of a run of a recurring job the time in its schedule, at every attempt; otherwise the
        time for which it was scheduled, if it was."""
        return self._job.extras.stands_for or self._job.run_at

    @property
    def attempt(self) -> int:
        """1 when a server runs the job for the first time, 2 for the second ..."""
        return self._job.attempts

    @property
    def failures(self) -> int:
        """How often it has failed since it was made or requeued by hand."""
        return self._job.failures

    @property
    def is_last_attempt(self) -> bool:
        """Whether a failure now is final."""
        return self._job.failures >= self._job.retries

    @property
    def server_name(self) -> str | None:
        """The server that runs it."""
        return self._job.server_name

    @property
    def log(self) -> JobLog:
        """Writes lines that are kept with the job."""
        if self._log is None:
            self._log = JobLog(self._log_line)
        return self._log

    @property
    def metadata(self) -> MutableMapping[str, Any]:
        """Values of your own that are kept with the job and survive retries. Written within milliseconds."""
        if self._metadata is None:
            self._metadata = JobMetadata(self)
        return self._metadata

    @overload
    def progress(self, items: Iterable[T], /, *, total: int | None = None) -> ProgressBar[T]: ...
    @overload
    def progress(self, /, *, total: int) -> ProgressBar[Any]: ...
    def progress(self, items: Iterable[Any] = (), /, *, total: int | None = None) -> ProgressBar[Any]:
        """A progress bar that people can watch: loop over it, or `advance` it yourself.

        >>> def rows(ctx: JobContext) -> None:
        ...     for row in ctx.progress([1, 2, 3]):
        ...         ...
        ...     bar = ctx.progress(total=1000)
        ...     bar.advance(10)
        """
        key = f"{PROGRESS}{self.attempt}"
        return ProgressBar(items, total, lambda value: self._journal.put(self._job, key, value))

    @overload
    def transaction(self, /) -> JobTransaction[Session]: ...
    @overload
    def transaction(self, sessions: Callable[..., S], /) -> JobTransaction[S]: ...
    def transaction(self, sessions: Callable[..., Any] | None = None, /) -> JobTransaction[Any]:
        """A block that is the end of the job: what it writes with its session and the SUCCEEDED of the job are one commit.

        If the job is not ours any more at its end, everything is rolled back and the job leaves with `JobCancelledError`.
        After any other exception, everything is rolled back and the job fails as usual. The block is on the database of the
        storage, in a function that runs in a thread of a server. What the function does behind it is its own business.

        Arguments:
            sessions: a subclass of `Session` of SQLAlchemy, or a `sessionmaker`, to use instead of `Session`.

        Raises:
            OwnTransactionError: jobs are not kept in a SQL database, or the block is in a coroutine or in a job process.
            StorageUnavailableError: the storage does not answer.

        >>> def charge(customer: int, cents: int) -> None:
        ...     with current_job().transaction() as session:
        ...         session.add(Payment(customer=customer, cents=cents))
        """
        if self._transactions is None:
            why = "it does not run in a thread of a server"
            raise OwnTransactionError(why, 'Leave out execution="process"; in a test, use drain() and a SQL database.')
        return self._transactions(self, self._job, sessions)

    def writes_into(self, journal: RunJournal) -> bool:
        """Whether what it logs is kept there."""
        return self._journal is journal

    def end(self) -> None:
        """The job has ended in its own transaction: what is logged and put from now on is not kept. Called by the server."""
        self.has_ended = True
        self._journal = _Closed(self._journal)

    @property
    def is_cancelled(self) -> bool:
        """Whether the job was deleted, or given to another server, while it runs here. For long work to look at."""
        return self._cancelled

    def raise_if_cancelled(self) -> None:
        """Leave a job that is no longer wanted.

        Raises:
            JobCancelledError: it was cancelled.
        """
        if self._cancelled:
            raise JobCancelledError(self.id)

    def cancel(self) -> None:
        """Tell the job that it is no longer wanted. Called by the server."""
        with _cancelling:
            self._cancelled = True
            _cancelling.notify_all()

    def wait_cancelled(self, seconds: float) -> bool:
        """Sleep, but wake when the job is cancelled. For functions; a coroutine is cancelled where it awaits."""
        with _cancelling:
            return _cancelling.wait_for(lambda: self._cancelled, seconds)

    def _log_line(self, level: int, text: str) -> None:
        self._journal.log(self._job, self._clock.now(), level, text)

    def _read(self) -> dict[str, str]:
        """What is kept with the job. Waits for a storage that is away, unless a loop would stand still meanwhile."""
        backoff = Backoff()
        while True:
            try:
                return self._journal.read(self._job)
            except StorageUnavailableError:
                if is_on_loop():
                    raise
                if self.wait_cancelled(backoff.next()):
                    raise JobCancelledError(self.id) from None


class _Closed:
    """The journal of a run that has ended."""

    def __init__(self, journal: RunJournal) -> None:
        self.read = journal.read

    def log(self, job: Job, at: datetime, level: int, message: str) -> None:
        """It is too late."""

    def put(self, job: Job, key: str, value: str) -> None:
        """It is too late."""


class JobMetadata(MutableMapping[str, Any]):
    """A mapping that is kept with the job: plain JSON values under keys of your choice.

    A value that is read is a copy of what is stored: assign it again to keep what was changed inside it. What earlier
    attempts have left is fetched at the first look, so that a job that only assigns does not need the storage. While the
    storage is away, a look waits until it is back. In a coroutine that would hold up all others on the loop, so there the
    look raises `StorageUnavailableError`; look in a thread: ``await asyncio.to_thread(dict, context.metadata)``.
    """

    def __init__(self, context: JobContext) -> None:
        self._context = context
        self._assigned: dict[str, str] = {}

    @cached_property
    def _stored(self) -> dict[str, str]:
        stored = self._context._read()  # noqa: SLF001 - one thing in two classes
        return {key.removeprefix(METADATA): value for key, value in stored.items() if key.startswith(METADATA)}

    @property
    def _texts(self) -> dict[str, str]:
        return {key: value for key, value in (self._stored | self._assigned).items() if value != _REMOVED}

    @property
    def _may_be_full(self) -> bool:
        """Whether to count the keys. What is in the storage is not asked for only because a job assigns a few."""
        return "_stored" in vars(self) or len(self._assigned) >= MAX_KEYS

    def __getitem__(self, key: str) -> Any:
        return decode_stored(self._context.id, METADATA + key, self._texts[key], ANYTHING)

    def __setitem__(self, key: str, value: Any) -> None:
        if not _is_key(key):
            raise MetadataError(key, f"a key is a text of 1 to {MAX_KEY_LENGTH} characters")
        try:
            text = to_strict_json(value)
        except NotStorableError as error:
            raise MetadataError(key, f"{error}. Use plain JSON data") from None
        difference = find_difference(value, ANYTHING.decode(text))
        if difference:
            raise MetadataError(key, f"{difference}. Use plain JSON data, such as a list in place of a tuple or set")
        if len(text) > MAX_VALUE_SIZE:
            raise MetadataError(key, f"it takes {len(text):,} bytes, of {MAX_VALUE_SIZE:,} at most. {_ELSEWHERE}")
        if self._may_be_full and key not in self._texts and len(self._texts) >= MAX_KEYS:
            raise MetadataError(key, f"a job has {MAX_KEYS:,} keys at most. {_ELSEWHERE}")
        self._write(key, text.decode())

    def __delitem__(self, key: str) -> None:
        if key not in self._texts:
            raise KeyError(key)
        self._write(key, _REMOVED)

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def __repr__(self) -> str:
        return f"JobMetadata({dict(self)!r})"

    def _write(self, key: str, value: str) -> None:
        self._assigned[key] = value
        self._context._journal.put(self._context._job, METADATA + key, value)  # noqa: SLF001


def is_on_loop() -> bool:
    """Whether other coroutines wait for what is done here."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


_ELSEWHERE = "Store large data elsewhere, and keep its key here"


def _is_key(key: object) -> bool:
    return isinstance(key, str) and 0 < len(key) <= MAX_KEY_LENGTH and key == storable(key)


_REMOVED = ""
"""What is stored for a key that was deleted; no JSON text is empty."""

_cancelling = threading.Condition()
"""One for all jobs: cancelling is rare, and a condition for each would cost more than the rest of its context."""

_current: ContextVar[JobContext] = ContextVar("jobrunr_current_job")


def present_context() -> JobContext | None:
    """That of the job that runs in this thread or task, if one does."""
    return _current.get(None)


def current_job() -> JobContext:
    """The job that runs in this thread or task.

    Raises:
        NoCurrentJobError: no job runs here.
    """
    try:
        return _current.get()
    except LookupError:
        raise NoCurrentJobError from None


def enter(context: JobContext) -> None:
    """Make a context the current one until the surrounding `contextvars.Context` ends."""
    _current.set(context)


@contextmanager
def running(context: JobContext) -> Iterator[JobContext]:
    """Make a context the current one for the duration of a block."""
    token = _current.set(context)
    try:
        yield context
    finally:
        _current.reset(token)
