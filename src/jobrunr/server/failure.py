"""From an exception to what is kept of it: text, whatever the exception does when it is looked at."""

from __future__ import annotations

import traceback
from pathlib import PurePath
from types import FrameType, TracebackType

from jobrunr.history import ExceptionRecord
from jobrunr.module_places import is_own_file
from jobrunr.retries import class_name
from jobrunr.texts import message_of, shortened, storable

MAX_MESSAGE_LENGTH = 2000
"""Characters of a message that are kept; its whole text is in the traceback."""

MAX_PLACE_LENGTH = 300

_OURS = ("jobrunr.server.", "jobrunr.testing.", "jobrunr.session_parameter")


def record_exception(error: BaseException, max_traceback_size: int) -> ExceptionRecord:
    """Describe an exception with its causes. Our own frames at the top are left out.

    Arguments:
        max_traceback_size: bytes to keep; the middle of a longer traceback is left out.
    """
    return ExceptionRecord(
        type=storable(class_name(type(error)), 500),
        message=storable(message_of(error), MAX_MESSAGE_LENGTH),
        traceback=shortened(storable(_traceback(error)), max_traceback_size),
        place=storable(_place(error), MAX_PLACE_LENGTH),
    )


def _place(error: BaseException) -> str:
    """The innermost frame of the application's own code, or else just the innermost; nothing if there is none."""
    try:
        found: TracebackType | None = None
        is_found_own = False
        entry = error.__traceback__
        while entry is not None:
            is_own = is_own_file(entry.tb_frame.f_code.co_filename)
            is_ours = str(entry.tb_frame.f_globals.get("__name__", "")).startswith(_OURS)
            if not is_ours and (is_own or not is_found_own):
                found, is_found_own = entry, is_own
            entry = entry.tb_next
        if found is None:
            return ""
        return f"{_file_of(found.tb_frame)}:{found.tb_lineno} in {found.tb_frame.f_code.co_name}"
    except BaseException:  # noqa: BLE001 - user code may have put anything there
        return ""


def _file_of(frame: FrameType) -> str:
    """A file as its module names it, so that it is called the same on every machine: ``shop/mail.py``."""
    path = PurePath(frame.f_code.co_filename)
    module = str(frame.f_globals.get("__name__", "")).split(".")
    depth = len(module) + (path.stem == "__init__")
    names = path.parts[-depth:]
    is_of_module = [*names[:-1], path.stem] == module or [*names[:-1]] == module
    return "/".join(names) if is_of_module else path.name


def _traceback(error: BaseException) -> str:
    try:
        frames = error.__traceback__
        while frames is not None and frames.tb_frame.f_globals.get("__name__", "").startswith(_OURS):
            frames = frames.tb_next
        lines = traceback.TracebackException(type(error), error, frames or error.__traceback__, compact=True).format()
        return "".join(lines)
    except BaseException as broken:  # noqa: BLE001 - user code: even its SystemExit must not end the worker
        return f"{class_name(type(error))}: (its traceback cannot be shown: {type(broken).__name__})\n"
