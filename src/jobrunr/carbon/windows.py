"""Windows: between which moments a job may start, and when it starts if nobody knows better."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import msgspec

from jobrunr.durations import parse_duration
from jobrunr.errors import OptionError, ScheduleError
from jobrunr.jobs import CarbonWindow

_MARGIN = re.compile(r"(?P<schedule>.+?)\s*\[\s*(?P<before>[^\s/\]]+)\s*/\s*(?P<after>[^\s/\]]+)\s*\]\s*")


class CarbonAware(msgspec.Struct, frozen=True):
    """When a job may start, for `JobScheduler.schedule`: at the time in a window when electricity is cleanest.

    Make one with `between`, `before` or `at`.

    >>> morning = CarbonAware.between(datetime(2026, 3, 2, 1, tzinfo=UTC), datetime(2026, 3, 2, 7, tzinfo=UTC))
    >>> print(morning.preferred)
    2026-03-02 01:00:00+00:00
    """

    preferred: datetime | None
    """When it starts if there is no forecast; None for at once."""
    earliest: datetime | None
    """None for at once."""
    deadline: datetime

    @classmethod
    def between(cls, earliest: datetime, deadline: datetime) -> CarbonAware:
        """Between two moments; at the first of them if there is no forecast.

        Raises:
            OptionError: a moment has no time zone, or they are in the wrong order.
        """
        return _checked(cls(_moment(earliest), _moment(earliest), _moment(deadline)))

    @classmethod
    def before(cls, deadline: datetime) -> CarbonAware:
        """Before a moment; at once if there is no forecast.

        Raises:
            OptionError: the moment has no time zone.
        """
        return _checked(cls(None, None, _moment(deadline)))

    @classmethod
    def at(cls, preferred: datetime, before: timedelta, after: timedelta) -> CarbonAware:
        """Around a moment; at that moment if there is no forecast.

        Arguments:
            before, after: how much earlier or later it may be.

        Raises:
            OptionError: the moment has no time zone, or a margin is below zero.
        """
        if before < timedelta(0) or after < timedelta(0):
            raise OptionError("The margins of CarbonAware.at are timedeltas of zero or more.")
        at = _moment(preferred)
        try:
            return _checked(cls(at, at - before, at + after))
        except OverflowError:
            raise OptionError("The window of CarbonAware.at is too long: years have four digits.") from None

    def window(self, now: datetime) -> CarbonWindow:
        """The window, seen at a moment."""
        return CarbonWindow(self.earliest or now, self.preferred or now, self.deadline)


def _moment(given: object) -> datetime:
    """In UTC: in another zone, adding and comparing would go by the clock on the wall."""
    if not isinstance(given, datetime) or given.utcoffset() is None:
        raise OptionError(f"{given!r:.200} is no moment with a time zone; write datetime(..., tzinfo=UTC).")
    try:
        return given.astimezone(UTC)
    except OverflowError:
        raise OptionError(f"{given!r} is too far away: years have four digits.") from None


def _checked(wanted: CarbonAware) -> CarbonAware:
    if wanted.earliest is not None and wanted.earliest >= wanted.deadline:
        raise OptionError(f"The window ends at {wanted.deadline.isoformat()}, which is not after its beginning.")
    return wanted


class Margin(msgspec.Struct, frozen=True):
    """How much earlier and later than its time a run of a recurring job may start."""

    before: timedelta
    after: timedelta

    def window(self, run_at: datetime) -> CarbonWindow:
        """The window of a run."""
        return CarbonWindow(run_at - self.before, run_at, run_at + self.after)


def read_margin(text: str) -> tuple[str, Margin | None]:
    """A schedule without its margin, and the margin: ``0 3 * * * [PT2H/PT4H]``.

    Raises:
        ScheduleError: what stands in the brackets is no margin.

    >>> read_margin("0 3 * * * [PT2H/PT4H]")
    ('0 3 * * *', Margin(before=datetime.timedelta(seconds=7200), after=datetime.timedelta(seconds=14400)))
    >>> read_margin("0 3 * * *")
    ('0 3 * * *', None)
    """
    if not text.rstrip().endswith("]"):  # a schedule of somebody's own ends with a parenthesis
        return text, None
    match = _MARGIN.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        return match["schedule"], Margin(parse_duration(match["before"]), parse_duration(match["after"]))
    except ValueError:
        raise ScheduleError(
            f"{text!r}: a margin is written [before/after] behind the schedule, such as 0 3 * * * [PT2H/PT4H]."
        ) from None
