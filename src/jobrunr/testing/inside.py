"""Call a job's function in a test as if it ran as a job."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec

from jobrunr.clock import SystemClock
from jobrunr.context import METADATA, JobContext, running
from jobrunr.jobs import Job
from jobrunr.progress import PROGRESS, Progress
from jobrunr.states import JobState
from jobrunr.testing.factories import a_stored_job


class NotedJournal:
    """Remembers what a function under test wants kept with its job."""

    def __init__(self) -> None:
        self.logs: list[tuple[int, str]] = []
        """What went through ``ctx.log``: levels, as in the module ``logging``, and messages."""
        self._values: dict[str, str] = {}

    @property
    def metadata(self) -> dict[str, Any]:
        """What was set in ``ctx.metadata``."""
        return {
            key.removeprefix(METADATA): msgspec.json.decode(value)
            for key, value in self._values.items()
            if key.startswith(METADATA) and value
        }

    @property
    def progress(self) -> Progress | None:
        """How far ``ctx.progress`` got; None when it was not used."""
        values = [value for key, value in self._values.items() if key.startswith(PROGRESS)]
        return msgspec.json.decode(values[-1], type=Progress) if values else None

    def log(self, job: Job, at: datetime, level: int, message: str) -> None:
        self.logs.append((level, message))

    def put(self, job: Job, key: str, value: str) -> None:
        self._values[key] = value

    def read(self, job: Job) -> dict[str, str]:
        return dict(self._values)


@contextmanager
def job_context(job: Job | None = None, journal: NotedJournal | None = None) -> Iterator[JobContext]:
    """Make `current_job` work inside a block, for a test that calls a job's function directly.

    Arguments:
        job: what the function sees as its job; a running one, in its first attempt, by default. Make others with
            `jobrunr.testing.factories.a_stored_job`.
        journal: where to look afterwards for what was logged and kept.

    >>> from jobrunr import current_job
    >>> journal = NotedJournal()
    >>> with job_context(journal=journal):
    ...     current_job().log.info("connecting to %s", "smtp-2")
    ...     current_job().metadata["provider"] = "smtp-2"
    >>> journal.logs, journal.metadata
    ([(20, 'connecting to smtp-2')], {'provider': 'smtp-2'})
    """
    if job is None:
        job = a_stored_job(JobState.PROCESSING)
    if journal is None:
        journal = NotedJournal()
    with running(JobContext(job, journal, SystemClock())) as context:
        yield context
