"""The jobs: they do nothing, so that everything else is measured."""

from __future__ import annotations

import asyncio
import time

from jobrunr import current_job

NAP = 0.01
"""Seconds that a job sleeps."""

latencies: list[float] = []
"""Seconds between the call of `enqueue` in one process, or the time in a schedule, and the start of the job in this one."""


def noop(number: int) -> None:
    pass


async def noop_async(number: int) -> None:
    pass


def sleep(number: int) -> None:
    time.sleep(NAP)


async def sleep_async(number: int) -> None:
    await asyncio.sleep(NAP)


def note_lateness() -> None:
    run_at = current_job().run_at
    assert run_at is not None
    latencies.append(time.time() - run_at.timestamp())  # where the database is on this machine, its clock is ours


def note_latency(sent_at: float) -> None:
    latencies.append(time.monotonic() - sent_at)  # the same clock in all processes of a machine
