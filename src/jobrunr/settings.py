"""Settings: what they are, what they may be, and where they are read from.

What is given in code comes first, then environment variables (``JOBRUNR_RETRIES`` for ``retries``), then the nearest
``jobrunr.toml``, or ``[tool.jobrunr]`` in ``pyproject.toml``, from the working directory upwards. Nothing is read at import.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_args, get_type_hints

import msgspec

from jobrunr.durations import format_duration
from jobrunr.errors import SettingsError, UnknownSettingError, WrongSettingError
from jobrunr.setting_kinds import Kind, number, or_none, whole
from jobrunr.setting_types import (
    App,
    ClientSecret,
    ExactTargets,
    Flag,
    ForecastUrl,
    Grace,
    HiddenKeys,
    Hosts,
    Keep,
    Level,
    LongestWait,
    Name,
    NameOrNone,
    Names,
    Period,
    ProviderUrl,
    Roles,
    Schema,
    Secret,
    Size,
    TablePrefix,
    Targets,
    TimeLimit,
    Url,
    Users,
    Waits,
)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be set besides what belongs to a single job. Made by `load_settings`, which checks the values."""

    url: Url = "sqlite:///jobrunr.db"
    """Where jobs are kept: the URL of a database, as SQLAlchemy writes it, or ``memory://``. A relative path to a SQLite
    file begins at the working directory, or beside the file in which this setting stands."""
    app: App = None
    """Where the command line finds the application's ``JobRunr``."""

    table_prefix: TablePrefix = "jobrunr_"
    """Begins the name of every table. With another prefix there are other, empty tables. An empty
    prefix is given in code or in a file, because an empty environment variable counts as not set."""
    schema: Schema = None
    """The database schema that holds the tables; none for the one that the connection has. On PostgreSQL a migration makes
    it; on MySQL and MariaDB it is another database on the server, which must be there; SQLite has none."""
    migrate: Flag = True
    """Create or upgrade the tables at start. If false, they are only checked, and somebody runs ``jobrunr migrate``."""
    storage_timeout: Period = timedelta(seconds=10)
    """The deadline of one call to the database, a second try on a new connection included; one that takes longer counts as
    an outage. A single statement may take 0.6 of it, and a connection that says nothing for 0.7 of it is given up."""

    retries: Annotated[int, whole(0, 10_000)] = 10
    """How often a failed job is tried again. With ``retry_delays``, unless set, one retry for each delay."""
    retry_base: Annotated[float, number(1, 1000)] = 3
    """The wait before a retry is ``retry_factor * retry_base ** failures`` seconds."""
    retry_factor: Annotated[float, number(0.001, 1_000_000)] = 1
    """Seconds; multiplies every wait before a retry."""
    retry_maximum: LongestWait = None
    """The longest wait before a retry; none for no limit."""
    retry_jitter: Annotated[float, number(0, 1)] = 0
    """Spreads each wait at random by up to this share of it: 0.1 is 10 % either way."""
    retry_delays: Waits = None
    """The waits before the first retry, the second and so on, in place of waits that grow; the last one is repeated."""
    max_crashes: Annotated[int, whole(2, 100)] = 3
    """A job whose process died so often while it ran is quarantined: it is FAILED, and not run again. Crashes use up no
    retries."""

    queue: Name = "default"
    """The queue of a job that names none."""
    allowed_targets: Targets = ()
    """What may be run besides the application's own code and what ``@job`` marks: ``package.module:Class.method``."""

    unknown_job_grace: Grace = timedelta(hours=1)
    """How long a job whose function or parameters a server does not know is left for others, which may have newer code. Then
    it is FAILED. 0 to let it fail at once."""

    zone: Name = "UTC"
    """The time zone of recurring jobs that name none, such as ``Europe/Brussels``."""
    misfire_grace: Grace = timedelta(minutes=1)
    """A run of a recurring job that is noticed later than this was missed: what becomes of it, ``misfire`` says."""
    misfire_limit: Annotated[int, whole(1, 10_000)] = 100
    """How many missed runs ``misfire="all"`` makes up for; of more, the oldest are left out."""
    retries_count_as_live: Flag = False
    """Whether a job of a recurring job that waits for a retry counts towards ``max_concurrent``, and so holds up the runs
    behind it."""
    forget_declared_after: Grace = timedelta(hours=1)
    """How long a recurring job of the code (``@recurring``) stays when no running server declares it any more."""

    carbon_forecast_url: ForecastUrl = None
    """Where carbon-aware jobs get a forecast from, over HTTP; none to start them at their preferred time."""
    carbon_area: NameOrNone = None
    """The area to forecast, as the service calls it."""
    carbon_provider: NameOrNone = None
    """The source of figures, if the service has several."""
    carbon_timeout: Period = timedelta(seconds=3)
    """How long the service may take to answer, from the look-up of its name to the last byte."""

    job_timeout: TimeLimit = None
    """How long a run may take, unless the job says it (``timeout``). Then it is ended, and has failed."""
    job_processes: Annotated[int | None, or_none(whole(1, 10_000))] = None
    """How many child processes a server keeps, at most, for jobs with ``execution="process"``; none for one per CPU."""
    max_stuck_threads: Annotated[int | None, or_none(whole(0, 10_000))] = None
    """How many workers whose job is over its time, and cannot be stopped, are replaced; none for as many as ``workers``."""

    max_arguments_size: Size = 2**20
    """A call whose arguments take more bytes of JSON is refused."""
    max_result_size: Size = 2**20
    """A result that takes more bytes of JSON is not kept; a note stands in its place."""
    max_traceback_size: Size = 2**15
    """A traceback that takes more bytes (in UTF-8) is cut in the middle."""
    max_log_lines: Annotated[int, whole(0, 10_000_000)] = 10_000
    """How many lines of each attempt are kept with the job."""
    max_log_line_size: Size = 2**13
    """A line that takes more bytes (in UTF-8) is cut at its end."""
    log_level: Level = "INFO"
    """What a job logs below this level is not kept with it."""

    workers: Annotated[int | None, or_none(whole(1, 10_000))] = None
    """How many jobs one server runs at a time; none for 8 per CPU."""
    queues: Names = ()
    """The queues that a server serves; empty for all."""
    server_name: NameOrNone = None
    """What people call a server; none for its host and process id."""
    server_tags: Names = ()
    """What people want to know a server by, besides its name: a zone, a kind of machine."""
    heartbeat_interval: Period = timedelta(seconds=3)
    """How often a server says that it is alive."""
    server_timeout: Period = timedelta(seconds=12)
    """A server that was silent for so long is taken for dead, and its jobs are rescued. At least 3 heartbeats."""
    hang_timeout: Period = timedelta(minutes=10)
    """A server under a supervisor (``jobrunr worker --processes``) is killed, and replaced, when it did not answer for so
    long: its process is stopped, or a job keeps Python's interpreter lock. To start, it has a minute at least."""
    poll_interval: Period = timedelta(seconds=5)
    """How often an idle server looks for work when nothing wakes it."""
    shutdown_grace: Grace = timedelta(seconds=10)
    """How long a server that stops waits for the jobs it runs, before it hands them back."""

    delete_succeeded_after: Keep = timedelta(hours=36)
    """How long a job stays SUCCEEDED before it becomes DELETED."""
    delete_failed_after: Keep = None
    """How long a job stays FAILED before it becomes DELETED."""
    purge_deleted_after: Keep = timedelta(hours=72)
    """How long a job stays DELETED before it is removed for good, with its logs."""

    dashboard_users: Users = ()
    """Who may use the dashboard with a password. ``jobrunr dashboard-user NAME`` makes one of these."""
    dashboard_hosts: Hosts = ()
    """The names under which browsers reach the dashboard, besides localhost. To any other it does not answer."""
    dashboard_secret: Secret = None
    """Signs the sessions of the dashboard. Without one, a random one is made and kept in the storage."""
    dashboard_hidden_keys: HiddenKeys = "password|passwd|secret|token|api[_-]?key|authorization"
    """The dashboard does not show the values of these keys in arguments, results and metadata: a regular expression that is
    found anywhere in the key, in capitals or not."""
    dashboard_openid_url: ProviderUrl = None
    """The provider of OpenID Connect that knows who may use the dashboard: its issuer."""
    dashboard_openid_client_id: NameOrNone = None
    """What the provider calls the dashboard."""
    dashboard_openid_client_secret: ClientSecret = None
    """By which the dashboard shows the provider who it is; without one, PKCE has to be enough."""
    dashboard_openid_scope: Name = "openid profile email"
    """What the dashboard asks the provider for."""
    dashboard_openid_claim: Name = "groups"
    """What the provider says of people that decides about their role: a name, or names with dots between, as in
    ``realm_access.roles``."""
    dashboard_openid_roles: Roles = ()
    """Which value of the claim has which role, as in ``jobs-admins=operator, staff=reader``. The values must be equal, and
    whoever has none of them is not let in."""

    dashboard_enqueue: ExactTargets = ()
    """What operators may enqueue through ``POST /api/jobs``; empty for nothing at all."""
    dashboard_metrics_open: Flag = False
    """Whether ``/metrics`` answers everybody; otherwise only those who may read."""

    def __repr__(self) -> str:
        """As always, but without passwords and secrets: settings end up in logs."""
        values = {
            name: "***" if kind.is_secret and getattr(self, name) else getattr(self, name) for name, kind in KINDS.items()
        }
        values["url"] = _without_password(self.url)
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in values.items())})"


KINDS: dict[str, Kind] = {
    name: next(part for part in get_args(hint) if isinstance(part, Kind))
    for name, hint in get_type_hints(Settings, include_extras=True).items()
}
"""What each setting may be, by its name."""
VARIABLES = {f"JOBRUNR_{name.upper()}": name for name in KINDS}
"""The names of settings by that of their environment variable."""
_NOT_OURS = re.compile(
    # Kubernetes sets these in every container for a service called jobrunr or jobrunr-something.
    r"JOBRUNR_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
    # Ours, but not settings: where the test-suite finds its databases.
    r"|JOBRUNR_TEST_\w+"
)


class _Given(NamedTuple):
    value: object
    source: str


def load_settings(code: Mapping[str, object], environ: Mapping[str, str], directory: Path) -> Settings:
    """Read the settings from everywhere, and check them.

    Arguments:
        code: what the application gives itself; goes before all else.
        environ: environment variables. One that is empty counts as not there.
        directory: where to begin to look for a file; the nearest one that has settings is read, and no other.

    Raises:
        UnknownSettingError: a name is not the name of a setting.
        WrongSettingError: a value is not allowed, or not together with another.
        SettingsError: a file cannot be read.

    >>> load_settings({"workers": 4}, {"JOBRUNR_WORKERS": "2", "JOBRUNR_POLL_INTERVAL": "500ms"}, Path("/")).workers
    4
    """
    return _make(_over(_over(_from_file(directory), _from_environment(environ)), _from_code(code)))


def change_settings(settings: Settings, code: Mapping[str, object]) -> Settings:
    """Other settings, for one server, say: these, except for what is given in code.

    Raises:
        UnknownSettingError: a name is not the name of a setting.
        WrongSettingError: a value is not allowed, or not together with another.
    """
    default = Settings()
    below = {
        name: _Given(value, "the settings that are changed")
        for name in KINDS
        if (value := getattr(settings, name)) != getattr(default, name)
    }
    return _make(_over(below, _from_code(code)))


def _over(below: dict[str, _Given], above: dict[str, _Given]) -> dict[str, _Given]:
    """One source of settings on top of another. Waits between retries are either listed or grow, so that a source which
    says something about them replaces what those below it said in the other way."""
    if "retry_delays" in above:
        below = {name: given for name, given in below.items() if name not in _GROWING_WAITS}
    elif not _GROWING_WAITS.isdisjoint(above):
        below = {name: given for name, given in below.items() if name != "retry_delays"}
    return below | above


def _make(given: dict[str, _Given]) -> Settings:
    values = {name: _read(name, *value) for name, value in given.items()}
    if values.get("retry_delays") is not None:
        values.setdefault("retries", len(values["retry_delays"]))
    settings = Settings(**values)
    _check_together(settings, given)
    return settings


def _from_code(code: Mapping[str, object]) -> dict[str, _Given]:
    return _known(code, "code")


def _from_environment(environ: Mapping[str, str]) -> dict[str, _Given]:
    given = {}
    for variable, value in environ.items():
        if not variable.startswith("JOBRUNR_") or _NOT_OURS.fullmatch(variable) or not value.strip():
            continue
        if variable not in VARIABLES:
            raise UnknownSettingError(variable, "the environment", VARIABLES)
        given[VARIABLES[variable]] = _Given(value.strip(), f"the environment variable {variable}")
    return given


def _from_file(directory: Path) -> dict[str, _Given]:
    for folder in (directory.absolute(), *directory.absolute().parents):
        for path, keys in ((folder / "jobrunr.toml", ()), (folder / "pyproject.toml", ("tool", "jobrunr"))):
            table = _read_table(path, keys)
            if table is not None:
                given = _known(table, str(path))
                if "url" in given:
                    given["url"] = _Given(_beside(folder, given["url"].value), given["url"].source)
                return given
    return {}


def _read_table(path: Path, keys: Iterable[str]) -> dict[str, object] | None:
    """A table of a TOML file; None when there is no such file or no such table in it."""
    try:
        table: dict[str, object] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read: {error}. Repair the file, or move it out of the way.") from error
    for key in keys:
        inner = table.get(key)
        if inner is None:
            return None
        if not isinstance(inner, dict):
            raise SettingsError(f"{path}: {key} is not a table. Write the settings below a line [{'.'.join(keys)}].")
        table = inner
    return table


def _known(table: Mapping[str, object], source: str) -> dict[str, _Given]:
    for name in table:
        if name not in KINDS:
            raise UnknownSettingError(name, source, KINDS)
    return {name: _Given(value, source) for name, value in table.items()}


def _read(name: str, given: object, source: str) -> Any:
    kind = KINDS[name]
    try:
        return kind.read(given)
    except ValueError:
        shown = "***" if kind.is_secret else _without_password(given) if isinstance(given, str) else given
        raise WrongSettingError(name, shown, source, kind.allowed) from None


def _check_together(settings: Settings, given: Mapping[str, _Given]) -> None:
    least = 3 * settings.heartbeat_interval
    if settings.server_timeout < least:
        raise WrongSettingError(
            "server_timeout",
            format_duration(settings.server_timeout),
            _source(given, "server_timeout"),
            f"at least 3 heartbeats, which is {format_duration(least)}, because heartbeat_interval is "
            f"{format_duration(settings.heartbeat_interval)} (from {_source(given, 'heartbeat_interval')})",
        )
    growing = _GROWING_WAITS.intersection(given)
    if settings.retry_delays is not None and growing:
        raise WrongSettingError(
            "retry_delays",
            KINDS["retry_delays"].show(settings.retry_delays),
            _source(given, "retry_delays"),
            f"none together with {', '.join(sorted(growing))}; waits are either listed or grow",
        )
    if settings.dashboard_openid_url is not None:
        for name in ("dashboard_openid_client_id", "dashboard_openid_roles"):
            if not getattr(settings, name):
                raise WrongSettingError(name, None, _source(given, name), "a value, because dashboard_openid_url has one")


def _source(given: Mapping[str, _Given], name: str) -> str:
    return given[name].source if name in given else "the default"


_GROWING_WAITS = frozenset({"retry_base", "retry_factor", "retry_maximum", "retry_jitter"})
_RELATIVE_SQLITE = re.compile(r"(sqlite(?:\+\w+)?:///)(?!:memory:|file:|/|\\|[A-Za-z]:|\?|$)(.+)", re.DOTALL)
_PASSWORD = re.compile(r"(://[^:/\s]*:).*(?=@)|((?:password|passwd)=)[^&\s]*", re.IGNORECASE)


def _beside(folder: Path, url: object) -> object:
    """A SQLite file that is named in a file lies where that file is, whatever the working directory of the process."""
    match = _RELATIVE_SQLITE.fullmatch(url) if isinstance(url, str) else None
    return f"{match[1]}{(folder / match[2]).as_posix()}" if match else url


def _without_password(url: str) -> str:
    return _PASSWORD.sub(r"\1\2***", url)
