"""Run jobs in the thread of a test, without a server."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar

from msgspec.structs import replace

from jobrunr.context import JobContext
from jobrunr.ids import JobId, new_token
from jobrunr.jobrunr import JobRunr
from jobrunr.jobs import Job
from jobrunr.server.duties.await_forecast import AwaitForecast
from jobrunr.server.duties.fire import Fire
from jobrunr.server.forecasts import Forecasts
from jobrunr.server.own_transaction import OwnTransactions
from jobrunr.server.performer import Performer
from jobrunr.server.recorder import Recorder
from jobrunr.server.run import Outcome, Run
from jobrunr.server_record import ServerRecord
from jobrunr.standard_logging import JobLogHandler
from jobrunr.states import JobState
from jobrunr.storage.contract import StorageProvider

P = ParamSpec("P")
R = TypeVar("R")

_log = logging.getLogger("jobrunr.testing")

MOST = 10_000
"""A test that runs more jobs than this at a time most likely has jobs that make jobs without end."""


def drain(jobrunr: JobRunr, *, most: int = MOST) -> list[Job]:
    """Run every job that is due, and those that they make, one after the other in this thread, until none is left.

    Jobs go the way that they go in a server: same order, filters, retries, logs and outcomes. What is scheduled for later,
    retries too, stays: turn the test clock on and drain again. Nobody is asked for a forecast: carbon-aware jobs go by what
    is known, and otherwise by their preferred time. Time limits are not kept, and jobs that want a process of their own run
    in this thread, too: so a debugger can stop in them. What this code does not know fails at once. A job that fails is no
    error here; it is in the list, and its traceback is logged. What ends a test does end it, also in the middle of a job:
    Ctrl-C, ``pytest.fail`` and the like.

    Arguments:
        jobrunr: with no server running, which would take jobs away.
        most: give up when more runs than this are wanted.

    Returns:
        the jobs as they are now, in the order in which they ran. One that ran twice is there once, at its last place.

    Raises:
        AssertionError: `most` jobs ran and more are due.

    >>> job_id = jobrunr.scheduler.enqueue(send_welcome, "ada@example.org")
    >>> [job.state for job in drain(jobrunr)]
    [<JobState.SUCCEEDED: 'SUCCEEDED'>]
    """
    storage = jobrunr.storage
    recorder = Recorder(storage, jobrunr.filters, jobrunr.settings, refused=lambda claim: None)
    # There is no other code that could know a job which this one does not.
    settings = replace(jobrunr.settings, unknown_job_grace=timedelta(0))
    performer = jobrunr.performer(storage, settings)
    transactions = OwnTransactions(storage, recorder, performer).begin
    ran: list[JobId] = []
    with _registered(storage) as server, _keeping_logs(recorder, jobrunr.settings.log_level):
        await_forecast = AwaitForecast(storage, _Alone(), storage, Forecasts(storage, None), performer.filters_of)
        for job in _due(storage, server, jobrunr.fire(storage), await_forecast):
            if len(ran) == most:
                raise AssertionError(f"{most} jobs ran and more are due; do jobs make jobs without end?")
            ran.append(job.id)
            _run(Run(job, JobContext(job, recorder, storage, transactions)), performer, recorder)
            _tell_of_failure(storage.get(job.id))
    in_order = reversed(dict.fromkeys(reversed(ran)))
    return [found for job_id in in_order if (found := storage.get(job_id)) is not None]


class _Alone:
    """There is no other master."""

    is_master = True


def _due(storage: StorageProvider, server: ServerRecord, fire: Fire, await_forecast: AwaitForecast) -> Iterator[Job]:
    """Jobs that are due, one by one: what is due is asked anew after each, which may have made or withdrawn some."""
    while True:
        storage.promote(1000)
        claimed = storage.claim(server.id, server.name, 1)
        if claimed:
            yield claimed[0]
        elif not fire.fire_due() and not await_forecast.give_times():
            return  # recurring jobs come last: what is still to be run would hold up theirs


def _run(run: Run, performer: Performer, recorder: Recorder) -> None:
    """One run, and everything that it wants kept."""
    verdicts: list[BaseException] = []
    prepared = performer.prepare(run)
    if isinstance(prepared, Outcome):
        recorder.complete(prepared)
    else:
        prepared.call = _watched(prepared.call, verdicts)
        # As in a server, a job sees nothing of what is set in context variables around it.
        outcome = contextvars.Context().run(performer.perform, prepared, _watched(_run_coroutine, verdicts))
        if verdicts:
            raise verdicts[0]
        if outcome is not None:
            recorder.complete(outcome)
    while not recorder.is_empty:
        recorder.write()


_OF_THE_JOB = (Exception, SystemExit, GeneratorExit, asyncio.CancelledError)
"""What counts as a failure of the job. Anything else, which a server would record too, is about the test: see `drain`."""


def _watched(call: Callable[P, R], verdicts: list[BaseException]) -> Callable[P, R]:
    def watched(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return call(*args, **kwargs)
        except BaseException as error:
            if not isinstance(error, _OF_THE_JOB):
                verdicts.append(error)
            raise

    return watched


def _run_coroutine(run: Run, coroutine: Coroutine[Any, Any, Any]) -> Any:
    """On a loop of its own: in this thread, or in another when a loop runs here already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _run_on_new_loop(coroutine)
    with ThreadPoolExecutor(1, "jobrunr-drain") as thread:
        return thread.submit(contextvars.copy_context().run, _run_on_new_loop, coroutine).result()


def _run_on_new_loop(coroutine: Coroutine[Any, Any, Any]) -> Any:
    # With a factory of its own, the runner leaves alone which loop the thread of the test has set.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(coroutine)


@contextmanager
def _registered(storage: StorageProvider) -> Iterator[ServerRecord]:
    """A server, as far as the storage can see."""
    server = ServerRecord(id=new_token(), name="drain", workers=1)
    storage.announce(server)
    try:
        yield server
    finally:
        storage.sign_off(server.id)


@contextmanager
def _keeping_logs(recorder: Recorder, level: str) -> Iterator[None]:
    handler = JobLogHandler(recorder, level)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


def _tell_of_failure(job: Job | None) -> None:
    """A test that expects something of a job which failed should not leave its reader in the dark."""
    if job is None or job.state not in (JobState.FAILED, JobState.SCHEDULED, JobState.ENQUEUED):
        return
    failure = job.last_exception
    if failure is not None and failure.exception is not None:
        _log.warning("job %s (%s) failed, %s\n%s", job.id, job.name, failure.reason, failure.exception.traceback.rstrip())
