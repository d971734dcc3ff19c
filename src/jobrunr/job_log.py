"""What a job logs by itself."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, Mapping

from jobrunr.texts import shortened, storable

MAX_LOGGED_TRACEBACK_SIZE = 4096
"""Bytes of a traceback in a line of the log; the middle of a longer one is left out."""

ExceptionToLog = BaseException | bool | None
"""True for the one that is being handled."""


class JobLog:
    """Writes lines that are kept with the job, attempt by attempt. Arguments are those of the module ``logging``.

    Arguments:
        write: keeps a line of a level.
    """

    def __init__(self, write: Callable[[int, str], None]) -> None:
        self._write = write

    def debug(self, message: object, *args: object, exc_info: ExceptionToLog = None) -> None:
        self.log(logging.DEBUG, message, *args, exc_info=exc_info)

    def info(self, message: object, *args: object, exc_info: ExceptionToLog = None) -> None:
        self.log(logging.INFO, message, *args, exc_info=exc_info)

    def warning(self, message: object, *args: object, exc_info: ExceptionToLog = None) -> None:
        self.log(logging.WARNING, message, *args, exc_info=exc_info)

    def error(self, message: object, *args: object, exc_info: ExceptionToLog = None) -> None:
        self.log(logging.ERROR, message, *args, exc_info=exc_info)

    def exception(self, message: object, *args: object, exc_info: ExceptionToLog = True) -> None:
        """An error, with the traceback of the exception that is being handled."""
        self.error(message, *args, exc_info=exc_info)

    def critical(self, message: object, *args: object, exc_info: ExceptionToLog = None) -> None:
        self.log(logging.CRITICAL, message, *args, exc_info=exc_info)

    def log(self, level: int, message: object, *args: object, exc_info: ExceptionToLog = None) -> None:
        text = _filled_in(str(message), args)
        error = sys.exception() if exc_info is True else exc_info
        if isinstance(error, BaseException):
            text = f"{text}\n{_traceback_of(error)}"
        self._write(level, text)


def _filled_in(message: str, args: tuple[object, ...]) -> str:
    """A message with its arguments. One that they do not fit is kept beside them: a job does not fail for what it says."""
    if not args:
        return message
    values: object = args[0] if len(args) == 1 and isinstance(args[0], Mapping) and args[0] else args
    try:
        return message % values
    except Exception:  # noqa: BLE001 - the arguments are user code: their formatting can raise anything
        return f"{message} {args!r}"


def _traceback_of(error: BaseException) -> str:
    try:
        text = "".join(traceback.format_exception(error)).rstrip()
    except Exception:  # noqa: BLE001 - the exception is user code: to show it can raise anything
        text = f"{type(error).__qualname__}: (its traceback cannot be shown)"
    return shortened(storable(text), MAX_LOGGED_TRACEBACK_SIZE)
