"""Time zones whose clocks change in all kinds of ways, and the moments at which they do."""

from __future__ import annotations

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


@cache
def changes_of(name: str) -> list[datetime]:
    """All moments of these years at which the zone's clock changes, in UTC."""
    zone, moment, changes = ZoneInfo(name), datetime(FIRST_YEAR, 1, 1, tzinfo=UTC), []
    while moment.year <= LAST_YEAR:
        if offset(zone, moment) != offset(zone, moment + 6 * HOUR):
            inside = moment
            while offset(zone, inside) == offset(zone, inside + MINUTE):
                inside += MINUTE
            changes.append(inside + MINUTE)
        moment += 6 * HOUR
    return changes


def offset(zone: ZoneInfo, moment: datetime) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()
