"""What a bound `AsyncJobScheduler` does, inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from jobrunr.errors import BindError, StorageError
from jobrunr.scheduler.threads import Threads
from jobrunr.storage.contract import StorageProvider

P = ParamSpec("P")
R = TypeVar("R")

BESIDE = "bind opens the storage beside your transaction. Open it before (jobrunr.storage), or migrate."


class InTransaction:
    """Calls functions that write through `storage`, in a transaction of an event loop.

    Arguments:
        transaction: has ``run_sync``, as `AsyncSession` and `AsyncConnection` of SQLAlchemy have: it calls a function with
            the session or connection behind, and lets the loop go on while the database is waited for.
        storage: opens the storage.
        threads: where that is done.

    Raises:
        BindError: it is none.
    """

    def __init__(self, transaction: object, storage: Callable[[], StorageProvider], threads: Threads) -> None:
        self._run_sync: Any = getattr(transaction, "run_sync", None)
        if not callable(self._run_sync):
            raise BindError(
                f"{transaction!r:.200} is nothing that an event loop can wait for",
                "Pass an AsyncSession or an AsyncConnection of SQLAlchemy; jobrunr.scheduler.bind takes others.",
            )
        self._storage = storage
        self._threads = threads
        self._opened: StorageProvider | None = None
        self._bound: StorageProvider | None = None

    def storage(self) -> StorageProvider:
        """That of the call that goes on."""
        assert self._bound is not None
        return self._bound

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function inside."""
        if self._opened is None:
            self._opened = await self._threads.run(opened, self._storage)
        result: R = await self._run_sync(self._call, self._opened, lambda: function(*args, **kwargs))
        return result

    def _call(self, given: object, opened: StorageProvider, function: Callable[[], R]) -> R:
        self._bound = opened.bound(given)
        return function()


def opened(storage: Callable[[], StorageProvider]) -> StorageProvider:
    """The storage, open, before anything is bound to a transaction."""
    try:
        return storage()
    except StorageError as error:
        error.add_note(BESIDE)
        raise
