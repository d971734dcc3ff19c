"""The types of the settings: each is the type of the value, and the kind that reads it."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from jobrunr.setting_kinds import (
    choice,
    duration,
    flag,
    listed,
    or_none,
    pattern,
    secret,
    size,
    text,
)

_MOMENT, _DAY, _TEN_YEARS = timedelta(milliseconds=10), timedelta(days=1), timedelta(days=3650)
_name = text(r"[^\x00-\x1f]{1,100}", "a name of 1 to 100 characters")
_wait = duration(timedelta(0), _TEN_YEARS)

_URL = r"(?!memory:)\S+|memory://|sqlite(\+\w+)?:///\S(.*\S)?"  # a path may have spaces in it
Url = Annotated[str, text(_URL, "a URL such as sqlite:///jobrunr.db, postgresql://localhost/shop or, on its own, memory://")]
App = Annotated[str | None, or_none(text(r"[\w.]+:[\w.]+", "module:name, such as shop.jobs:jobrunr"))]
TablePrefix = Annotated[str, text(r"([a-z][a-z0-9_]{0,19})?", "empty, or a letter and up to 19 more of a-z, 0-9 and _")]
Schema = Annotated[str | None, or_none(text(r"[A-Za-z_][\w$.-]{0,127}", "the name of a schema"))]
ForecastUrl = Annotated[str | None, or_none(text(r"https?://\S+", "a URL that begins with http:// or https://"))]
Flag = Annotated[bool, flag()]
Name = Annotated[str, _name]
NameOrNone = Annotated[str | None, or_none(_name)]
Names = Annotated[tuple[str, ...], listed(_name)]
ExactTargets = Annotated[tuple[str, ...], listed(text(r"[\w.]+:[\w.]+", "module:name"))]
Targets = Annotated[tuple[str, ...], listed(text(r"[\w.]+(:[\w.]+)?", "module, or module:name"))]
Size = Annotated[int, size(1, 2**30)]
Level = Annotated[str, choice("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")]
Period = Annotated[timedelta, duration(_MOMENT, _DAY)]
Grace = Annotated[timedelta, duration(timedelta(0), _DAY)]
Keep = Annotated[timedelta | None, or_none(_wait, "never")]
LongestWait = Annotated[timedelta | None, or_none(duration(_MOMENT, _TEN_YEARS))]
TimeLimit = Annotated[timedelta | None, or_none(duration(_MOMENT, _TEN_YEARS))]
Waits = Annotated[tuple[timedelta, ...] | None, or_none(listed(_wait, at_least=1))]

USER = r"(?P<name>[^:,\s]{1,100}):(?P<role>reader|operator):(?P<password>scrypt\.\d+\.\d+\.\d+\.[\w-]+\.[\w-]+)"
"""One of ``dashboard_users``."""
Users = Annotated[
    tuple[str, ...], secret(listed(text(USER, "name:role:password, as `jobrunr dashboard-user NAME` prints it")))
]
Hosts = Annotated[
    tuple[str, ...],
    listed(
        text(r"([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?", "a host, such as jobs.example.org, with or without a port")
    ),
]
Secret = Annotated[str | None, secret(or_none(text(r"\S{32,1000}", "at least 32 characters at random")))]
ClientSecret = Annotated[str | None, secret(or_none(text(r"[^\x00-\x1f]{1,1000}", "a text that the provider gave")))]
HiddenKeys = Annotated[str, pattern()]
_HERE = r"http://(localhost|127\.0\.0\.1)(:\d+)?(/\S*)?"
ProviderUrl = Annotated[
    str | None, or_none(text(rf"https://\S+|{_HERE}", "a URL that begins with https://, or http:// on this machine"))
]
Roles = Annotated[
    tuple[str, ...], listed(text(r"[^=,]{1,200}=(reader|operator)", "a value and its role, such as staff=reader"))
]
