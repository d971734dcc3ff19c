"""What the recurring jobs of the tests call."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

started: list[datetime] = []
gate = threading.Event()


def sync() -> str:
    started.append(datetime.now(UTC))
    return "in step"


def report(year: int = 2026) -> int:
    return year


def fail() -> None:
    raise ValueError("no such report")


class Reports:
    def nightly(self) -> str:
        return "done"
