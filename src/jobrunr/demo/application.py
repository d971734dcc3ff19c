"""The demo as an application: its `JobRunr`."""

from __future__ import annotations

from datetime import timedelta

from jobrunr import JobRunr

WORKERS = 2
"""For each process. Parsing holds the interpreter's lock, so more of them would only take memory."""


def make_application(url: str) -> JobRunr:
    """The demo's `JobRunr` on a database. Settings of the surroundings that would disturb it are overruled.

    Jobs run when it stops only if somebody interrupts it, and does not want to wait."""
    jobrunr = JobRunr(
        url,
        application="jobrunr.demo",
        activator=lambda cls: cls(jobrunr.scheduler),
        workers=WORKERS,
        migrate=True,
        shutdown_grace=timedelta(seconds=1),
        queues=(),
    )
    return jobrunr
