"""One run of one job on this server, from the claim to the outcome."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from enum import Enum, auto
from typing import Any

import msgspec

from jobrunr.context import JobContext
from jobrunr.jobs import Job, JobUpdate
from jobrunr.server.interrupting import InterruptibleCall
from jobrunr.states import JobState
from jobrunr.storage.contract import Claim


class RunEnd(Enum):
    """Why a run was told to end before it was done."""

    TAKEN_AWAY = auto()
    """The job was deleted, or given to another server: nothing more is recorded."""
    SERVER_STOPS = auto()
    """It is handed back unharmed."""
    TIMED_OUT = auto()
    """It took longer than it may, and has failed."""


class Run:
    """What the threads of a server share about a job that they claimed.

    Arguments:
        job: as it was claimed.
        context: what the job sees of itself.
        watch: is told when the call of a run with a time limit begins; None where nobody minds limits.
    """

    def __init__(self, job: Job, context: JobContext, watch: Callable[[Run], None] | None = None) -> None:
        self.job = job
        self.context = context
        self._watch = watch
        self.claimed_at = time.monotonic()
        self.begun_at = 0.0
        self.end: RunEnd | None = None
        self._is_over = False
        self.is_abandoned = False
        """It cannot be stopped, and goes on although it is over."""
        self.given_back = False
        """The outcome was to hand the job back."""
        self.task: asyncio.Task[Any] | None = None
        """What to cancel, once a coroutine runs."""
        self.call: InterruptibleCall | None = None
        """What to interrupt, once a function with a time limit runs in a thread."""
        self.stop: Callable[[], None] | None = None
        """What to do in order to stop it, once it runs in a process of its own."""
        self.limit: timedelta | None = None
        self.deadline = float("inf")
        """When its time is over; of interest once its call has begun, if it has a limit."""

    @property
    def claim(self) -> Claim:
        """The right to write about it."""
        return claim_of(self.job)

    @property
    def is_over(self) -> bool:
        """Whether an outcome was decided (or given up on): later ones are ignored."""
        return self._is_over or self.context.has_ended

    @is_over.setter
    def is_over(self, is_over: bool) -> None:
        self._is_over = is_over

    @property
    def begun(self) -> bool:
        """Whether it got a slot."""
        return self.begun_at > 0

    def cancel(self, end: RunEnd) -> None:
        """Tell the run to end: a coroutine is cancelled where it awaits, a function can ask its context, and what runs in a
        process of its own is stopped."""
        self.end = self.end or end
        self.context.cancel()
        if self.task is not None:
            self.task.get_loop().call_soon_threadsafe(self.task.cancel)
        stop = self.stop
        if stop is not None:
            stop()

    def begin_call(self, limit: timedelta | None) -> None:
        """From now on the time counts."""
        if limit is not None and self._watch is not None:
            self.limit = limit
            self._watch(self)

    def limited(self, call: Callable[..., Any], limit: timedelta | None) -> Callable[..., Any]:
        """A function to be called now in place of this one, which can be interrupted when its time is over."""
        if limit is not None and self._watch is not None:
            call = self.call = InterruptibleCall(call)
            self.begin_call(limit)
        return call

    def interrupt(self) -> bool:
        """Raise an exception in a function that runs in a thread. Whether there is nothing more to do; if not, try again."""
        return self.call is None or self.call.interrupt()


def claim_of(job: Job) -> Claim:
    """The right to write about a run of this job."""
    assert job.claim_token is not None
    return Claim(job.id, job.claim_token)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a run, to be written, and to be told to the filters afterwards."""

    job: Job
    update: JobUpdate
    changes: tuple[tuple[JobState, JobState], ...]
    final_failure: BaseException | None = None


def outcome(job: Job, update: JobUpdate, final_failure: BaseException | None = None, retried: bool = False) -> Outcome:
    """An outcome; a failure with a retry is two changes of state."""
    changes: tuple[tuple[JobState, JobState], ...] = ((job.state, update.state),)
    if retried:
        changes = (job.state, JobState.FAILED), (JobState.FAILED, update.state)
    return Outcome(job=job, update=update, changes=changes, final_failure=final_failure)
