"""Whether an answer is a forecast that can be used. What services and objects of the application answer is not ours."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from jobrunr.carbon.forecast import Forecast, ForecastSlot
from jobrunr.errors import ForecastError

MOST_SLOTS = 10_000
LONGEST_INTERVAL = timedelta(days=1)
FURTHEST_NEXT = timedelta(days=7)
"""How far away the next forecast may be said to be."""

_YEARS = range(2000, 3000)


def checked(answer: object) -> Forecast:
    """An answer as a forecast: in UTC, in the order of time.

    Raises:
        ForecastError: it is none; the message says what is wrong with it.
    """
    if not isinstance(answer, Forecast):
        raise ForecastError(f"The answer is no Forecast, but {answer!r:.200}.")
    interval: object = answer.interval
    if not isinstance(interval, timedelta) or not timedelta(0) < interval <= LONGEST_INTERVAL:
        raise ForecastError(f"Its interval is {interval!r:.200}; it can be a timedelta of up to a day.")
    slots: object = answer.slots
    if not isinstance(slots, tuple | list) or len(slots) > MOST_SLOTS:
        raise ForecastError(f"Its slots are {slots!r:.200}; they can be a tuple of up to {MOST_SLOTS:,} ForecastSlots.")
    in_order = tuple(sorted((_slot(slot) for slot in slots), key=lambda slot: slot.start))
    next_at = None if answer.next_at is None else _moment(answer.next_at, "next_at")
    return Forecast(slots=in_order, interval=interval, next_at=next_at)


def check_is_of_use(forecast: Forecast, now: datetime) -> None:
    """Refuse one that knows nothing of the time to come and does not say when there is one that does.

    Raises:
        ForecastError: it is of no use.
    """
    if forecast.next_at is not None and forecast.next_at - now > FURTHEST_NEXT:
        raise ForecastError(f"It says that the next one is there at {forecast.next_at.isoformat()}, which is too far away.")
    if forecast.next_at is not None and forecast.next_at > now:
        return
    ends_at = forecast.ends_at
    if ends_at is None:
        raise ForecastError("It has no slots.")
    if ends_at <= now:
        raise ForecastError(f"It is over: it ends at {ends_at.isoformat()}.")


def _slot(slot: object) -> ForecastSlot:
    if not isinstance(slot, ForecastSlot):
        raise ForecastError(f"One of its slots is no ForecastSlot, but {slot!r:.200}.")
    intensity: object = slot.intensity
    if isinstance(intensity, bool) or not isinstance(intensity, int | float) or not _is_finite(intensity):
        raise ForecastError(f"The intensity of a slot is {intensity!r:.200}; it has to be a finite number.")
    return ForecastSlot(_moment(slot.start, "start of a slot"), float(intensity))


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # a whole number that is too large for a float
        return False


def _moment(moment: object, name: str) -> datetime:
    if not isinstance(moment, datetime) or moment.utcoffset() is None or moment.year not in _YEARS:
        raise ForecastError(f"Its {name} is {moment!r:.200}; it has to be a datetime with a time zone, in our times.")
    return moment.astimezone(UTC)
