"""Jobs that end in a transaction of their own: their effects and their SUCCEEDED are one commit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from types import TracebackType
from typing import Any

from jobrunr.backoff import Backoff
from jobrunr.context import JobContext, is_on_loop
from jobrunr.errors import JobCancelledError, OwnTransactionError, StorageUnavailableError
from jobrunr.job_transaction import JobTransaction
from jobrunr.jobs import Job
from jobrunr.server.performer import Performer
from jobrunr.server.recorder import Recorder
from jobrunr.server.run import Outcome, claim_of
from jobrunr.session_parameter import HOLDS_UP
from jobrunr.storage.contract import StorageProvider


class OwnTransactions:
    """Begins the transactions of the jobs of a server.

    Arguments:
        storage: where the jobs are.
        recorder: gives what a run wants kept to its transaction, and tells of its end.
        performer: knows what becomes of a job that did its work.
    """

    def __init__(self, storage: StorageProvider, recorder: Recorder, performer: Performer) -> None:
        self.storage = storage
        self.recorder = recorder
        self.performer = performer

    def begin(self, context: JobContext, job: Job, sessions: Callable[..., Any] | None) -> OwnTransaction:
        """One for the run that sees this context; it begins with its block."""
        return OwnTransaction(self, context, job, sessions)


class OwnTransaction(JobTransaction[Any]):
    """One of them."""

    def __init__(self, parts: OwnTransactions, context: JobContext, job: Job, sessions: Callable[..., Any] | None) -> None:
        self._storage = parts.storage
        self._recorder = parts.recorder
        self._performer = parts.performer
        self._context = context
        self._sessions = sessions
        self._job = job
        self._claim = claim_of(job)
        self._success: Outcome | None = None
        self._block: AbstractContextManager[Any] = self._run()

    def __enter__(self) -> Any:
        session = self._block.__enter__()
        self._context.is_inside = self
        self._thread = threading.get_ident()
        return session

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._context.is_inside = None
        self._block.__exit__(kind, error, trace)

    def leave_behind(self) -> OwnTransactionError | None:
        if self._thread != threading.get_ident():
            return None  # another thread of the job's is in the middle of it
        error = OwnTransactionError("the function has ended and its block has not", 'Use it in a "with" statement.')
        with suppress(Exception):  # a rollback that fails has lost its connection, and with it the transaction
            self.__exit__(OwnTransactionError, error, None)
        return error

    @contextmanager
    def _run(self) -> Iterator[Any]:
        self._check()
        self._recorder.hold(self._claim)
        try:
            try:
                with self._storage.transaction(self._sessions, self._conclude) as session:
                    yield session
            except Exception:
                if not self._is_committed():
                    raise
        except BaseException:
            self._context.has_ended = False
            self._recorder.release(self._claim)
            raise
        self._context.end()
        self._performer.filters_of(self._job).succeeded(self._job, self.result)
        assert self._success is not None
        self._recorder.conclude(self._success)

    def _check(self) -> None:
        if is_on_loop():
            raise OwnTransactionError(HOLDS_UP, "Put the block into a function, and await asyncio.to_thread(function).")
        if self._context.has_ended:
            raise OwnTransactionError("it has ended in one already", "Put everything into one block.")
        if self._recorder.is_held(self._claim):
            raise OwnTransactionError("it is in one already", "Pass its session on.")

    def _conclude(self, inside: StorageProvider) -> None:
        """The last that is written before the commit: what the run wants kept, and its success, if it is still ours."""
        record = self._recorder.held(self._claim)
        if record is not None:
            inside.append([record])
        success = self._performer.success(self._job, self.result)
        if self._job.id not in inside.update([success.update]):
            self._recorder.refuse(self._claim)
            raise JobCancelledError(self._job.id)
        self._success = success
        self._context.has_ended = True

    def _is_committed(self) -> bool:
        """Whether what brought an error was done all the same: the answer to a commit may be lost."""
        if self._success is None:
            return False
        backoff = Backoff()
        while True:
            try:
                if self._storage.held([self._claim]):
                    return False
                # Writes nothing, because no claim ever comes back: it recognises what was written before.
                return self._job.id in self._storage.update([self._success.update])
            except StorageUnavailableError:
                if self._context.wait_cancelled(backoff.next()):
                    raise JobCancelledError(self._job.id) from None
