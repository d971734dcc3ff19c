"""The demo as an application: its `JobRunr`."""

from __future__ import annotations

from jobrunr import JobRunr

WORKERS = 2
"""For each process. Parsing holds the interpreter's lock, so more of them would only take memory."""


def make_application(url: str) -> JobRunr:
    """The demo's `JobRunr` on a database. Settings of the surroundings that would disturb it are overruled."""
    jobrunr = JobRunr(
        url,
        application="jobrunr.demo",
        activator=lambda cls: cls(jobrunr.scheduler),
        workers=WORKERS,
        migrate=True,
        queues=(),
    )
    return jobrunr
