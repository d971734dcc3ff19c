"""A call in a thread that can be interrupted from outside: an exception is raised in it at its next step."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from jobrunr.module_places import is_within


class JobInterrupted(BaseException):
    """Raised in a job whose time is over. It is no `Exception`, as `asyncio.CancelledError` is none, so that the job does
    not catch it by the way; ``finally`` blocks and context managers tidy up."""


class InterruptibleCall:
    """One call. It is interrupted once at most, and never when it has ended: what the thread does next is not hurt.

    Arguments:
        function: what to call.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        # Reentrant, and not waited for from outside: an interruption between taking it and noting that must not hang.
        self._lock = threading.RLock()
        self._thread: int | None = None
        self._is_over = False
        self._is_sent = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            with self._lock:
                self._thread = threading.get_ident()
            try:
                return self._function(*args, **kwargs)
            finally:
                self._leave()
        except JobInterrupted:
            self._leave()  # which it may have interrupted; there is no second time
            raise

    def _leave(self) -> None:
        """From here on nothing is raised any more, also what was sent already and has not arrived."""
        with self._lock:
            self._is_over = True
        if self._is_sent:
            _take_what_is_raised()

    def interrupt(self) -> bool:
        """Raise `JobInterrupted` in it. Whether there is nothing more to do; if not, try again a little later."""
        if not self._lock.acquire(blocking=False):
            return False
        try:
            if self._is_over or self._is_sent:
                return True
            if self._thread is None or self._is_where_it_hurts():
                return False
            self._is_sent = True
            _raise_in(self._thread, ctypes.py_object(JobInterrupted))
            return True
        finally:
            self._lock.release()

    def where(self) -> TracebackType | None:
        """What it is doing at this moment, as the traceback of an exception that was raised there."""
        trace: TracebackType | None = None
        frame = sys._current_frames().get(self._thread or 0)  # noqa: SLF001 - the one way to look into another thread
        while frame is not None and frame.f_code is not _CALL:
            trace = TracebackType(trace, frame, frame.f_lasti, frame.f_lineno or 0)
            frame = frame.f_back
        return trace

    def _is_where_it_hurts(self) -> bool:
        """Whether it is in code that holds what all threads share, and may keep it when it is interrupted: `logging` takes
        the lock of its handlers in one step and minds it in the next; a module that is imported by half stays broken; and
        what we write for a job is written as a whole."""
        trace = self.where()
        while trace is not None:
            module = str(trace.tb_frame.f_globals.get("__name__"))
            if any(is_within(module, package) for package in _NOT_INTERRUPTED):
                return True
            trace = trace.tb_next
        return False


def _take_what_is_raised() -> None:
    """Take an exception that another thread has raised in this one, whether it has arrived already or not.

    One more is raised, which takes the place of the first, and arrives at the next step. To raise none instead would take
    the first back, but Python 3.11 then goes on looking for it in every thread, and whatever traces or profiles any of them
    stays in one place for ever.
    """
    try:
        _raise_in(threading.get_ident(), ctypes.py_object(JobInterrupted))
        while True:
            pass
    except JobInterrupted:
        pass


_CALL = InterruptibleCall.__call__.__code__
_NOT_INTERRUPTED = (
    "logging",
    "importlib",
    "jobrunr.context",
    "jobrunr.scheduler",
    "jobrunr.server",
    "jobrunr.storage",
)

_raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
_raise_in.argtypes = (ctypes.c_ulong, ctypes.py_object)
_raise_in.restype = ctypes.c_int
