"""``jobrunr job``: look at jobs, and steer them."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Callable
from typing import Any

import click

from jobrunr.cli.application import existing_storage, find_storage
from jobrunr.cli.job_as_json import job_as_json
from jobrunr.cli.job_as_text import job_as_text
from jobrunr.cli.options import job_id_argument, json_option, storage_options
from jobrunr.cli.output import age, print_json, state_name, table
from jobrunr.cli.verb import VerbGroup
from jobrunr.errors import JobNotFoundError
from jobrunr.ids import JobId
from jobrunr.scheduler.job_scheduler import JobScheduler
from jobrunr.states import JobState


@click.group("job", cls=VerbGroup)
def verb() -> None:
    """List jobs, look at one, delete it or run it again."""


@verb.command(
    "list",
    examples=(
        ("What failed lately", "jobrunr job list --state failed"),
        ("Of one function, for a script", "jobrunr job list --target shop.jobs:send_welcome --json"),
    ),
)
@storage_options
@click.option(
    "--state", metavar="STATE", type=click.Choice(list(JobState), case_sensitive=False), help="Only jobs in this state."
)
@click.option("--queue", metavar="NAME", help="Only jobs of this queue.")
@click.option("--label", metavar="TEXT", help="Only jobs with this label.")
@click.option("--target", metavar="MODULE:FUNCTION", help="Only jobs that call this.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many, at most.")
@json_option
def list_jobs(app: str | None, url: str | None, as_json: bool, **query: Any) -> None:
    """List jobs, newest first."""
    with find_storage(app, url) as jobrunr:
        storage = existing_storage(jobrunr)
        page = jobrunr.scheduler.find(**query)
        if as_json:
            print_json([job_as_json(job) for job in page])
            return
        now = storage.now()
        rows = [(str(job.id), job.state.value, age(job.state_at, now), job.name) for job in page]
    if not rows:
        click.echo("There is no such job.")
        return
    click.echo("\n".join(table(("ID", "STATE", "FOR", "NAME"), rows)))
    if page.next is not None:
        click.echo(f"There are more; --limit shows more than {query['limit']}.", err=True)


@verb.command(
    "show",
    short_help="Show everything about a job.",
    examples=(("Everything about a job", "jobrunr job show 01890a5d-ac96-774b-bcce-b302099a8057"),),
)
@storage_options
@json_option
@job_id_argument
def show_job(app: str | None, url: str | None, job_id: JobId, as_json: bool) -> None:
    """Show a job: what it calls, its state and history, exceptions, log, progress, metadata and result."""
    with find_storage(app, url) as jobrunr:
        storage = existing_storage(jobrunr)
        job = storage.get(job_id)
        if job is None:
            raise JobNotFoundError(job_id)
        if as_json:
            print_json(job_as_json(job, storage.logs(job_id), storage.data(job_id)))
        else:
            click.echo("\n".join(job_as_text(job, storage.logs(job_id), storage.data(job_id), storage.now())))


_reason = click.option("--reason", metavar="TEXT", help="Why; is kept in the history of the job.")


@verb.command(
    "delete",
    short_help="Withdraw a job, also while it runs.",
    examples=(
        ("Withdraw a job, also while it runs", "jobrunr job delete 01890a5d-ac96-774b-bcce-b302099a8057 --reason 'twice'"),
    ),
)
@storage_options
@_reason
@job_id_argument
def delete_job(app: str | None, url: str | None, job_id: JobId, reason: str | None) -> None:
    """Withdraw a job. One that runs is cancelled; a deleted one can be requeued for a while."""
    why = reason or "deleted on the command line"
    _steer(app, url, job_id, lambda scheduler: scheduler.delete(job_id, why, by=user_and_host()))


@verb.command(
    "requeue",
    short_help="Run a job now, or again.",
    examples=(("Run a failed job again", "jobrunr job requeue 01890a5d-ac96-774b-bcce-b302099a8057"),),
)
@storage_options
@_reason
@job_id_argument
def requeue_job(app: str | None, url: str | None, job_id: JobId, reason: str | None) -> None:
    """Run a job now, whether it waits, has failed, has succeeded or was deleted. Its retries are counted anew."""
    why = reason or "requeued on the command line"
    _steer(app, url, job_id, lambda scheduler: scheduler.requeue(job_id, why, by=user_and_host()))


def _steer(app: str | None, url: str | None, job_id: JobId, change: Callable[[JobScheduler], None]) -> None:
    with find_storage(app, url) as jobrunr:
        existing_storage(jobrunr)
        change(jobrunr.scheduler)
        click.echo(f"Job {job_id} is {state_name(jobrunr.scheduler.get(job_id).state)}.")


def by_whom() -> str:
    """From where and by whom, for a reason."""
    return f"on the command line by {user_and_host()}"


def user_and_host() -> str:
    """Who steers, for the history."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container may have a user without a name
        user = "somebody"
    return f"{user} on {socket.gethostname()}"
