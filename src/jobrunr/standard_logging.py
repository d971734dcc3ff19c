"""What a job logs with the standard library."""

from __future__ import annotations

import logging

from jobrunr.context import RunJournal, present_context


class JobLogHandler(logging.Handler):
    """Keeps what a job logs with the standard library with the job, besides wherever else it goes.

    Arguments:
        journal: whose runs count; two servers in one process must not write each line twice.
        level: lines below it are left out.
    """

    def __init__(self, journal: RunJournal, level: int | str) -> None:
        super().__init__(level)
        self._journal = journal

    def emit(self, record: logging.LogRecord) -> None:
        context = present_context()
        if context is None or not context.writes_into(self._journal) or record.name.startswith("jobrunr."):
            return
        try:
            context.log.log(record.levelno, "%s", self.format(record))
        except Exception:  # noqa: BLE001 - as every handler of the standard library does
            self.handleError(record)
