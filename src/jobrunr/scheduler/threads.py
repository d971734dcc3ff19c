"""Threads on which an event loop lets others wait for the database."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context, copy_context
from functools import partial
from typing import ParamSpec, TypeVar

from jobrunr.forks import start_anew_after_forks

P = ParamSpec("P")
R = TypeVar("R")

MOST = 8
"""Threads. Not those of the loop (`asyncio.to_thread`): what the application does there would hold us up, and we it."""


class Threads:
    """Started when the first are needed, again after `close`, and again in the child of a fork."""

    def __init__(self) -> None:
        self.start_anew_after_fork()
        start_anew_after_forks(self)

    def start_anew_after_fork(self) -> None:
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function on a thread, in the context of the caller."""
        return await asyncio.wrap_future(self.submit(copy_context(), partial(function, *args, **kwargs)))

    def submit(self, context: Context, function: Callable[[], R]) -> Future[R]:
        """Call a function on a thread, in a context."""
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(MOST, thread_name_prefix="jobrunr-async")
            return self._pool.submit(context.run, function)

    def close(self) -> None:
        """Wait for what was begun."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()
