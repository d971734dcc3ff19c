"""Options that several verbs share, and the kinds of values that only our options have."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import click

from jobrunr.cli.completing import complete_job_id
from jobrunr.durations import DURATIONS, parse_duration
from jobrunr.ids import JobId
from jobrunr.states import JobState

F = TypeVar("F", bound=Callable[..., Any])


class DurationType(click.ParamType):
    """A duration such as ``10m``."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        try:
            return parse_duration(value)
        except ValueError:
            self.fail(f"{value!r} is no duration; write {DURATIONS}.", param, ctx)


class MomentType(click.ParamType):
    """A moment with its time zone, in ISO 8601."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no moment; write 2026-11-24T03:00+01:00, or 2026-11-24T02:00Z.", param, ctx)
        if moment.tzinfo is None:
            self.fail(f"{value!r} has no time zone; write {value}Z for UTC, or {value}+01:00.", param, ctx)
        return moment


class JobIdType(click.ParamType):
    """The id of a job."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> JobId:
        try:
            return JobId.of(value)
        except ValueError:
            self.fail(f"{value!r} is no id of a job; one looks like 01890a5d-ac96-774b-bcce-b302099a8057.", param, ctx)


class StateType(click.Choice[str]):
    """A state of a job, in any case of letters."""

    name = "state"

    def __init__(self) -> None:
        super().__init__([state.value for state in JobState], case_sensitive=False)


DURATION, MOMENT, JOB_ID, STATE = DurationType(), MomentType(), JobIdType(), StateType()

app_option = click.option(
    "--app", metavar="MODULE:NAME", help="The application: a JobRunr, or what makes one. [setting: app]"
)
url_option = click.option("--url", metavar="URL", help="Where the jobs are, when no code is needed. [setting: url]")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
job_id_argument = click.argument("job_id", metavar="ID", type=JOB_ID, shell_complete=complete_job_id)


def storage_options(function: F) -> F:
    """``--app`` and ``--url``, for verbs that need no code of the application."""
    return app_option(url_option(function))
