"""Functions that the tests of the server run as jobs. What they did is told through module-level events and lists."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import defaultdict
from typing import Any

from jobrunr import DoNotRetry, current_job, current_log_context, job

seen: dict[str, list[Any]] = defaultdict(list)
"""What the jobs of a test noted, under a key of that test."""

gates: dict[str, threading.Event] = defaultdict(threading.Event)
"""Events by which a test and its jobs wait for each other."""


class Planned(Exception):
    """An exception that a test asked for."""


class Temporary(Planned):
    """One that is worth a retry."""


def note(key: str, value: Any) -> None:
    seen[key].append(value)


def add(a: int, b: int) -> int:
    return a + b


async def add_async(a: int, b: int) -> int:
    await asyncio.sleep(0)
    return a + b


def returns_coroutine(a: int, b: int) -> Any:
    return add_async(a, b)


def fail(message: str) -> None:
    raise Planned(message)


def fail_temporarily(message: str) -> None:
    raise Temporary(message)


def fail_until(key: str, attempt: int) -> str:
    seen[key].append(current_job().attempt)
    if current_job().attempt < attempt:
        raise Planned("not yet")
    return "at last"


def never_again() -> None:
    raise DoNotRetry("no use")


@job(no_retry_on=[Temporary])
def declared_without_retry_for_temporary(which: str) -> None:
    raise Temporary(which) if which == "temporary" else Planned(which)


def leave(how: str) -> None:
    raise {"SystemExit": SystemExit(0), "KeyboardInterrupt": KeyboardInterrupt(), "GeneratorExit": GeneratorExit()}[how]


async def leave_async(how: str) -> None:
    leave(how) if how != "CancelledError" else None
    raise asyncio.CancelledError


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def fail_unprintably() -> None:
    raise Unprintable


def wide(size: int) -> str:
    return "x" * size


def unstorable() -> Any:
    return object()


def wait_for(key: str) -> None:
    gates[key + " began"].set()
    gates[key].wait(30)


def wait_until_cancelled(key: str) -> None:
    context = current_job()
    gates[key + " began"].set()
    seen[key].append("cancelled" if context.wait_cancelled(30) else "left alone")
    context.raise_if_cancelled()


def wait_until_cancelled_or_not(key: str, waits: bool) -> None:
    if waits:
        wait_until_cancelled(key)


async def wait_until_cancelled_async(key: str) -> None:
    gates[key + " began"].set()
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        seen[key].append("cancelled")
        raise
    finally:
        gates[key + " ended"].set()


def returns_waiting_coroutine(key: str) -> Any:
    return wait_until_cancelled_async(key)


def returns_leaving_coroutine(how: str) -> Any:
    return leave_async(how)


def chatty(lines: int) -> None:
    context = current_job()
    logging.getLogger("shop.mail").warning("from the standard library: %s", lines)
    for number in range(lines):
        context.log.info("line %d", number)
    context.log.debug("too quiet to keep")


def counts_in_metadata(attempts: int) -> int:
    context = current_job()
    count = context.metadata.get("count", 0) + 1
    context.metadata["count"] = count
    if count < attempts:
        raise Planned(f"attempt {count}")
    return count


def progresses(total: int) -> None:
    for _ in current_job().progress(range(total)):
        pass


def context_of(key: str) -> dict[str, Any]:
    return dict(current_log_context())


class Mailer:
    """Needs something that only an activator knows."""

    def __init__(self, host: str = "default") -> None:
        self.host = host

    def send(self, to: str) -> str:
        return f"{to} via {self.host}"

    async def send_async(self, to: str) -> str:
        return f"{to} via {self.host}"

    @staticmethod
    def check(to: str) -> bool:
        return "@" in to

    @classmethod
    def kind(cls) -> str:
        return cls.__name__


async def leaves_a_task_that_ends_the_loop() -> str:
    async def leave() -> None:
        raise SystemExit(3)

    task = asyncio.get_running_loop().create_task(leave())
    await asyncio.sleep(0.01)
    return type(task.exception()).__name__


async def leaves_a_task_behind(key: str) -> None:
    async def tidy_up_in_the_end() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            note(key, "tidied up")

    seen[f"{key} task"].append(asyncio.get_running_loop().create_task(tidy_up_in_the_end()))
    await asyncio.sleep(0)


def logs_badly() -> None:
    log = current_job().log
    log.info("%(user)s has %(count)d", {"user": "ada", "count": 2})
    log.info("%d of them", "many")
    log.info("100 %")


class Watched:
    """Its activator looks around."""

    async def go(self) -> None:
        await asyncio.sleep(0)


def logs_after_waiting(key: str) -> None:
    context = current_job()
    name = f"{key} {context.attempt}"
    note(key, context.attempt)
    gates[name].wait(30)
    context.log.info("still here")
    gates[name + " logged"].set()
