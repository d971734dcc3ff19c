"""The application that the worker processes run. What its jobs did is written to a file that no job storage knows of."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from sqlalchemy import Connection, create_engine, text

from jobrunr import JobRunr, current_job

LEDGER = "JOBRUNR_TEST_LEDGER"
"""The environment variable that names the file."""

_open: list[Connection] = []
"""What jobs have left open."""


def application() -> JobRunr:
    """For ``jobrunr worker --app``; its settings are in the environment."""
    return JobRunr()


def write_down(line: str) -> None:
    """Add a line to the ledger. One small write at the end of a file is never torn by those of other processes."""
    ledger = os.open(os.environ[LEDGER], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(ledger, f"{line}\n".encode())
    finally:
        os.close(ledger)


def take_effect(number: int) -> None:
    write_down(f"{number} {os.getpid()}")


def take_time(number: int) -> None:
    """Long enough to be in the middle when something happens to the process."""
    write_down(f"{number} begins")
    time.sleep(0.1)
    write_down(f"{number} ends")


def poison(kind: str) -> None:
    """Takes its process down."""
    write_down(f"{kind} begins")
    if kind == "segfault":
        ctypes.string_at(0)
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(1)


def die_first(number: int) -> None:
    """The first of them takes its process down."""
    if number == 0:
        poison("kill")
    take_effect(number)


def stop_at_gate(gate: str) -> str:
    """The first attempt waits until a file is there; later ones go on at once."""
    context = current_job()
    attempt = f"attempt {context.attempt}"
    write_down(f"{attempt} begins on {context.server_name}")
    while context.attempt == 1 and not Path(gate).exists():
        time.sleep(0.01)
    return attempt


def tell_behind_gate(gate: str) -> str:
    """The same, and then it leaves something of every kind."""
    attempt = stop_at_gate(gate)
    context = current_job()
    context.log.info("%s is past the gate", attempt)
    context.progress(total=2).advance(context.attempt)
    context.metadata[attempt] = "past the gate"
    write_down(f"{attempt} has told all")
    return attempt


def crash_at_first() -> int:
    """The first attempt takes its process down. The process that it ran in."""
    attempt = current_job().attempt
    logging.getLogger("shop").warning("attempt %d", attempt)
    if attempt == 1:
        os.kill(os.getpid(), signal.SIGSEGV)
    return os.getpid()


def eat_memory() -> None:
    """More and more, until somebody puts an end to it."""
    eaten = []
    while True:
        eaten.append(bytearray(b"x") * 2**24)


def leave_somebody_behind() -> int:
    """A process that is still there when its parent is gone, and ends soon after that. Its process id."""
    parent = ["sh", "-c", "sleep 0.3 > /dev/null 2>&1 & echo $!"]
    return int(subprocess.run(parent, capture_output=True, check=True).stdout)


def spoil(what: str) -> None:
    """Change what all jobs of a process share."""
    match what:
        case "cwd":
            os.chdir("/")
        case "stdout" | "stderr":
            os.close({"stdout": 1, "stderr": 2}[what])
        case "streams":
            sys.stdout = sys.stderr = None  # type: ignore[assignment]
        case "logging":
            logging.shutdown()
            logging.getLogger().handlers.clear()
        case "signals":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        case "recursion":
            spoil(what)
        case "umask":
            os.umask(0o777)


def leave_a_transaction_open(url: str) -> None:
    """With a row locked in it, and so that nothing but the end of the process ends it."""
    connection = create_engine(url).connect()
    connection.execute(text("UPDATE stock SET amount = amount - 1"))
    _open.append(connection)


def hold_the_interpreter(seconds: int) -> None:
    """No other Python code runs in this process meanwhile."""
    ctypes.PyDLL(None).sleep(seconds)
