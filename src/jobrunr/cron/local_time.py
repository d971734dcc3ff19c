"""What a change of the clock does to times.

A zone's clock is cut into stretches with the same offset from UTC. Within a stretch, local times and moments go hand in
hand, so that a search for runs goes from stretch to stretch. Where the stretches end is the whole difference between two
ways to read an expression:

* As *shown*: a time runs whenever the clock shows it. What is skipped never runs, what is shown twice runs twice. A stretch
  ends where its clock is changed.
* As *fixed*: a time runs once. Skipped times run by the clock as it was, so a stretch goes on through the times that
  its successor skips: 02:30 becomes 03:30. Repeated times run in the first pass only, so a stretch begins after the times
  that its predecessor has shown.

For fixed times this is what PEP 495 makes of a local time with ``fold=0``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from jobrunr.cron.matching import FIRST_YEAR, LAST_YEAR, PERIOD, LocalTimes
from jobrunr.cron.zones import DAY, changes_around, span_of

_SECOND = timedelta(seconds=1)


class Stretch(NamedTuple):
    """Local times, as long as they have the same offset from UTC."""

    begin: datetime
    """The first local time."""
    end: datetime
    """The local time after the last."""
    offset: timedelta
    """Local time less UTC."""


@lru_cache(maxsize=4096)
def stretches(zone: tzinfo, year: int, *, shown: bool) -> tuple[Stretch, ...]:
    """The stretches of a year, in order; the first and the last overlap those of the years beside it."""
    begin, end = span_of(year)
    offset, changes = changes_around(zone, year)
    begin += offset + DAY  # so late that no change before, of a day at most, can still be felt
    found = []
    for change in changes:
        until, since = change.at + change.before, change.at + change.after
        if not shown:
            until = since = max(until, since)
        found.append(Stretch(begin, until, change.before))
        begin, offset = since, change.after
    return (*found, Stretch(begin, end + offset, offset))


class RunTimes:
    """The moments at which local times come, in a zone. Moments are datetimes in UTC, without zone, in whole seconds."""

    __slots__ = ("_shown", "_times", "_zone")

    def __init__(self, times: LocalTimes, zone: tzinfo, *, shown: bool) -> None:
        self._times, self._zone, self._shown = times, zone, shown

    # -- forward

    def after(self, moment: datetime) -> datetime | None:
        """The first run after the moment; None when there is none any more."""
        for year in self._years_after(moment):
            run = self._first_in(year, moment)
            if run is not None:
                return run
        return None

    def _years_after(self, moment: datetime) -> Iterator[int]:
        """The year, and then those years in which there is a local time; the zone may skip it."""
        last = min(moment.year + PERIOD, LAST_YEAR)
        year = max(moment.year, FIRST_YEAR)
        while year <= last:
            yield year
            time = self._times.after(stretches(self._zone, year, shown=self._shown)[-1].end - _SECOND)
            if time is None:
                return
            year = max(year + 1, time.year)

    def _first_in(self, year: int, moment: datetime) -> datetime | None:
        """The first run of a year after the moment.

        Where the clock is put forward, the run of a skipped time can come after a run of the next stretch. So once there is
        a run, look on as long as a stretch begins before it.
        """
        first: datetime | None = None
        for begin, end, offset in stretches(self._zone, year, shown=self._shown):
            if first is not None and begin - offset > first:
                break
            if (start := moment + offset) >= end:
                continue
            time = self._times.after(max(start, begin - _SECOND))
            if time is not None and time < end and (first is None or time - offset < first):
                first = time - offset
        return first

    # -- backward: the mirror

    def before(self, moment: datetime) -> datetime | None:
        """The last run before the moment; None when there was none."""
        for year in self._years_before(moment):
            run = self._last_in(year, moment)
            if run is not None:
                return run
        return None

    def _years_before(self, moment: datetime) -> Iterator[int]:
        first = max(moment.year - PERIOD, FIRST_YEAR)
        year = min(moment.year, LAST_YEAR)
        while year >= first:
            yield year
            time = self._times.before(stretches(self._zone, year, shown=self._shown)[0].begin)
            if time is None:
                return
            year = min(year - 1, time.year)

    def _last_in(self, year: int, moment: datetime) -> datetime | None:
        last: datetime | None = None
        for begin, end, offset in reversed(stretches(self._zone, year, shown=self._shown)):
            if last is not None and end - offset <= last:
                break
            if (start := moment + offset) <= begin:
                continue
            time = self._times.before(min(start, end))
            if time is not None and time >= begin and (last is None or time - offset > last):
                last = time - offset
        return last

    # -- how many

    def count(self, after: datetime, until: datetime) -> int:
        """How many runs there are after a moment, up to and with another."""
        begin, end = after + _SECOND, until + _SECOND
        return sum(
            self._count_in(year, max(begin, datetime(year, 1, 1)), min(end, datetime(year + 1, 1, 1)))
            for year in range(begin.year, end.year + 1)
        )

    def _count_in(self, year: int, begin: datetime, end: datetime) -> int:
        """From the first moment on, before the second; both are in this year."""
        cut = stretches(self._zone, year, shown=self._shown)
        count = sum(self._count_within(stretch, begin, end) for stretch in cut)
        return count - sum(self._count_twice(earlier, later, begin, end) for earlier, later in pairwise(cut))

    def _count_within(self, stretch: Stretch, begin: datetime, end: datetime) -> int:
        first, last = max(begin + stretch.offset, stretch.begin), min(end + stretch.offset, stretch.end)
        return self._times.count(first, last) if first < last else 0

    def _count_twice(self, earlier: Stretch, later: Stretch, begin: datetime, end: datetime) -> int:
        """Where the clock is put forward, a skipped time may run when a time of the next stretch does: that is one run."""
        end = min(end, earlier.end - earlier.offset)
        time = max(begin, later.begin - later.offset) + earlier.offset - _SECOND
        count = 0
        while (next_time := self._times.after(time)) is not None and next_time - earlier.offset < end:
            time = next_time
            shown = time - earlier.offset + later.offset
            count += self._times.count(shown, shown + _SECOND)
        return count
