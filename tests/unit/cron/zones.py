"""Time zones whose clocks change in all kinds of ways, and the moments at which they do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

ZONES = (
    "Africa/Cairo", "Africa/Casablanca", "America/Asuncion", "America/Havana", "America/New_York", "America/Santiago",
    "America/Sao_Paulo", "America/St_Johns", "Antarctica/Troll", "Asia/Amman", "Asia/Beirut", "Asia/Gaza", "Asia/Kathmandu",
    "Asia/Tehran", "Australia/Lord_Howe", "Europe/Brussels", "Europe/Dublin", "Europe/London", "Pacific/Apia",
    "Pacific/Chatham",
)  # fmt: skip
FIRST_YEAR, LAST_YEAR = 2016, 2026

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


@cache
def changes_of(name: str) -> list[datetime]:
    """All moments of these years at which the zone's clock changes, in UTC."""
    zone, changes, day = ZoneInfo(name), [], datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
    while day.year <= LAST_YEAR:
        before = offset(zone, day)
        if offset(zone, day + DAY) != before:
            changes.append(min(moment for moment in every_minute(day) if offset(zone, moment) != before))
        day += DAY
    return changes


def every_minute(day: datetime) -> Iterator[datetime]:
    return (day + minute * MINUTE for minute in range(1, 24 * 60 + 1))


def offset(zone: ZoneInfo, moment: datetime) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()
