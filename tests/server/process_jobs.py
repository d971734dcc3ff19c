"""Functions that the tests run in processes of their own. They tell what they did through what they return, and files."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any, Self

from jobrunr import DoNotRetry, current_job, current_log_context, job
from jobrunr.server.processes import child

log = logging.getLogger("shop.reports")


class Planned(Exception):
    def __init__(self, message: str, *, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds
        self.callback = lambda: None  # no process can be told of this


class Stubborn(Exception):
    def __new__(cls, first: int, second: int) -> Self:
        return super().__new__(cls, first, second)


def pid(*_: object) -> int:
    return os.getpid()


async def pid_async() -> int:
    await asyncio.sleep(0)
    return os.getpid()


def returns_coroutine() -> Any:
    return pid_async()


@job(execution="process")
def pid_as_declared() -> int:
    return os.getpid()


def tell_everything(attempts: int) -> dict[str, Any]:
    context = current_job()
    context.log.info("from the context: %d", context.attempt)
    log.warning("from the standard library", extra={"order": 17})
    log.debug("too quiet to keep")
    try:
        raise ValueError("handled")
    except ValueError:
        log.exception("went wrong")
    count = context.metadata.get("count", 0) + 1
    context.metadata["count"] = count
    bar = context.progress(total=attempts)
    bar.set(count)
    if count < attempts:
        raise Planned("not yet", seconds=0.0)
    return {
        "id": str(context.id),
        "name": context.name,
        "labels": context.labels,
        "attempt": context.attempt,
        "failures": context.failures,
        "log context": dict(current_log_context()),
        "count": context.metadata["count"],
    }


def fail(seconds: float) -> None:
    raise Planned("as planned", seconds=seconds)


def fail_stubbornly() -> None:
    raise Stubborn(1, 2)


def fail_locally() -> None:
    """With a class that no other process knows."""
    raise type("Local", (Planned,), {"__module__": __name__})("local", seconds=2)


def never_again() -> None:
    raise DoNotRetry("no use")


def leave(how: str) -> None:
    raise {"SystemExit": SystemExit(0), "KeyboardInterrupt": KeyboardInterrupt()}[how]


def return_something_unstorable() -> Any:
    return object()


def return_much(size: int) -> str:
    return "x" * size


def die(how: str) -> None:
    match how:
        case "segfault":
            ctypes.string_at(0)
        case "os._exit":
            os._exit(3)
        case "os._exit(0)":
            os._exit(0)
        case "abort":
            os.abort()
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "garbage":
            child._serving[0]._connection.send_bytes(b"garbage")
            time.sleep(30)
        case "too much":
            child._serving[0]._connection.send_bytes(bytes(10_000_000))
            time.sleep(30)
        case "closerange":
            os.closerange(3, 1 << 16)  # the connection keeps the number that it has in the server, which may be any


def die_with_heirs(folder: str) -> None:
    """Another process still holds everything open that this one did."""
    heir = os.fork()
    if heir == 0:
        time.sleep(30)
        os._exit(0)
    Path(folder, "heir").write_text(str(heir))
    os._exit(3)


def fork(folder: str) -> str:
    """Both return; one was not asked."""
    if os.fork() == 0:
        Path(folder, "fork").write_text(str(os.getpid()))
        current_job().log.info("from the fork")
        return "the fork"
    return "the job"


def wait(folder: str) -> None:
    Path(folder, "began").write_text(str(os.getpid()))
    try:
        time.sleep(30)
    finally:
        Path(folder, "tidied up").write_text(str(current_job().is_cancelled))


async def wait_async(folder: str) -> None:
    write(folder, "began", str(os.getpid()))
    try:
        await asyncio.sleep(30)
    finally:
        write(folder, "tidied up", str(current_job().is_cancelled))


def write(folder: str, name: str, text: str) -> None:
    Path(folder, name).write_text(text)


def wait_deaf(folder: str) -> None:
    """Nothing but a kill ends it, and it has started another process."""
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
    Path(folder, "other").write_text(str(other.pid))
    Path(folder, "began").write_text(str(os.getpid()))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(30)


def survive_signals() -> str:
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(os.getpid(), number)
    return "alive"


def hold_the_interpreter(folder: str) -> None:
    """No Python code runs in this process meanwhile."""
    Path(folder, "began").write_text(str(os.getpid()))
    ctypes.PyDLL(None).sleep(30)


def spoil(what: str) -> None:
    match what:
        case "cwd":
            os.chdir("/")
        case "signals":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        case "stdout":
            sys.stdout.close()
            os.close(1)
        case "stderr":
            sys.stderr.close()
            os.close(2)
        case "warnings":
            warnings.simplefilter("error")
        case "logging":
            logging.getLogger().handlers.clear()
        case "recursion":
            recurse()


def recurse() -> None:
    recurse()


def look() -> tuple[str, int]:
    log.warning("still heard")
    return str(Path.cwd()), os.getpid()


class Report:
    def __init__(self, title: str) -> None:
        self.title = title

    def write(self) -> str:
        return f"{self.title} by {os.getpid()}"


def make(cls: type) -> Any:
    return cls("annual")
