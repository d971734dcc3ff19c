"""``jobrunr dashboard``: see and steer jobs in a browser."""

from __future__ import annotations

import click

from jobrunr.cli.application import find_storage
from jobrunr.cli.dashboard_options import HOST, PORT, dashboard_server
from jobrunr.cli.options import storage_options
from jobrunr.cli.signals import listen_for_one
from jobrunr.cli.verb import Verb
from jobrunr.cli.worker_log import LEVELS, set_up_logging

_EXAMPLES = (
    ("On this machine", "jobrunr dashboard --app shop.jobs:jobrunr"),
    (
        "Behind a proxy, at https://shop.org/jobs",
        "jobrunr dashboard --root-path /jobs --allow-host shop.org --proxy 127.0.0.1",
    ),
    ("For others; they sign in", "jobrunr dashboard --host 0.0.0.0 --allow-host jobs.shop.org"),
)


@click.command("dashboard", cls=Verb, examples=_EXAMPLES, short_help="See and steer jobs in a browser.")
@storage_options
@click.option("--host", metavar="ADDRESS", default=HOST, show_default=True, help="Where to listen.")
@click.option(
    "--port", metavar="NUMBER", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="And the port."
)
@click.option(
    "--allow-host",
    "hosts",
    metavar="NAME",
    multiple=True,
    help="A name under which browsers reach it; can be repeated. [setting: dashboard_hosts]",
)
@click.option("--root-path", metavar="PATH", default="", help="What a proxy in front of it takes off the path.")
@click.option(
    "--proxy",
    "proxies",
    metavar="ADDRESS",
    multiple=True,
    help="A proxy whose X-Forwarded-For and -Proto are believed; can be repeated.",
)
@click.option("--insecure", is_flag=True, help="Whoever reaches it may do everything.")
@click.option(
    "--log-level",
    metavar="LEVEL",
    type=click.Choice(LEVELS, case_sensitive=False),
    default="WARNING",
    show_default=True,
    help="What to log: debug, info, warning, error.",
)
def verb(
    *,
    app: str | None,
    url: str | None,
    host: str,
    port: int,
    hosts: tuple[str, ...],
    root_path: str,
    proxies: tuple[str, ...],
    insecure: bool,
    log_level: str,
) -> None:
    """Serve the dashboard until SIGTERM or SIGINT (Ctrl-C).

    Without users only this machine reaches it. `jobrunr dashboard-user` makes users.
    """
    with find_storage(app, url) as jobrunr:
        set_up_logging(log_level)
        signals = listen_for_one()
        server = dashboard_server(
            jobrunr,
            host,
            port,
            hosts=hosts,
            insecure=insecure,
            root_path=root_path,
            proxies=",".join(proxies) or None,
        ).start()
        click.echo(f"The dashboard of {jobrunr.provider.where} is at {server.address}, until Ctrl-C.")
        signals.get()
        server.stop()
