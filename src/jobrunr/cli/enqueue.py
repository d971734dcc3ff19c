"""``jobrunr enqueue``: make a job from words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, cast, get_args

import click

from jobrunr.cli.application import find_application, find_object
from jobrunr.cli.completing import complete_target
from jobrunr.cli.options import app_option, read_duration, read_job_id, read_moment
from jobrunr.cli.verb import Verb
from jobrunr.cli.words import read_words
from jobrunr.ids import JobId
from jobrunr.jobs import Execution

_EXAMPLES = (
    ("Now", "jobrunr enqueue shop.jobs:send_welcome ada@example.org"),
    ("In ten minutes, with an argument by name", "jobrunr enqueue --in 10m shop.jobs:send_welcome ada@example.org copies=2"),
    (
        "In a process of its own, for a minute at most",
        "jobrunr enqueue --execution process --timeout 1m shop.jobs:render 17",
    ),
    ("Data as JSON", """jobrunr enqueue shop.jobs:import_orders '[17, 18]' '{"dry": true}'"""),
    ("Text that looks like an option, or like name=value", "jobrunr enqueue shop.jobs:search -- -5 '\"a=b\"'"),
)


@click.command("enqueue", cls=Verb, examples=_EXAMPLES)
@app_option
@click.option("--queue", metavar="NAME", help="The queue that the job waits in.")
@click.option("--priority", type=int, help="Higher goes first; 0 is normal.")
@click.option("--label", "labels", metavar="TEXT", multiple=True, help="A label; can be repeated.")
@click.option("--name", metavar="TEXT", help="What people see; may hold fields such as {0} and {email}.")
@click.option("--id", "job_id", metavar="ID", type=read_job_id, help="The id of the job. If it exists, nothing happens.")
@click.option("--retries", type=int, help="How often the job is tried again when it fails.")
@click.option("--timeout", metavar="DURATION", type=read_duration, help="How long a run may take: 90s, 1h30m.")
@click.option(
    "--execution", type=click.Choice(get_args(Execution)), help="Where it runs: in a thread, or in a process of its own."
)
@click.option("--in", "delay", metavar="DURATION", type=read_duration, help="Run it after this time: 10m, 1h30m.")
@click.option("--at", metavar="MOMENT", type=read_moment, help="Run it at this time: 2026-11-24T03:00+01:00.")
@click.argument("target", metavar="MODULE:FUNCTION", shell_complete=complete_target)
@click.argument("words", metavar="[ARGUMENT]...", nargs=-1)
def verb(
    app: str | None,
    target: str,
    words: tuple[str, ...],
    *,
    delay: timedelta | None,
    at: datetime | None,
    labels: tuple[str, ...],
    job_id: JobId | None,
    **options: Any,
) -> None:
    """Make a job, and print its id.

    An ARGUMENT is JSON that fits the type of its parameter, or else plain text; name=value passes it by name.
    """
    if delay is not None and at is not None:
        raise click.UsageError("Give --in or --at, not both.")
    with find_application(app) as jobrunr:
        function = cast("Callable[..., Any]", find_object(target, target))  # if it is none, the next line says so
        args, kwargs = read_words(jobrunr.registry.describe(function), words)
        scheduler = jobrunr.scheduler.options(id=job_id, labels=list(labels) or None, **options)
        when = delay or at
        click.echo(
            scheduler.schedule(when, function, *args, **kwargs) if when else scheduler.enqueue(function, *args, **kwargs)
        )
