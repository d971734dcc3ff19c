"""A schedule of the application's own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass
class Fixed:
    """Every day at some hours."""

    hours: list[int]

    def next_run(self, after: datetime) -> datetime:
        midnight = after.replace(hour=0, minute=0, second=0, microsecond=0)
        times = [midnight + timedelta(days=day, hours=hour) for day in (0, 1) for hour in sorted(self.hours)]
        return next(time for time in times if time > after)
