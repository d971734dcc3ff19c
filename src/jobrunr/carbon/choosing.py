"""When a job with a window starts. Pure functions."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from jobrunr.carbon.forecast import Forecast
from jobrunr.jobs import CarbonWindow

LEAD = timedelta(minutes=2)
"""How long before its preferred time a job stops to wait for a forecast."""

PATIENCE = timedelta(minutes=1)
"""How long a job whose preferred time is near waits for a forecast that is being asked for."""

WORTH_PATIENCE = timedelta(minutes=10)
"""In a window that is shorter, the cleanest time is hardly ever another than the first."""


class Known(NamedTuple):
    """What is known of forecasts at a moment."""

    forecast: Forecast | None = None
    ask_at: datetime | None = None
    """When a newer one is asked for, in the past while it is; None when nobody is there to be asked."""


class Slot(NamedTuple):
    """When a job starts, and why then."""

    start: datetime
    reason: str


def choose_slot(window: CarbonWindow, known: Known, now: datetime, since: datetime | None = None) -> Slot | None:
    """When the job starts; None to wait for a forecast.

    The slot with the lowest figure among those that start in the window (the earliest of equals), never before now and
    always before the deadline. Without a forecast that covers the window, or with one that is too coarse for it, the
    preferred time, or now when that is past.

    Arguments:
        since: when the job began to wait; None when it is made now.
    """
    can_wait = now < _waits_until(window, known, now if since is None else since)
    if can_wait and known.ask_at is not None and known.ask_at <= now:
        return None  # the newest forecast is as good as here
    begin = max(window.earliest, now)
    if known.forecast is not None and known.forecast.covers(begin, window.deadline):
        reason = "its window is too short for the forecast"
        return _cleanest(window, known.forecast, begin) or Slot(max(window.preferred, now), reason)
    return None if can_wait else Slot(max(window.preferred, now), "there is no forecast for its window")


def _waits_until(window: CarbonWindow, known: Known, since: datetime) -> datetime:
    """Until when a forecast that is yet to come can make a difference."""
    latest = window.preferred - LEAD
    if known.ask_at is None or known.ask_at > since + PATIENCE or window.deadline - since < WORTH_PATIENCE:
        return latest
    return max(latest, since + PATIENCE)


def _cleanest(window: CarbonWindow, forecast: Forecast, begin: datetime) -> Slot | None:
    """None when there is no choice."""
    slots = [slot for slot in forecast.slots if begin <= slot.start < window.deadline]
    if len(slots) < 2:
        return None
    best = min(slots, key=lambda slot: (slot.intensity, slot.start))
    return Slot(best.start, f"electricity is cleanest then, as far as is known ({best.intensity:g})")
