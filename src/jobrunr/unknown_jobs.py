"""What becomes of a job that the code of a server does not know: pure functions.

While servers with old and new code run side by side, old ones take jobs that only the new code can run. They leave them for
the others. A job that no server knew for a while is unknown to all: then it fails.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import msgspec

from jobrunr.durations import format_duration
from jobrunr.jobs import Job
from jobrunr.retries import GiveUp
from jobrunr.states import JobState

_SHORTEST, _LONGEST = timedelta(seconds=1), timedelta(minutes=1)


class Leave(msgspec.Struct, frozen=True):
    """Let it wait for a server that knows it."""

    delay: timedelta
    until: datetime
    """When the patience with it is over."""


def decide_about_unknown(job: Job, now: datetime, grace: timedelta) -> Leave | GiveUp:
    """What follows when the server that has this job does not know it. The waits grow with the time that it was left for:
    1, 1, 2, 4 seconds and so on, up to a minute.

    Arguments:
        grace: how long to leave it for others.
    """
    since = left_since(job) or job.state_at
    waited = now - since
    if waited >= grace:
        return GiveUp(f"no server that took it in {format_duration(grace)} knew it")
    return Leave(min(max(waited, _SHORTEST), _LONGEST, grace - waited), since + grace)


def left_since(job: Job) -> datetime | None:
    """Since when servers that took a PROCESSING job have left it for others; None if the one that has it is the first.

    As long as none runs it, each attempt has the same number. Whoever requeues or reschedules it begins anew.
    """
    since = None
    for earlier, later in reversed(list(pairwise(job.history))):
        match earlier.state, later.state:
            case JobState.PROCESSING, JobState.SCHEDULED if earlier.attempt == job.attempts:
                since = earlier.at
            case JobState.SCHEDULED, JobState.ENQUEUED if later.reason is None:
                pass  # it was due
            case (JobState.ENQUEUED, JobState.PROCESSING) | (JobState.PROCESSING, JobState.ENQUEUED):
                pass  # taken, and perhaps handed back
            case _:
                break
    return since
