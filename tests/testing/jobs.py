"""Functions that the tests of the testing support make jobs of."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from jobrunr import JobRunr, current_job, current_log_context, job
from jobrunr.testing import drain

app = JobRunr("memory://", retries=2)
"""The one that jobs use who make jobs themselves, as an application's does."""

request: ContextVar[str] = ContextVar("request", default="none")
order: list[str] = []


class Verdict(BaseException):
    """What `pytest.fail` raises is no Exception either."""


@dataclass
class Parcel:
    weight: float
    to: str


def send(email: str, subject: str = "") -> str:
    return f"{email} {subject}".strip()


def take_time_and_say_where(seconds: float) -> int:
    threading.Event().wait(seconds)
    return threading.get_ident()


def ship(parcel: Parcel, tags: set[str] | None = None) -> None: ...


def note(name: str) -> None:
    order.append(name)


async def fetch(url: str) -> str:
    await asyncio.sleep(0)
    return f"{url} by job {current_job().id}"


def fail(message: str = "no such mailbox") -> None:
    raise ValueError(message)


def fail_once() -> str:
    if current_job().attempt == 1:
        raise ValueError("not yet")
    return "at last"


def fail_once_and_let_another_go_first() -> None:
    if current_job().attempt == 1:
        app.scheduler.options(priority=1).enqueue(note, "the other")
        raise ValueError("after you")


def leave() -> None:
    raise SystemExit(3)


def end_the_test() -> None:
    raise Verdict("enough")


async def end_the_test_async() -> None:
    raise KeyboardInterrupt


def split(parts: int) -> None:
    for part in range(parts):
        app.scheduler.enqueue(note, f"part {part}")


def again() -> None:
    app.scheduler.enqueue(again)


def withdraw_oneself() -> str:
    app.scheduler.delete(current_job().id)
    return "nobody will read this"


def drain_inside() -> list[str]:
    logging.getLogger("shop").warning("before")
    app.scheduler.enqueue(chat, "inside")
    names = [done.target.partition(":")[2] for done in drain(app)]
    logging.getLogger("shop").warning("after")
    return names


def chat(text: str) -> None:
    logging.getLogger("shop").warning("%s", text)
    current_job().log.info("more of %s", text)
    current_job().metadata["said"] = text
    for _ in current_job().progress(range(3)):
        pass


def surroundings() -> dict[str, Any]:
    return {"request": request.get(), "log context": dict(current_log_context())}


@job(queue="reports", retries=0)
def report(year: int) -> int:
    return year
