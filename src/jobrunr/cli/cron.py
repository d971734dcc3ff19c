"""``jobrunr cron``: what a cron expression means."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice

import click

from jobrunr.cli.options import json_option, read_moment
from jobrunr.cli.recurring import print_runs
from jobrunr.cli.verb import Verb
from jobrunr.cron import CronExpression

_EXAMPLES = (
    ("In words, and its next runs", "jobrunr cron '0 3 * * 1-5' --zone Europe/Brussels"),
    ("Around a change of the clock", "jobrunr cron '30 2 * * *' --zone Europe/Brussels --after 2027-03-27T00:00Z"),
)


@click.command("cron", cls=Verb, examples=_EXAMPLES, short_help="Say what a cron expression means.")
@click.option("--zone", metavar="ZONE", default="UTC", show_default=True, help="In whose time it is meant.")
@click.option("--count", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many runs to print.")
@click.option("--after", metavar="MOMENT", type=read_moment, help="From which moment on; now, if not given.")
@json_option
@click.argument("expression")
def verb(expression: str, zone: str, count: int, after: datetime | None, as_json: bool) -> None:
    """Say in words what a cron expression means, and when it runs next."""
    cron = CronExpression(expression, zone)
    runs = list(islice(cron.upcoming(after or datetime.now(UTC)), count))
    if not as_json:
        click.echo(f"{cron.describe()} ({cron.zone})\n")
    print_runs(runs, as_json=as_json)
