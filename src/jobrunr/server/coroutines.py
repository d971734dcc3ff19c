"""Coroutines on the event loop of a server: how they end, also when they do not want to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from jobrunr.errors import JobCancelledError
from jobrunr.server.run import Run

LAST_STEPS = 0.4
"""Seconds that cancelled tasks have to tidy up when a server stops."""

_log = logging.getLogger("jobrunr.server")


@dataclass
class Returned:
    """How a coroutine ended. As a value, because SystemExit that leaves a task ends the loop of all, and the error of a
    cancelled one would reach the thread as that of another library."""

    value: Any = None
    error: BaseException | None = None


async def result_of(run: Run, coroutine: Coroutine[Any, Any, Any]) -> Returned:
    """Await the coroutine of a run."""
    run.task = asyncio.current_task()
    if run.end is not None:  # told to end before there was a task to cancel
        coroutine.close()
        return Returned(error=JobCancelledError(run.job.id))
    try:
        return Returned(value=await coroutine)
    except BaseException as error:  # noqa: BLE001 - user code
        return Returned(error=error)


def cancel_what_is_left(loop: asyncio.AbstractEventLoop) -> None:
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
