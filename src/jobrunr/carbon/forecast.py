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

    def covers(self, earliest: datetime, deadline: datetime) -> bool:
        """Whether it says something about all of a window."""
        return bool(self.slots) and self.slots[0].start <= earliest and deadline <= self.slots[-1].start + self.interval


class CarbonForecast(Protocol):
    """Something that knows a forecast: `HttpForecast`, or an object of yours."""

    def fetch(self) -> Forecast:
        """The newest forecast. Is asked about once a day, on a thread of its own.

        Raises:
            Exception: it is not to be had; any exception will do.
        """
        ...
