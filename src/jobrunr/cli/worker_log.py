"""How a worker logs: to standard error, one line per event."""

from __future__ import annotations

import logging
from datetime import datetime

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class EventFormatter(logging.Formatter):
    """Time with its zone, level, logger, message. Line breaks in a message are escaped, so that an event is a line whatever
    a job is called; only a traceback has lines of its own."""

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname:<7} {name}: {message}", style="{")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - of the standard library
        return datetime.fromtimestamp(record.created).astimezone().isoformat(" ", "milliseconds")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - of the standard library
        return super().formatMessage(record).replace("\r", "\\r").replace("\n", "\\n")


def set_up_logging(level: str) -> None:
    """Log to standard error, unless the application has set up its logging while it was imported.

    Arguments:
        level: of everything, except for the tools below us, which say little of use before something goes wrong.
    """
    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(EventFormatter())
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.getLogger("alembic").setLevel(logging.WARNING)
