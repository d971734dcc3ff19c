"""What a server does about what a job says in a process of its own: the same as for one that runs here."""

from __future__ import annotations

import logging
from datetime import timedelta

from jobrunr.context import RunJournal
from jobrunr.errors import StorageError
from jobrunr.server.processes.messages import Began, FromChild, FromServer, Kept, Logged, Put, Read, Said
from jobrunr.server.run import Run

_log = logging.getLogger("jobrunr.server")


class Hearing:
    """Listens to the job of one run.

    Arguments:
        run: whose.
        limit: how long it may take, from the beginning of the call.
        journal: keeps what the job wants kept.
    """

    def __init__(self, run: Run, limit: timedelta | None, journal: RunJournal) -> None:
        self._run = run
        self._limit = limit
        self._journal = journal

    def __call__(self, message: FromChild) -> FromServer | None:
        """Do what is to be done, in the context of the job. Returns the answer, if one is due."""
        job = self._run.job
        match message:
            case Began():
                self._run.begin_call(self._limit)
            case Said(at, level, text):
                self._journal.log(job, at, level, text)
            case Logged(attributes):
                _log_here(attributes)
            case Put(key, value):
                self._journal.put(job, key, value)
            case Read():
                return self._kept()
        return None

    def _kept(self) -> Kept:
        try:
            return Kept(self._journal.read(self._run.job))
        except StorageError as error:
            return Kept({}, str(error))


def _log_here(attributes: dict[str, object]) -> None:
    """Log a record as if it had been logged in this process: it is filtered and formatted as the application wants it, and
    the handler that keeps lines with their job sees it, too."""
    record = logging.makeLogRecord(attributes)
    logger = logging.getLogger(record.name)
    try:
        if logger.isEnabledFor(record.levelno):
            logger.handle(record)
    except Exception:  # noqa: BLE001 - filters of the application; the job has gone on by now
        _log.exception("what a job logged in a process of its own cannot be logged here")
