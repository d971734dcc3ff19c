"""What becomes of a job whose server was lost while it had it: pure functions.

A job can be the reason why its process died: it called ``os._exit``, it took all the memory, it crashed the interpreter.
Most jobs of a lost server have nothing to do with it. So a crash uses up no retry; but crashes are counted, and who was
there too often is not run again. From its first crash on a job is a suspect, and the storage is told when a run of it
begins: the next crash then counts for those that really ran, and the others are handed back.
"""

from __future__ import annotations

from datetime import timedelta

import msgspec

from jobrunr.jobs import Job
from jobrunr.retries import GiveUp, Retry


class HandBack(msgspec.Struct, frozen=True):
    """It had not begun: it goes back into the line, and nothing is counted."""

    why: str


CrashDecision = HandBack | Retry | GiveUp


def is_to_be_marked(job: Job) -> bool:
    """Whether the storage is to know when a run of this job begins. For most jobs that would be a statement too many;
    suspects need it, and jobs that may be tried only once."""
    return job.is_suspect or job.retries == 0


def has_last_chance(job: Job, max_crashes: int) -> bool:
    """Whether one more crash is one too many for this job: then nobody else should be suspected of it."""
    return job.is_suspect and job.crashes + 1 >= max_crashes


def decide_after_crash(job: Job, max_crashes: int) -> CrashDecision:
    """What follows when the server of this job is lost.

    Arguments:
        job: as it was while that server had it; `job.crashes` does not count this crash yet.
        max_crashes: after so many it is not run again.
    """
    if is_to_be_marked(job) and not job.is_begun:
        return HandBack(f"{job.server_name} was lost before it began this job")
    if job.retries == 0:
        return GiveUp("its process died while it ran, and it is not to be retried")
    if job.crashes + 1 >= max_crashes:
        return GiveUp(f"quarantined: its process died {job.crashes + 1} times while it ran")
    return Retry(timedelta(0))
