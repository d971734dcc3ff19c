"""What time it is, as an argument: everything above storage asks a `Clock`, so that a test can turn it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Anything that knows the time as an aware datetime in UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class SyncedClock:
    """The clock of the database, read once in a while and carried on with this machine's monotonic clock.

    A wrong or stepping wall clock on this machine changes nothing. Until the first `sync` it asks the source at every call.

    Arguments:
        source: reads the clock of the database.
        monotonic: seconds on a clock that never jumps.
    """

    def __init__(self, source: Callable[[], datetime], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._monotonic = monotonic
        self._anchor: tuple[datetime, float] | None = None

    def sync(self) -> None:
        """Read the database's clock anew."""
        read = self._source()
        # As if it had been read when the answer came. So we are late by what the answer took, and never ahead: what we write
        # happened, by the clock of the database, before anything that it notes afterwards.
        self._anchor = (read, self._monotonic())

    def hear(self, read: datetime, took: float) -> None:
        """Take note of what the database's clock showed within the last so many seconds. As long as that may be what this
        clock shows, nothing changes: a slow answer does not set it back."""
        if not read <= self.now() <= read + timedelta(seconds=took):
            self._anchor = (read, self._monotonic())

    def now(self) -> datetime:
        if self._anchor is None:
            self.sync()
        assert self._anchor is not None
        at, mark = self._anchor
        return at + timedelta(seconds=self._monotonic() - mark)
