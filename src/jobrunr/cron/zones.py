"""Time zones by name, and when their clocks change. The rules are the IANA time zone database's, as `zoneinfo` finds it."""

from __future__ import annotations

import difflib
import zoneinfo
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import NamedTuple

from jobrunr.errors import UnknownZoneError

DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


def find_zone(zone: str | zoneinfo.ZoneInfo) -> tuple[str, tzinfo]:
    """The name of a time zone, and the zone. UTC is there even on a machine without time zone data.

    Raises:
        UnknownZoneError: there is none of this name, or it has no name.

    >>> find_zone("Europe/Brussels")
    ('Europe/Brussels', zoneinfo.ZoneInfo(key='Europe/Brussels'))
    """
    if isinstance(zone, zoneinfo.ZoneInfo):
        if zone.key is None:
            raise UnknownZoneError(
                zone, "It was read from a file and has no name; make it with ZoneInfo('Europe/Brussels')."
            )
        zone = zone.key
    if not isinstance(zone, str):
        raise UnknownZoneError(zone, "Give the name of one, such as 'Europe/Brussels', or a ZoneInfo.")
    return zone, UTC if zone == "UTC" else _load(zone)


def _load(name: str) -> tzinfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder, such as "Europe"
        raise UnknownZoneError(name, _hint(name)) from None


def _hint(name: str) -> str:
    known = zoneinfo.available_timezones()
    if not known:
        return "There is no time zone data on this machine: pip install tzdata."
    alike = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {alike[0]!r}?" if alike else "Write a name of the IANA database, such as 'Europe/Brussels'."


# -- changes of the clock


class Change(NamedTuple):
    """A moment at which the clock of a zone is put forward or back."""

    at: datetime
    """In UTC, without zone: the first second of the new time."""
    before: timedelta
    """The offset from UTC until then."""
    after: timedelta
    """The offset from then on."""


@lru_cache(maxsize=4096)
def changes_around(zone: tzinfo, year: int) -> tuple[timedelta, tuple[Change, ...]]:
    """The offset at the beginning of a year, and all changes of the clock in it, in order. A year is taken in UTC, and with
    three days more on both sides.

    `zoneinfo` does not say when the clock changes, so look at it once a day, and between two days that differ look closer.
    That finds every change: in the whole database no two changes of a zone are less than three days apart.
    """
    day, end = span_of(year)
    first = offset = offset_at(zone, day)
    changes = []
    while day < end:
        next_offset = offset_at(zone, day + DAY)
        if next_offset != offset:
            changes.append(Change(_moment_of_change(zone, day, day + DAY), offset, next_offset))
        day, offset = day + DAY, next_offset
    return first, tuple(changes)


def span_of(year: int) -> tuple[datetime, datetime]:
    """From where to where `changes_around` looks, in UTC."""
    return datetime(year, 1, 1) - 3 * DAY, datetime(year + 1, 1, 1) + 3 * DAY


def _moment_of_change(zone: tzinfo, before: datetime, after: datetime) -> datetime:
    """By halves: the offset is an old one at `before`, and a new one at `after`."""
    old = offset_at(zone, before)
    while after - before > _SECOND:
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0)
        if offset_at(zone, middle) == old:
            before = middle
        else:
            after = middle
    return after


def offset_at(zone: tzinfo, moment: datetime) -> timedelta:
    """How far the zone's clock is ahead of UTC at a moment in UTC, given without zone."""
    return zone.fromutc(moment.replace(tzinfo=zone)).replace(tzinfo=None) - moment
