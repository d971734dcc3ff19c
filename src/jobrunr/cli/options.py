"""Options that several verbs share, and the kinds of values that only our options have."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import click

from jobrunr.cli.completing import complete_job_id
from jobrunr.durations import parse_duration
from jobrunr.ids import JobId

F = TypeVar("F", bound=Callable[..., Any])


def read_duration(text: str) -> timedelta:
    """A duration such as ``10m``."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def read_moment(text: str) -> datetime:
    """A moment with its time zone, in ISO 8601."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no moment; write 2026-11-24T03:00+01:00, or 2026-11-24T02:00Z.") from None
    if moment.tzinfo is None:
        raise click.BadParameter(f"{text!r} has no time zone; write {text}Z for UTC, or {text}+01:00.")
    return moment


def read_job_id(text: str) -> JobId:
    """The id of a job."""
    try:
        return JobId.of(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no id of a job; one looks like 01890a5d-ac96-774b-bcce-b302099a8057."
        ) from None


app_option = click.option(
    "--app", metavar="MODULE:NAME", help="The application: a JobRunr, or what makes one. [setting: app]"
)
url_option = click.option("--url", metavar="URL", help="Where the jobs are, when no code is needed. [setting: url]")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
job_id_argument = click.argument("job_id", metavar="ID", type=read_job_id, shell_complete=complete_job_id)


def storage_options(function: F) -> F:
    """``--app`` and ``--url``, for verbs that need no code of the application."""
    return app_option(url_option(function))
