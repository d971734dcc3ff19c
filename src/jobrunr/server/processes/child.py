"""The child process: does what the server orders, one job after the other, and tells it what comes of them."""

from __future__ import annotations

import asyncio
import contextvars
import faulthandler
import fcntl
import inspect
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from multiprocessing.connection import Connection
from queue import SimpleQueue
from types import FrameType
from typing import Any

from jobrunr.clock import SyncedClock
from jobrunr.context import JobContext, current_job, enter
from jobrunr.errors import JobCancelledError, NoCurrentJobError, StorageUnavailableError
from jobrunr.jobs import Job
from jobrunr.log_context import enter_log_context
from jobrunr.registry import JobRegistry, Runnable
from jobrunr.serialization import encode_result
from jobrunr.server.interrupting import JobInterrupted
from jobrunr.server.processes.exceptions import tell
from jobrunr.server.processes.messages import (
    Began,
    Cancel,
    FromChild,
    Hello,
    Kept,
    Logged,
    Order,
    Put,
    Raised,
    Read,
    Returned,
    Said,
    decode_from_server,
    encode,
)
from jobrunr.server.processes.names import object_named
from jobrunr.texts import storable, storable_line

DISCONNECTED = 74
"""The exit code of a process that cannot tell its server anything (EX_IOERR)."""

_serving: list[Child] = []
"""The child that this process is, if it is one."""


def is_job_process() -> bool:
    """Whether this process is the child of a server, in which jobs run."""
    return bool(_serving)


def main(connection: Connection, lifeline: int, crash_report: int) -> None:
    """Run jobs until the server has no more, or is gone.

    Arguments:
        connection: to the server.
        lifeline: a pipe that is never written to. It breaks when the server dies, whatever this process is doing then.
        crash_report: a file in which to write what Python was doing when it crashes.
    """
    _die_with_server(lifeline)
    faulthandler.enable(crash_report, all_threads=False)
    hello = decode_from_server(connection.recv_bytes())
    assert isinstance(hello, Hello)
    child = Child(connection, hello)
    _serving.append(child)
    child.serve()


def _die_with_server(lifeline: int) -> None:
    """Let the kernel kill this process when the pipe breaks, also while a job keeps the interpreter to itself."""
    if hasattr(fcntl, "F_SETSIG"):  # Linux; elsewhere the end of the connection has to be enough
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)


class Child:
    """The journal of the job that runs here, and the one who runs it. The job has the main thread for itself, so that
    signals reach it."""

    def __init__(self, connection: Connection, hello: Hello) -> None:
        self._connection = connection
        self._hello = hello
        self._pid = os.getpid()
        self._home = os.getcwd()  # noqa: PTH109 - a text to go back to
        self._sending = threading.Lock()
        self._orders: SimpleQueue[Order | None] = SimpleQueue()
        self._kept: SimpleQueue[Kept] = SimpleQueue()
        self._runnables: dict[str, Runnable] = {}
        self._context: JobContext | None = None
        self._is_cancelled = False
        self._is_in_call = False
        self._task: asyncio.Task[Any] | None = None
        self._logged = SendToServer(self)

    def serve(self) -> None:
        """Run what is ordered."""
        for name, level in self._hello.levels.items():
            logging.getLogger(name or None).setLevel(level)
        threading.Thread(target=self._listen, name="jobrunr-connection", daemon=True).start()
        while (order := self._orders.get()) is not None:
            self._begin_anew()
            end = contextvars.Context().run(self._run, order)
            if os.getpid() != self._pid:  # the job has forked, and this is what it left behind
                os._exit(0)
            self._context = None
            _flush()
            try:
                self.send(end)
            except OSError:  # the job has closed it, or the server is gone
                os._exit(DISCONNECTED)

    # -- the connection

    def _listen(self) -> None:
        try:
            while True:
                match decode_from_server(self._connection.recv_bytes()):
                    case Order() as order:
                        self._orders.put(order)
                    case Kept() as kept:
                        self._kept.put(kept)
                    case Cancel():
                        self._cancel()
                    case Hello():
                        pass
        except (EOFError, OSError):
            if self._context is not None:  # the server is gone, and the job is not its any more
                os._exit(DISCONNECTED)
            self._orders.put(None)

    def send(self, message: FromChild) -> None:
        """Tell the server."""
        if os.getpid() == self._pid:  # a process that the job forked has no say
            with self._sending:
                self._connection.send_bytes(encode(message))

    def _cancel(self) -> None:
        self._is_cancelled = True
        context, task = self._context, self._task
        if context is not None:
            context.cancel()
        if task is not None:
            with suppress(RuntimeError):  # its loop is closed already
                task.get_loop().call_soon_threadsafe(task.cancel)
        else:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """The handler of signals. It interrupts the job if the server has said so; anybody else has to ask the server."""
        if self._is_cancelled and self._is_in_call:
            self._is_in_call = False
            raise JobInterrupted

    # -- the job

    def _begin_anew(self) -> None:
        """What one job changed in the process, the next one does not find."""
        with suppress(OSError):
            os.chdir(self._home)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._interrupt)

    def _run(self, order: Order) -> Returned | Raised:
        clock = SyncedClock(lambda: order.now)
        self._context = JobContext(order.job, self, clock)
        try:
            runnable = self._runnable(order.job.target)
            args, kwargs = runnable.codec.decode(order.job.details.arguments)
            activator = _no_activator if order.activator is None else object_named(order.activator)
            call = runnable.bind_in_job(activator, self._context.transaction)
            self._keep_logs()  # behind the import of the application, which may have set up its logging anew
            enter(self._context)
            if context := order.job.extras.log_context:
                enter_log_context(context)
            result = self._call(call, args, kwargs)
            return Returned(encode_result(order.job.target, result, self._hello.max_result_size))
        except BaseException as error:  # noqa: BLE001 - user code
            return tell(error, self._hello.max_traceback_size)

    def _runnable(self, target: str) -> Runnable:
        """The server offers the target, or it would not have ordered it; so there is nothing to be decided here."""
        if target not in self._runnables:
            self._runnables[target] = JobRegistry(None, (target,)).resolve(target)
        return self._runnables[target]

    def _call(self, call: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
        self.send(Began())
        self._is_in_call = True
        try:
            if self._is_cancelled:
                raise JobCancelledError(current_job().id)
            result = call(*args, **kwargs)
            if inspect.iscoroutine(result):
                self._is_in_call = False
                result = asyncio.run(self._awaited(result))
            return result
        finally:
            self._is_in_call = False
            self._task = None

    async def _awaited(self, coroutine: Any) -> Any:
        self._task = asyncio.current_task()
        if self._is_cancelled:
            coroutine.close()
            raise JobCancelledError(current_job().id)
        return await coroutine

    def _keep_logs(self) -> None:
        root = logging.getLogger()
        if self._logged not in root.handlers:
            root.addHandler(self._logged)

    # -- the journal

    def log(self, job: Job, at: datetime, level: int, message: str) -> None:
        """A line that the job wrote with ``ctx.log``."""
        self.send(Said(at, level, storable_line(message, self._hello.max_log_line_size)))

    def put(self, job: Job, key: str, value: str) -> None:
        """Progress, or metadata."""
        self.send(Put(key, value))

    def read(self, job: Job) -> dict[str, str]:
        """What is kept with the job: the server knows."""
        self.send(Read())
        kept = self._kept.get()
        if kept.problem is not None:
            raise StorageUnavailableError("behind the server", kept.problem)
        return kept.values

    def logged(self, record: logging.LogRecord) -> None:
        """A record of the module ``logging``. The server logs it, as if it had been logged there."""
        attributes: dict[str, Any] = {
            name: storable(value) if isinstance(value, str) else value
            for name, value in vars(record).items()
            if isinstance(value, str | int | float | None)
        }
        attributes["msg"] = storable_line(record.getMessage(), self._hello.max_log_line_size)
        if record.exc_info:
            attributes["exc_text"] = storable(logging.Formatter().formatException(record.exc_info))
            attributes["exc_text"] = attributes["exc_text"][: self._hello.max_traceback_size]
        self.send(Logged(attributes))


class SendToServer(logging.Handler):
    """Sends what a job logs with the standard library to the server, which logs it and keeps it with the job."""

    def __init__(self, child: Child) -> None:
        super().__init__()
        self._child = child

    def emit(self, record: logging.LogRecord) -> None:
        try:
            current_job()
        except NoCurrentJobError:  # a thread of its own, after the job perhaps
            return
        try:
            self._child.logged(record)
        except Exception:  # noqa: BLE001 - as every handler of the standard library does
            self.handleError(record)


def _no_activator(cls: type) -> Any:
    raise AssertionError(cls)


def _flush() -> None:
    """What the job printed is there when it has ended, even if the next one kills the process."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # the job may have closed it, or put anything in its place
            stream.flush()
