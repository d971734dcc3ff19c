"""What the shell offers behind TAB that must be looked up: ids of jobs, and what can be enqueued.

A press of TAB must never show an error, create anything, or take long.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import sys
from collections.abc import Iterator

import click
from click.shell_completion import CompletionItem

from jobrunr.cli.application import existing_storage, find_storage
from jobrunr.cli.output import printable
from jobrunr.jobs import Job
from jobrunr.module_places import is_within
from jobrunr.options import options_of
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
    """Targets of the newest jobs, and the functions with @job in what the application imports."""
    targets = {job.target for job in _newest_jobs(context)} | set(_decorated())
    return [CompletionItem(target) for target in sorted(targets) if target.startswith(incomplete)]


def _decorated() -> Iterator[str]:
    for name, module in list(sys.modules.items()):
        if not is_within(name, "jobrunr"):
            yield from (
                f"{name}:{each.__qualname__}"
                for each in list(vars(module).values())
                if inspect.isfunction(each) and each.__module__ == name and options_of(each) is not None
            )


def _newest_jobs(context: click.Context) -> list[Job]:
    with (
        contextlib.suppress(Exception),
        contextlib.redirect_stdout(io.StringIO()),  # what the application prints while it is imported is no offer
        find_storage(context.params.get("app"), context.params.get("url")) as jobrunr,
    ):
        return list(existing_storage(jobrunr).find(JobQuery(limit=_MOST)))
    return []
