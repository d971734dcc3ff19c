"""The command ``jobrunr`` itself: which verbs there are, and what holds for all of them."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from io import TextIOWrapper

import click

from jobrunr.cli.verb import ExitCode, Verb, VerbGroup
from jobrunr.version import VERSION

VERBS = (
    "worker",
    "enqueue",
    "job",
    "recurring",
    "cron",
    "status",
    "dashboard",
    "dashboard-user",
    "check",
    "migrate",
    "bench",
    "demo",
    "completion",
)
"""In the order in which help lists them. Each is the ``verb`` of the module of this name, with _ for -."""

COMPLETE_VARIABLE = "_JOBRUNR_COMPLETE"
"""The environment variable by which a shell asks for completions; see `jobrunr.cli.completion`."""


class LazyVerbs(VerbGroup):
    """Imports a verb when somebody asks for it: nobody who looks at a job waits for what a worker needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        verb = import_module(f"jobrunr.cli.{cmd_name.replace('-', '_')}").verb
        assert isinstance(verb, Verb | VerbGroup)
        return verb

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code.value), code.meaning) for code in ExitCode])
        with formatter.section("Settings"):
            formatter.write_text(
                "Whatever is not said here is read from JOBRUNR_… variables, then from jobrunr.toml or [tool.jobrunr] in "
                "pyproject.toml."
            )


@click.group("jobrunr", cls=LazyVerbs)
@click.version_option(VERSION, prog_name="jobrunr", message="%(prog)s %(version)s")
@click.pass_context
def root(context: click.Context) -> None:
    """Background jobs in the database that you already have: run them, look at them, steer them."""
    if os.environ.get("NO_COLOR"):  # https://no-color.org
        context.color = False
    if isinstance(sys.stdout, TextIOWrapper):  # a terminal that lacks a character shall not stop anybody
        sys.stdout.reconfigure(errors="backslashreplace")


def main() -> None:
    """The entry point of the script ``jobrunr``."""
    root(prog_name="jobrunr", complete_var=COMPLETE_VARIABLE)
