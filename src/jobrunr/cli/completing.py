"""What the shell offers behind TAB that must be looked up: ids of jobs, and targets that have been enqueued before.

A press of TAB must never show an error, create anything, or take long.
"""

from __future__ import annotations

import contextlib
import io

import click
from click.shell_completion import CompletionItem

from jobrunr.cli.application import existing_storage, find_storage
from jobrunr.cli.output import printable
from jobrunr.jobs import Job
from jobrunr.storage.contract import JobQuery

_MOST = 100
"""How many of the newest jobs are looked at."""


def complete_job_id(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids of the newest jobs, each with its state and name."""
    return [
        CompletionItem(str(job.id), help=f"{job.state} {printable(job.name)}")
        for job in _newest_jobs(context)
        if str(job.id).startswith(incomplete)
    ]


def complete_target(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Targets of the newest jobs."""
    targets = dict.fromkeys(job.target for job in _newest_jobs(context))
    return [CompletionItem(target) for target in sorted(targets) if target.startswith(incomplete)]


def _newest_jobs(context: click.Context) -> list[Job]:
    with (
        contextlib.suppress(Exception),
        contextlib.redirect_stdout(io.StringIO()),  # what the application prints while it is imported is no offer
        find_storage(context.params.get("app"), context.params.get("url")) as jobrunr,
    ):
        return list(existing_storage(jobrunr).find(JobQuery(limit=_MOST)))
    return []
