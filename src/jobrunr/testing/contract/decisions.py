"""The changes of state that the law is tried with, each as a function of a job and the time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from jobrunr import transitions
from jobrunr.history import ExceptionRecord
from jobrunr.jobs import Job, JobUpdate
from jobrunr.testing.factories import an_exception
from jobrunr.transitions import Author

Decision = Callable[[Job, datetime], JobUpdate]

AT_ONCE = timedelta(0)


def succeed(job: Job, now: datetime) -> JobUpdate:
    return transitions.succeed(job, now, '"250 OK"')


def fail(job: Job, now: datetime) -> JobUpdate:
    return transitions.fail(job, now, "it failed", an_exception())


def retry(job: Job, now: datetime) -> JobUpdate:
    return _again(job, now, "it failed", after=timedelta(seconds=3), exception=an_exception())


def retry_at_once(job: Job, now: datetime) -> JobUpdate:
    return _again(job, now, "it failed", after=AT_ONCE)


def leave(job: Job, now: datetime) -> JobUpdate:
    return transitions.leave(job, now, "it is unknown here", delay=timedelta(seconds=4))


def hand_back(job: Job, now: datetime) -> JobUpdate:
    return transitions.hand_back(job, now, "the server stops", begun=False)


def rescue(job: Job, now: datetime) -> JobUpdate:
    return transitions.run_again_after_crash(
        job, now, "its server is gone", an_exception(), delay=AT_ONCE, again_reason="crash 1 of 3"
    )


def bury(job: Job, now: datetime) -> JobUpdate:
    return transitions.give_up_after_crash(job, now, "quarantined", an_exception())


def hand_back_unbegun(job: Job, now: datetime) -> JobUpdate:
    return transitions.hand_back(job, now, "its server is gone", begun=False, by=Author.RESCUER)


def withdraw(job: Job, now: datetime) -> JobUpdate:
    return _made(transitions.delete(job, now, "withdrawn"))


def requeue(job: Job, now: datetime) -> JobUpdate:
    return _made(transitions.requeue(job, now, "again"))


def _again(
    job: Job,
    now: datetime,
    reason: str,
    *,
    after: timedelta,
    exception: ExceptionRecord | None = None,
) -> JobUpdate:
    return transitions.fail_and_retry(job, now, reason, exception, delay=after, retry_reason="retry 1 of 10")


def _made(update: JobUpdate | None) -> JobUpdate:
    assert update is not None, "the job is in this state already"
    return update


BY_THE_OWNER: tuple[Decision, ...] = (succeed, fail, retry, retry_at_once, hand_back, leave)
by_the_owner = pytest.mark.parametrize("decide", BY_THE_OWNER)
