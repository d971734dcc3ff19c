"""``jobrunr dashboard-user``: make a user of the dashboard."""

from __future__ import annotations

import re
import sys

import click

from jobrunr.cli.verb import Verb
from jobrunr.errors import MissingExtraError

_EXAMPLES = (
    ("Somebody who may change things", "jobrunr dashboard-user ada --role operator"),
    ("Somebody who only looks", "jobrunr dashboard-user prometheus"),
)
_LEAST = 8


@click.command("dashboard-user", cls=Verb, examples=_EXAMPLES, short_help="Make a user of the dashboard.")
@click.argument("name")
@click.option(
    "--role",
    metavar="ROLE",
    type=click.Choice(("reader", "operator")),
    default="reader",
    show_default=True,
    help="What they may do: look (reader), or change things, too (operator).",
)
def verb(name: str, role: str) -> None:
    """Ask for a password, and print the line for the setting dashboard_users. It is kept nowhere else.

    The line holds a hash of the password, and not the password.
    """
    try:
        from jobrunr.dashboard.guard.passwords import hash_password  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise MissingExtraError("The dashboard", error.name or "a package", "dashboard") from error
    if not re.fullmatch(r"[^:,\s]{1,100}", name):
        raise click.BadParameter("A name has 1 to 100 characters, and no space, colon or comma.", param_hint="NAME")
    password = _password()
    if len(password) < _LEAST:
        raise click.UsageError(f"A password has at least {_LEAST} characters.")
    click.echo(f"{name}:{role}:{hash_password(password)}")


def _password() -> str:
    """Typed twice on a terminal; otherwise the first line."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt="Once more", err=True))
