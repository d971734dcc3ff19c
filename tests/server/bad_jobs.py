"""Functions that behave badly, in a thread of a server."""

from __future__ import annotations

import asyncio
import os
import time
import warnings
from pathlib import Path
from typing import Any


class Base(BaseException):
    """No `Exception`."""


class Nasty(Exception):
    """Raises something whatever it is asked."""

    def __str__(self) -> str:
        raise SystemExit(3)

    __repr__ = __str__

    def __getattribute__(self, name: str) -> Any:
        raise KeyboardInterrupt(name)


def recurse() -> None:
    recurse()


def raise_what(how: str) -> None:
    match how:
        case "base":
            raise Base("of all")
        case "nasty":
            raise Nasty
        case "group":
            raise BaseExceptionGroup("several", [ValueError("one"), BaseExceptionGroup("more", [Base("two")])])
        case "memory":
            raise MemoryError
        case "recursion":
            recurse()
        case "circle":
            first, second = ValueError("first"), ValueError("second")
            first.__cause__, second.__cause__ = second, first
            raise first
        case "huge":
            raise ValueError("x" * 20_000_000)
        case "class":
            raise type("Odd", (ValueError,), {"__module__": "a\0b"})("\0\ud800")
        case "warning":
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                warnings.warn("as errors", stacklevel=1)


def return_what(how: str) -> Any:
    circle: list[Any] = []
    circle.append(circle)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    values = {"object": object(), "lambda": lambda: 1, "nan": float("nan"), "nul": "\0", "half": "\ud800", "circle": circle}
    return {**values, "deep": deep, "keys": {(1, 2): 3}}[how]


def fork_and_return(file: str) -> str:
    """Both return; one was not asked."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads and fork do not go together; that is the point
        child = os.fork()
    if child == 0:
        Path(file).write_text(str(os.getpid()))
        return "the fork"
    return "the job"


async def fork_and_return_async(file: str) -> str:
    await asyncio.sleep(0)
    return fork_and_return(file)


async def block(seconds: float) -> None:
    time.sleep(seconds)  # noqa: ASYNC251 - that is the point


async def tick(times: int) -> float:
    """How long the longest of some short naps took."""
    longest = 0.0
    for _ in range(times):
        began = time.monotonic()
        await asyncio.sleep(0.01)
        longest = max(longest, time.monotonic() - began)
    return longest
