"""The event loop on which coroutines run: one for all of them, in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from jobrunr.errors import JobCancelledError
from jobrunr.server.precise_selector import new_event_loop
from jobrunr.server.run import Run

T = TypeVar("T")

LAST_STEPS = 0.4
"""Seconds that cancelled tasks have to tidy up when a server stops."""

_log = logging.getLogger("jobrunr.server")


class JobLoop:
    """The event loop of a server. It starts with the first coroutine, and nothing that coroutines do ends it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closing = False

    def call(self, start: Callable[[T], object], what: T) -> None:
        """Call this there, soon.

        Raises:
            OSError: the system has no file or thread left for a loop.
        """
        self._started().call_soon_threadsafe(start, what)

    def run(self, run: Run, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """A function returned a coroutine: run it there, and hold this thread meanwhile."""
        try:
            loop = self._started()
        except BaseException:
            coroutine.close()
            raise
        returned = asyncio.run_coroutine_threadsafe(_result_of(run, coroutine), loop).result()
        if returned.error is not None:
            raise returned.error
        return returned.value

    def close(self) -> None:
        """Cancel what is left on it, and let it end."""
        self._closing = True
        if self._loop is not None:
            with suppress(RuntimeError):  # it is closed already
                self._loop.call_soon_threadsafe(self._loop.stop)
        if self._thread is not None:
            self._thread.join(timeout=1)

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            with self._lock:
                if self._loop is None:
                    loop = new_event_loop()
                    thread = threading.Thread(target=self._run, args=(loop,), name="jobrunr-event-loop", daemon=True)
                    thread.start()
                    self._loop, self._thread = loop, thread
        return self._loop

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            while not self._closing:
                try:
                    loop.run_forever()
                except BaseException:  # noqa: BLE001 - user code
                    _log.exception("a task on the event loop wanted to end the process; the loop goes on")
            _cancel_what_is_left(loop)
        finally:
            loop.close()


@dataclass
class _Returned:
    """How a coroutine ended. As a value, because SystemExit that leaves a task ends the loop of all, and the error of a
    cancelled one would reach the thread as that of another library."""

    value: Any = None
    error: BaseException | None = None


async def _result_of(run: Run, coroutine: Coroutine[Any, Any, Any]) -> _Returned:
    run.task = asyncio.current_task()
    if run.end is not None:  # told to end before there was a task to cancel
        coroutine.close()
        return _Returned(error=JobCancelledError(run.job.id))
    try:
        return _Returned(value=await coroutine)
    except BaseException as error:  # noqa: BLE001 - user code
        return _Returned(error=error)


def _cancel_what_is_left(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel the tasks that are left, of jobs that were given back and those that jobs left behind, and let them tidy up."""
    try:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.wait(tasks, timeout=LAST_STEPS))
        loop.run_until_complete(asyncio.wait_for(loop.shutdown_asyncgens(), LAST_STEPS))
    except BaseException:  # noqa: BLE001 - user code
        _log.exception("a task on the event loop did not end well")
