"""An application with a recurring job in its code, for the worker processes."""

from __future__ import annotations

import time

from jobrunr import JobRunr, current_job, recurring
from tests.processes.jobs import write_down


@recurring("* * * * * *", id="tick", max_concurrent=10)
def tick() -> None:
    run_at = current_job().run_at
    assert run_at is not None
    write_down(f"{run_at.timestamp():.0f} {time.time() - run_at.timestamp():.6f}")


def application() -> JobRunr:
    """For ``jobrunr worker --app``; its settings are in the environment."""
    return JobRunr()
