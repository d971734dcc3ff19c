"""From an exception to what is kept of it: text, whatever the exception does when it is looked at."""

from __future__ import annotations

import traceback

from jobrunr.history import ExceptionRecord
from jobrunr.retries import class_name
from jobrunr.texts import shortened, storable

MAX_MESSAGE_LENGTH = 2000
"""Characters of a message that are kept; its whole text is in the traceback."""

_OURS = ("jobrunr.server.", "jobrunr.testing.")


def record_exception(error: BaseException, max_traceback_size: int) -> ExceptionRecord:
    """Describe an exception with its causes. Our own frames at the top are left out.

    Arguments:
        max_traceback_size: bytes to keep; the middle of a longer traceback is left out.
    """
    return ExceptionRecord(
        type=storable(class_name(type(error)), 500),
        message=storable(message_of(error), MAX_MESSAGE_LENGTH),
        traceback=shortened(storable(_traceback(error)), max_traceback_size),
    )


def message_of(error: BaseException) -> str:
    """Its message, as far as it can be had."""
    try:
        return str(error)
    except BaseException as broken:  # noqa: BLE001 - user code: even its SystemExit must not end the worker
        return f"(its message cannot be shown: str() raised {type(broken).__name__})"


def _traceback(error: BaseException) -> str:
    try:
        frames = error.__traceback__
        while frames is not None and frames.tb_frame.f_globals.get("__name__", "").startswith(_OURS):
            frames = frames.tb_next
        lines = traceback.TracebackException(type(error), error, frames or error.__traceback__, compact=True).format()
        return "".join(lines)
    except BaseException as broken:  # noqa: BLE001 - user code: even its SystemExit must not end the worker
        return f"{class_name(type(error))}: (its traceback cannot be shown: {type(broken).__name__})\n"
