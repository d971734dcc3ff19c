"""The jobs: they do nothing, so that everything else is measured."""

from __future__ import annotations

import time

latencies: list[float] = []
"""Seconds between the call of `enqueue` in one process and the start of the job in this one."""


def noop(number: int) -> None:
    pass


async def noop_async(number: int) -> None:
    pass


def note_latency(sent_at: float) -> None:
    latencies.append(time.monotonic() - sent_at)  # the same clock in all processes of a machine
