"""Stored jobs that the code of this process cannot run."""

from __future__ import annotations

from jobrunr.errors import CannotRunError, UnreadableJobError
from jobrunr.jobs import Job, JobDetails
from jobrunr.registry import JobRegistry


def why_not(job: Job, registry: JobRegistry) -> str | None:
    """Why this code cannot run a job; None when it can. Nothing is run."""
    try:
        if job.unreadable is not None:
            raise UnreadableJobError(job.id, job.unreadable)
        _ = job.extras
        check_call(job.details, registry)
    except UnreadableJobError:
        return "Its row cannot be read. Was it changed by hand?"
    except CannotRunError as error:
        return str(error)
    return None


def check_call(details: JobDetails, registry: JobRegistry) -> None:
    """Hold a stored call against the code.

    Raises:
        CannotRunError: its function is not there or not offered, or the arguments do not fit.
    """
    registry.resolve(details.target).codec.decode(details.arguments)
