"""``jobrunr recurring``: look at recurring jobs, and steer them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click
import msgspec

from jobrunr.cli.application import existing_storage, find_storage
from jobrunr.cli.job import by_whom
from jobrunr.cli.options import json_option, storage_options
from jobrunr.cli.output import age, moment, print_json, printable, table
from jobrunr.cli.verb import VerbGroup
from jobrunr.recurring_job import RecurringJob, RecurringRun
from jobrunr.scheduler.recurring_jobs import RecurringJobs
from jobrunr.serialization import describe_call

SHOWN_RUNS = 10

_id_argument = click.argument("recurring_job_id", metavar="ID")
_reason = click.option("--reason", metavar="TEXT", help="Why; is shown with it.")


@click.group("recurring", cls=VerbGroup)
def verb() -> None:
    """List recurring jobs; show, pause, trigger or delete one."""


@verb.command(
    "list",
    examples=(
        ("All of them", "jobrunr recurring list"),
        ("Those that are halted, for a script", "jobrunr recurring list --json | jq '.[] | select(.problem)'"),
    ),
)
@storage_options
@json_option
def list_recurring(app: str | None, url: str | None, as_json: bool) -> None:
    """List recurring jobs: when they run next, and whether they do."""
    with find_storage(app, url) as jobrunr:
        storage = existing_storage(jobrunr)
        jobs, now = jobrunr.scheduler.recurring.list(), storage.now()
    if as_json:
        print_json([_as_json(job) for job in jobs])
        return
    rows = [(job.id, job.schedule, job.zone, _condition(job), _in(job.next_run_at, now), _ago(job, now)) for job in jobs]
    click.echo("\n".join(table(("ID", "SCHEDULE", "ZONE", "IS", "NEXT", "LAST"), rows)))


@verb.command("show", examples=(("What became of its runs, and why one was skipped", "jobrunr recurring show nightly"),))
@storage_options
@json_option
@_id_argument
def show_recurring(app: str | None, url: str | None, as_json: bool, recurring_job_id: str) -> None:
    """Show a recurring job, and what became of its last runs."""
    with find_storage(app, url) as jobrunr:
        existing_storage(jobrunr)
        recurring = jobrunr.scheduler.recurring
        job, runs = recurring.get(recurring_job_id), recurring.runs(recurring_job_id, SHOWN_RUNS)
    if as_json:
        print_json(_as_json(job) | {"runs": [msgspec.to_builtins(run) for run in runs]})
    else:
        click.echo("\n".join(_as_text(job, runs)))


@verb.command("next", examples=(("The next twenty runs", "jobrunr recurring next nightly --count 20"),))
@storage_options
@click.option("--count", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many.")
@json_option
@_id_argument
def next_runs(app: str | None, url: str | None, count: int, as_json: bool, recurring_job_id: str) -> None:
    """Print when a recurring job runs next, in its time zone."""
    with find_storage(app, url) as jobrunr:
        existing_storage(jobrunr)
        runs = jobrunr.scheduler.recurring.next_runs(recurring_job_id, count)
    print_runs(runs, as_json=as_json)


def print_runs(runs: Sequence[datetime], *, as_json: bool) -> None:
    """Print moments one a line, for people or for scripts."""
    if as_json:
        print_json([run.isoformat() for run in runs])
    else:
        click.echo("\n".join(f"{run:%a %Y-%m-%d %H:%M:%S %z}" for run in runs))


@verb.command("pause", examples=(("No runs for now", "jobrunr recurring pause nightly --reason 'the disk is full'"),))
@storage_options
@_reason
@_id_argument
def pause_recurring(app: str | None, url: str | None, reason: str | None, recurring_job_id: str) -> None:
    """Let a recurring job not run, until it is resumed. A pause survives restarts."""
    _steer(app, url, recurring_job_id, lambda jobs: jobs.pause(recurring_job_id, reason or f"paused {by_whom()}"))


@verb.command("resume", examples=(("Go on with the next run", "jobrunr recurring resume nightly"),))
@storage_options
@_id_argument
def resume_recurring(app: str | None, url: str | None, recurring_job_id: str) -> None:
    """Let a paused recurring job go on with its next run."""
    _steer(app, url, recurring_job_id, lambda jobs: jobs.resume(recurring_job_id))


def _steer(app: str | None, url: str | None, recurring_job_id: str, change: Callable[[RecurringJobs], None]) -> None:
    with find_storage(app, url) as jobrunr:
        existing_storage(jobrunr)
        recurring = jobrunr.scheduler.recurring
        change(recurring)
        job = recurring.get(recurring_job_id)
        then = "" if job.is_paused or job.next_run_at is None else f"; its next run is {_local(job.next_run_at, job)}"
        click.echo(f"Recurring job {printable(job.id)} is {_condition(job)}{then}.")


@verb.command("trigger", examples=(("Run it now, once", "jobrunr recurring trigger nightly"),))
@storage_options
@_id_argument
def trigger_recurring(app: str | None, url: str | None, recurring_job_id: str) -> None:
    """Make one of its jobs now, between the times. Prints the id of the job."""
    with find_storage(app, url) as jobrunr:
        existing_storage(jobrunr)
        click.echo(str(jobrunr.scheduler.recurring.trigger(recurring_job_id, f"triggered {by_whom()}")))


@verb.command("delete", examples=(("Remove it", "jobrunr recurring delete nightly"),))
@storage_options
@_id_argument
def delete_recurring(app: str | None, url: str | None, recurring_job_id: str) -> None:
    """Remove a recurring job, and withdraw its jobs that were not started. One that stands in the code comes back when a
    server starts."""
    with find_storage(app, url) as jobrunr:
        existing_storage(jobrunr)
        jobrunr.scheduler.recurring.delete(recurring_job_id, f"its recurring job was deleted {by_whom()}")
    click.echo(f"Recurring job {printable(recurring_job_id)} is deleted.")


# -- for people


def _condition(job: RecurringJob) -> str:
    if job.problem is not None:
        return "halted"
    return "paused" if job.is_paused else "active"


def _in(at: datetime | None, now: datetime) -> str:
    if at is None:
        return "-"
    return f"in {age(now, at)}" if at > now else "now"


def _ago(job: RecurringJob, now: datetime) -> str:
    """When its last run was, or is to be: with a window, the job is made ahead."""
    if job.last_run_at is None or job.last_run_at > now:
        return _in(job.last_run_at, now)
    return f"{age(job.last_run_at, now)} ago"


def _local(at: datetime, job: RecurringJob) -> str:
    try:
        return f"{at.astimezone(ZoneInfo(job.zone)):%Y-%m-%d %H:%M:%S %z} ({job.zone})"
    except (ValueError, OSError):
        return moment(at)


def _as_text(job: RecurringJob, runs: Sequence[RecurringRun]) -> Iterator[str]:
    yield click.style(printable(job.id), bold=True)
    yield ""
    facts = {
        "calls": describe_call(job.target, job.template.details.arguments),
        "schedule": f"{job.schedule} ({job.zone})",
        "is": _condition(job) + (f": {job.pause_reason}" if job.is_paused and job.pause_reason else ""),
        "problem": job.problem,
        "next run": None if job.next_run_at is None else _local(job.next_run_at, job),
        "last run": None if job.last_run_at is None else _local(job.last_run_at, job),
        "until": None if job.until is None else _local(job.until, job),
        "missed runs": {"skip": "are skipped", "one": "the last is made up for", "all": "all are made up for"}[job.misfire],
        "at a time": str(job.max_concurrent),
        "queue": job.template.queue,
        "labels": ", ".join(job.template.labels) or None,
        "registered": "by @recurring in the code" if job.is_declared else "by a call",
    }
    for name, fact in facts.items():
        if fact is not None:
            yield f"  {name:<12}  {printable(fact)}"
    yield ""
    yield "  Its last runs" if runs else "  No run yet."
    for run in runs:
        yield f"    {_local(run.run_at, job)}  {_became(run, job)}"


def _became(run: RecurringRun, job: RecurringJob) -> str:
    if run.skips is None:
        return f"job {run.job_id}"
    times = "" if run.skips.count == 1 else f" {run.skips.count} times, until {_local(run.skips.last, job)}"
    return f"skipped{times}: {run.skips.reason}"


# -- for scripts


def _as_json(job: RecurringJob) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(job)
    return shown
