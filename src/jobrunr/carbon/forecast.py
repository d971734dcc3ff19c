"""What a forecast of carbon intensity is, and who has one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

import msgspec


class ForecastSlot(msgspec.Struct, frozen=True):
    """A stretch of time for which one figure holds."""

    start: datetime
    intensity: float
    """Grams of CO₂ for a kilowatt hour, or any other figure that is smaller for cleaner electricity."""


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """How clean electricity is going to be."""

    slots: tuple[ForecastSlot, ...]
    """In the order of time, each as long as `interval`."""
    interval: timedelta = timedelta(hours=1)
    next_at: datetime | None = None
    """When a newer one is to be had; None when that is not known."""

    @property
    def ends_at(self) -> datetime | None:
        """Up to when it says something; None when it says nothing at all."""
        return self.slots[-1].start + self.interval if self.slots else None

    def covers(self, earliest: datetime, deadline: datetime) -> bool:
        """Whether it knows all slots that start in a window. One that begins with the next slot knows those, too."""
        ends_at = self.ends_at
        return ends_at is not None and self.slots[0].start < earliest + self.interval and deadline <= ends_at


class CarbonForecast(Protocol):
    """Something that knows a forecast: `HttpForecast`, or an object of yours."""

    def fetch(self) -> Forecast:
        """The newest forecast. Is asked about once a day while jobs wait, on a thread of its own. What it answers is looked
        over before it is used; after a failure it is asked again in 15 minutes, then less and less often.

        Raises:
            Exception: it is not to be had; any exception will do.
        """
        ...
