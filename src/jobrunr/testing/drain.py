"""Run jobs in the thread of a test, without a server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from jobrunr.clock import SystemClock
from jobrunr.context import JobContext, running
from jobrunr.ids import JobId, new_token
from jobrunr.jobrunr import JobRunr
from jobrunr.jobs import Job
from jobrunr.server.recorder import Recorder
from jobrunr.server.run import Outcome, Run
from jobrunr.server_record import ServerRecord
from jobrunr.storage.contract import StorageProvider
from jobrunr.testing.factories import a_stored_job

MOST = 10_000
"""A test that runs more jobs than this at a time most likely has jobs that make jobs without end."""


def drain(jobrunr: JobRunr, *, most: int = MOST) -> list[Job]:
    """Run every job that is due, and those that they make, one after the other in this thread, until none is left.

    What is scheduled for later, retries too, stays: turn the test clock on and drain again.

    Arguments:
        most: give up after so many runs.

    Returns:
        the jobs as they are now, in the order in which they ran. A job that ran twice is there once, at its last place.

    Raises:
        AssertionError: more than `most` jobs ran.

    >>> job_id = jobrunr.scheduler.enqueue(send_welcome, "ada@example.org")
    >>> [job.state for job in drain(jobrunr)]
    [<JobState.SUCCEEDED: 'SUCCEEDED'>]
    """
    storage = jobrunr.storage
    performer = jobrunr.performer(storage)
    recorder = Recorder(storage, jobrunr.filters, jobrunr.settings, refused=lambda job_id: None)
    ran: dict[JobId, None] = {}
    count = 0
    with _registered(storage) as server:
        while jobs := _due(storage, server):
            for job in jobs:
                count += 1
                if count > most:
                    raise AssertionError(f"{most} jobs ran and there are still more; do jobs make jobs without end?")
                ran.pop(job.id, None)
                ran[job.id] = None
                run = Run(job, JobContext(job, recorder, storage))
                prepared = performer.prepare(run)
                outcome = prepared if isinstance(prepared, Outcome) else performer.perform(prepared, _run_coroutine)
                if outcome is not None:
                    recorder.complete(outcome)
                while not recorder.is_empty:
                    recorder.tick()
    return [job for job_id in ran if (job := storage.get(job_id)) is not None]


def _due(storage: StorageProvider, server: ServerRecord) -> list[Job]:
    storage.promote(1000)
    return storage.claim(server.id, server.name, 1)


@contextmanager
def _registered(storage: StorageProvider) -> Iterator[ServerRecord]:
    server = ServerRecord(id=new_token(), name="drain", workers=1)
    storage.announce(server)
    try:
        yield server
    finally:
        storage.sign_off(server.id)


def _run_coroutine(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """On a loop of its own: in this thread, or beside it when a loop runs here already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    answers: list[Any] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            answers.append(asyncio.run(coroutine))
        except BaseException as error:  # noqa: BLE001 - carried over to the thread that waits
            errors.append(error)

    thread = threading.Thread(target=run, name="jobrunr-drain")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return answers[0]


class NotedJournal:
    """A journal that only remembers: what a function under test logged, reported and kept."""

    def __init__(self) -> None:
        self.logs: list[tuple[int, str]] = []
        self.data: dict[str, str] = {}

    def log(self, job: Job, at: object, level: int, message: str) -> None:
        self.logs.append((level, message))

    def put(self, job: Job, key: str, value: str) -> None:
        self.data[key] = value

    def read(self, job: Job) -> dict[str, str]:
        return dict(self.data)


@contextmanager
def job_context(job: Job | None = None, journal: NotedJournal | None = None) -> Iterator[JobContext]:
    """A current job for a test that calls a function directly: inside the block, `current_job()` works.

    Arguments:
        job: what the function sees as its job; something plain by default.
        journal: pass one to look afterwards at what was logged and kept.

    >>> from jobrunr import current_job
    >>> with job_context() as context:
    ...     current_job().metadata["provider"] = "smtp-2"
    ...     context.metadata["provider"]
    'smtp-2'
    """
    context = JobContext(job or a_stored_job(), journal or NotedJournal(), SystemClock())
    with running(context):
        yield context
