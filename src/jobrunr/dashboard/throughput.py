"""How much is done: arithmetic on totals that grow."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from operator import attrgetter

import msgspec

from jobrunr.server_record import ServerRecord
from jobrunr.states import JobState
from jobrunr.storage.contract import Sample, Totals

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_INSTANT = timedelta(microseconds=1)


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A time until now, in parts."""

    id: str
    name: str
    length: timedelta
    part: timedelta
    step: timedelta
    """How often it moves on."""


WINDOWS = (
    Window(
        id="minutes",
        name="5 minutes",
        length=timedelta(minutes=5),
        part=timedelta(seconds=10),
        step=timedelta(seconds=1),
    ),
    Window(id="hour", name="hour", length=timedelta(hours=1), part=timedelta(minutes=1), step=timedelta(seconds=10)),
    Window(id="day", name="day", length=timedelta(days=1), part=timedelta(minutes=30), step=timedelta(minutes=1)),
)
LONGEST = max(window.length + window.part for window in WINDOWS)


class Part(msgspec.Struct, frozen=True):
    """What was done between two moments. The last one goes on."""

    since: datetime
    until: datetime
    done: Totals | None
    """None where nobody knows."""


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """What was done in a window."""

    window: Window
    since: datetime
    """Later than the window begins where nothing is known of the time before."""
    until: datetime
    done: Totals
    parts: tuple[Part, ...]

    @property
    def ended(self) -> int:
        """How many attempts ended."""
        return self.done.succeeded + self.done.failed

    @property
    def per_minute(self) -> float | None:
        """How many attempts ended a minute; None where nobody knows."""
        minutes = (self.until - self.since) / timedelta(minutes=1)
        return self.ended / minutes if minutes > 0 else None

    @property
    def failed_share(self) -> float | None:
        """Which share of the attempts failed; None when there were none."""
        return self.done.failed / self.ended if self.ended else None

    @property
    def is_whole(self) -> bool:
        """Whether it is known from its beginning."""
        return self.until - self.since >= self.window.length


def flow(points: Sequence[Sample], window: Window) -> Flow:
    """What was done in a window that ends with the last point.

    Arguments:
        points: the totals at some moments, in order, at least one. Between two of them they are taken to grow evenly.
    """
    until = max(_down(points[-1].at, window.step), points[0].at)
    since = max(until - window.length, points[0].at)
    end = _down(until - _INSTANT, window.part) + window.part
    count = window.length // window.part
    edges = [end - index * window.part for index in range(count, -1, -1)]
    parts = tuple(_part(points, start, stop, until) for start, stop in pairwise(edges))
    return Flow(window=window, since=since, until=until, done=_between(points, since, until), parts=parts)


def time_to_finish(backlog: int, present: Flow) -> timedelta | None:
    """How long it takes until so many jobs are done at the rate of a window; None while there is no rate.

    Jobs that are added meanwhile are not in it.
    """
    if not backlog:
        return timedelta()
    if not present.ended:
        return None
    return timedelta(seconds=round(backlog * ((present.until - present.since) / present.ended).total_seconds()))


def finished_in(counts: Mapping[JobState, int], present: Flow, at_work: Sequence[ServerRecord]) -> timedelta | None:
    """How long until nothing waits and nothing runs; None while nobody knows.

    Arguments:
        at_work: the servers that take jobs.
    """
    to_do = counts.get(JobState.ENQUEUED, 0) + counts.get(JobState.PROCESSING, 0)
    return time_to_finish(to_do, present) if at_work or not to_do else None


def merged(kept: Sequence[Sample], seen: Sequence[Sample]) -> list[Sample]:
    """Totals from two sources in order. What was read out of order never lets them shrink."""
    points: list[Sample] = []
    for sample in sorted([*kept, *seen], key=attrgetter("at")):
        last = points[-1].totals if points else sample.totals
        totals = Totals(max(sample.totals.succeeded, last.succeeded), max(sample.totals.failed, last.failed))
        points.append(Sample(sample.at, totals))
    return points


def _part(points: Sequence[Sample], since: datetime, until: datetime, now: datetime) -> Part:
    begin, end = max(since, points[0].at), min(until, now)
    return Part(since, until, _between(points, begin, end) if end > points[0].at else None)


def _between(points: Sequence[Sample], since: datetime, until: datetime) -> Totals:
    first, last = _at(points, since), _at(points, until)
    return Totals(last.succeeded - first.succeeded, last.failed - first.failed)


def _at(points: Sequence[Sample], moment: datetime) -> Totals:
    """The totals at a moment, rounded: so the parts of a window add up to the whole."""
    index = bisect_left(points, moment, key=attrgetter("at"))
    if index == len(points):
        return points[-1].totals
    after = points[index]
    if index == 0 or after.at == moment:
        return after.totals
    before = points[index - 1]
    share = (moment - before.at) / (after.at - before.at)
    return Totals(
        round(before.totals.succeeded + share * (after.totals.succeeded - before.totals.succeeded)),
        round(before.totals.failed + share * (after.totals.failed - before.totals.failed)),
    )


def _down(moment: datetime, step: timedelta) -> datetime:
    return moment - (moment - _EPOCH) % step
