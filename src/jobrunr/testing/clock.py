"""A clock that a test turns."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta


class TestClock:
    """Stands still until it is told otherwise. A `jobrunr.clock.Clock`; safe to use from several threads.

    Arguments:
        start: the time it shows first, an aware datetime; noon of the first day of 2026 by default.

    >>> clock = TestClock()
    >>> clock.advance(minutes=5)
    datetime.datetime(2026, 1, 1, 12, 5, tzinfo=datetime.timezone.utc)
    """

    __test__ = False  # a pytest that sees this name is not to take it for a test

    def __init__(self, start: datetime = datetime(2026, 1, 1, 12, tzinfo=UTC)) -> None:
        self._lock = threading.Lock()
        self._now = _in_utc(start)

    def now(self) -> datetime:
        """The time it shows, aware, in UTC."""
        with self._lock:
            return self._now

    def set(self, now: datetime) -> None:
        """Show another time, later or earlier.

        Raises:
            ValueError: the datetime has no time zone.
        """
        with self._lock:
            self._now = _in_utc(now)

    def advance(
        self,
        by: timedelta = timedelta(),
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
        microseconds: float = 0,
    ) -> datetime:
        """Turn it on (or back, by something negative), and return the time that it shows then."""
        more = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds, microseconds=microseconds)
        with self._lock:
            self._now += by + more
            return self._now


def _in_utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError(f"{at!r} has no time zone; write datetime(..., tzinfo=UTC).")
    return at.astimezone(UTC)
