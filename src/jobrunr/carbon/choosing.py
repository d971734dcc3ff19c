"""When a job with a window starts. Pure functions."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from jobrunr.carbon.forecast import Forecast
from jobrunr.jobs import CarbonWindow

LEAD = timedelta(minutes=2)
"""How long before its preferred time a job stops to wait for a forecast."""


class Slot(NamedTuple):
    """When a job starts, and why then."""

    start: datetime
    reason: str


def is_worth_waiting(window: CarbonWindow, now: datetime) -> bool:
    """Whether a forecast that comes later can still make a difference."""
    return window.preferred - now > LEAD and window.deadline > now


def choose_slot(window: CarbonWindow, forecast: Forecast | None, now: datetime) -> Slot | None:
    """When the job starts; None to wait for a forecast.

    The slot with the lowest figure among those that start in the window (the earliest of equals), never before now and
    always before the deadline. Without a forecast that covers the window, or with one that is too coarse for it, the
    preferred time.
    """
    if forecast is not None and forecast.covers(max(window.earliest, now), window.deadline):
        slots = [slot for slot in forecast.slots if max(window.earliest, now) <= slot.start < window.deadline]
        if len(slots) >= 2:
            best = min(slots, key=lambda slot: (slot.intensity, slot.start))
            return Slot(best.start, f"electricity is cleanest then, as far as is known ({best.intensity:g})")
        return Slot(max(window.preferred, now), "the window is too short for the forecast")
    if is_worth_waiting(window, now):
        return None
    return Slot(max(window.preferred, now), "there is no forecast for the window")
