"""Functions that take too long, in every way that a function can."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from jobrunr import current_job, job
from tests.server.jobs import gates, note


def spin(key: str) -> None:
    """Never ends by itself, and is always in the middle of a line of Python."""
    try:
        gates[f"{key} began"].set()
        while True:
            pass
    finally:
        note(key, "tidied up")


def spin_and_catch_errors(key: str) -> None:
    while True:
        try:
            spin(key)
        except Exception:
            note(key, "caught")


def spin_and_catch_everything(key: str) -> str:
    try:
        spin(key)
    except BaseException as error:
        return type(error).__name__
    raise AssertionError


def spin_and_fail_otherwise(key: str) -> None:
    try:
        spin(key)
    except BaseException as error:
        raise ValueError("while tidying up") from error


def wait_in_c(key: str) -> None:
    """Nothing can be raised in it before the gate opens."""
    gates[f"{key} began"].set()
    try:
        gates[key].wait(30)
        note(key, "went on")
    finally:
        note(key, current_job().is_cancelled)
        gates[f"{key} ended"].set()


def look(key: str) -> None:
    context = current_job()
    note(key, context.wait_cancelled(30))
    context.raise_if_cancelled()


async def sleep(key: str) -> None:
    try:
        await asyncio.sleep(30)
    finally:
        note(key, "tidied up")


def returns_sleeping_coroutine(key: str) -> Any:
    return sleep(key)


async def sleep_deaf(key: str) -> None:
    while not gates[key].is_set():
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            note(key, "deaf")
    gates[f"{key} ended"].set()


async def block_the_loop(key: str) -> None:
    gates[f"{key} began"].set()
    gates[key].wait(30)


@job(timeout=0.05)
def spin_as_declared(key: str) -> None:
    spin(key)


def look_around(began: threading.Event, ended: threading.Event) -> None:
    began.set()
    ended.wait(10)
