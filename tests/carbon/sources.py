"""Sources of forecasts to be told what to answer."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from jobrunr import Forecast, ForecastSlot

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def ever_cleaner(begin: datetime = NOON, hours: int = 6) -> Forecast:
    """The last hour is the best."""
    return Forecast(slots=tuple(ForecastSlot(begin + n * HOUR, hours - n) for n in range(hours)))


class Source:
    """Answers, or raises, what it is told."""

    def __init__(self, answer: object = None) -> None:
        self.answer: object = ever_cleaner() if answer is None else answer
        self.asked = 0

    def fetch(self) -> Forecast:
        self.asked += 1
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer  # type: ignore[return-value]


class SlowSource(Source):
    """Answers when it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()
        self.threads: list[threading.Thread] = []

    def fetch(self) -> Forecast:
        self.threads.append(threading.current_thread())
        self.asked += 1
        assert self.released.wait(20)
        return ever_cleaner()
