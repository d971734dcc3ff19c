"""``jobrunr worker``: run jobs until somebody says stop."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from functools import partial
from typing import Any

import click

from jobrunr.cli.application import find_application
from jobrunr.cli.dashboard_options import HOST, PORT, dashboard_server
from jobrunr.cli.options import app_option, read_duration
from jobrunr.cli.signals import Signals
from jobrunr.cli.supervise import server_commands, supervise
from jobrunr.cli.verb import ExitCode, Verb
from jobrunr.cli.worker_log import LEVELS, set_up_logging
from jobrunr.jobrunr import JobRunr
from jobrunr.server.background_job_server import BackgroundJobServer
from jobrunr.server.garbage import spare_the_collector
from jobrunr.server.supervisor.link import Link
from jobrunr.settings import change_settings

_log = logging.getLogger("jobrunr.worker")

_EXAMPLES = (
    ("Run all jobs of an application", "jobrunr worker --app shop.jobs:jobrunr"),
    ("Two queues, four jobs at a time", "jobrunr worker --queue mail --queue reports --workers 4"),
    ("Four processes, for jobs that compute", "jobrunr worker --processes 4 --workers 2"),
    ("With the dashboard", "jobrunr worker --dashboard --dashboard-port 8080"),
    ("Give jobs a minute to end when it stops", "jobrunr worker --grace 1m"),
)


@click.command("worker", cls=Verb, examples=_EXAMPLES, short_help="Run jobs until a signal says stop.")
@app_option
@click.option(
    "--workers", metavar="NUMBER", type=click.IntRange(1, 10_000), help="How many jobs at a time. [setting: workers]"
)
@click.option(
    "--processes",
    metavar="NUMBER",
    type=click.IntRange(1, 1000),
    help="Run so many servers as child processes, and look after them.",
)
@click.option("--supervised", metavar="NUMBER", type=int, hidden=True)  # the end of a connection to the supervisor
@click.option(
    "--queue", "queues", metavar="NAME", multiple=True, help="Only jobs of this queue; can be repeated. [setting: queues]"
)
@click.option("--name", "server_name", metavar="TEXT", help="What people call it. [setting: server_name]")
@click.option(
    "--tag",
    "server_tags",
    metavar="TEXT",
    multiple=True,
    help="What people want to know it by; can be repeated. [setting: server_tags]",
)
@click.option(
    "--grace",
    metavar="DURATION",
    type=read_duration,
    help="How long to wait for running jobs when it stops. [setting: shutdown_grace]",
)
@click.option("--dashboard", is_flag=True, help="Serve the dashboard, too.")
@click.option("--dashboard-host", metavar="ADDRESS", default=HOST, show_default=True, help="Where it listens.")
@click.option(
    "--dashboard-port",
    metavar="NUMBER",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    help="And the port.",
)
@click.option(
    "--log-level",
    metavar="LEVEL",
    type=click.Choice(LEVELS, case_sensitive=False),
    default="INFO",
    show_default=True,
    help="What to log: debug, info, warning, error.",
)
@click.pass_context
def verb(
    context: click.Context,
    /,
    *,
    app: str | None,
    processes: int | None,
    supervised: int | None,
    grace: timedelta | None,
    dashboard: bool,
    dashboard_host: str,
    dashboard_port: int,
    log_level: str,
    **settings: Any,
) -> None:
    """Run jobs until SIGTERM or SIGINT (Ctrl-C).

    The first signal stops it gently: it takes no more jobs and gives those that run their grace. The second does not wait
    for them any longer, they are given back and run again elsewhere; the third ends the process. Logs go to standard error,
    unless the application sets up its logging itself.

    With --processes it is a small process that runs no jobs itself. It starts servers, with the options that it was given,
    and replaces those that die; the first of them serves the dashboard.
    """
    given = {name: value for name, value in settings.items() if value}
    if grace is not None:
        given["shutdown_grace"] = grace
    with find_application(app) as jobrunr:
        set_up_logging(log_level)
        if processes is not None and supervised is None:
            own = change_settings(jobrunr.settings, given)
            context.exit(supervise(jobrunr, own, server_commands(context, own, processes)))
        server = jobrunr.server(**given)
        serving = _serving(jobrunr, server, settings["queues"])
        with _dashboard(jobrunr, dashboard_host, dashboard_port) if dashboard else nullcontext():
            given_back = run_until_signal(server, serving, supervised)
    context.exit(ExitCode.GIVEN_BACK if given_back else ExitCode.DONE)


def run_until_signal(server: BackgroundJobServer, serving: str, supervised: int | None = None) -> int:
    """Run a server until a signal comes, or its supervisor is gone.

    Arguments:
        serving: is logged first.
        supervised: the file descriptor of the connection to the supervisor, if there is one.

    Returns:
        how many jobs were still running in the end and were given back.
    """
    signals = Signals() if supervised is not None else Signals(server.hurry)
    signals.listen()
    _log.info(serving)
    if supervised is not None:
        server.report_to(Link.inherited(supervised), lost=partial(signals.begin, "the end of its supervisor"))
    spare_the_collector()
    server.start()
    name = signals.wait_for_first()
    _log.info("stopping, on %s; %s running", name, _count(server.busy))
    given_back = server.stop()
    _log.info("stopped; %s given back", _count(given_back))
    return given_back


@contextmanager
def _dashboard(jobrunr: JobRunr, host: str, port: int) -> Iterator[None]:
    """A dashboard beside the worker. It is there until the last job has ended."""
    served = dashboard_server(jobrunr, host, port).start()
    _log.info("the dashboard is at %s", served.address)
    try:
        yield
    finally:
        served.stop()


def _serving(jobrunr: JobRunr, server: BackgroundJobServer, queues: tuple[str, ...]) -> str:
    names = queues or jobrunr.settings.queues
    what = f"the queue{'s' if len(names) > 1 else ''} {', '.join(names)}" if names else "all queues"
    return f"{server.name} runs jobs of {what} from {jobrunr.provider.where}"


def _count(jobs: int) -> str:
    return {0: "no job is", 1: "1 job is"}.get(jobs, f"{jobs} jobs are")
