"""A cron expression in a time zone, and the moments at which it runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from jobrunr.cron.describing import describe
from jobrunr.cron.local_time import RunTimes
from jobrunr.cron.matching import FIRST_YEAR, LAST_YEAR, LocalTimes
from jobrunr.cron.parsing import parse_cron
from jobrunr.cron.zones import find_zone
from jobrunr.errors import NoRunError, ScheduleError

_SECOND = timedelta(seconds=1)


class CronExpression:
    """When something runs, again and again: ``CronExpression("30 3 * * MON-FRI", "Europe/Brussels")``.

    The dialect is that of crontab(5) as Debian's cron reads it, with seconds as a sixth field in front, and with the letters
    of Quartz and JobRunr for days: ``L``, ``W`` and ``#``. The whole of it stands in docs/reference/cron.md.

    When the clock is put forward, a time that is skipped runs later by as much as the clock was put forward; when it is put
    back, a time that comes twice runs the first time only. An expression with a ``*`` in its minute or hour runs whenever
    the clock shows one of its times: never at a skipped one, and twice at one that comes twice.

    Two expressions are equal when text and zone are. They are immutable and can be shared between threads.

    Arguments:
        text: minute, hour, day of month, month, day of week; or these with seconds in front; or ``@daily`` and the like.
        zone: in whose time the fields are meant, as a name of the IANA database, or a `ZoneInfo` with such a name.

    Raises:
        CronError: the text is no expression, or means a day that no year has.
        UnknownZoneError: there is no such zone.

    >>> expression = CronExpression("30 3 * * mon-fri", "Europe/Brussels")
    >>> print(expression.next(datetime(2026, 3, 27, 12, tzinfo=UTC)))
    2026-03-30 03:30:00+02:00
    >>> print(expression)
    30 3 * * MON-FRI
    >>> expression.describe()
    'At 03:30 on Monday to Friday'
    """

    __slots__ = ("_parsed", "_runs", "_tzinfo", "_zone")

    def __init__(self, text: str, zone: str | ZoneInfo = "UTC") -> None:
        self._parsed = parse_cron(text)
        self._zone, self._tzinfo = find_zone(zone)
        self._runs = RunTimes(LocalTimes(self._parsed), self._tzinfo, shown=self._parsed.shown)

    @property
    def text(self) -> str:
        """The expression as it was written, with single spaces, and names in capitals."""
        return self._parsed.text

    @property
    def zone(self) -> str:
        """The name of the time zone."""
        return self._zone

    # -- runs

    def next(self, after: datetime) -> datetime:
        """The first run after a moment, never at that moment itself.

        Arguments:
            after: any aware datetime, in any zone.

        Returns:
            An aware datetime in the zone of the expression, in whole seconds. When the clock shows a time twice, ``fold``
            says which is meant; Python does not look at it when it compares two times of one zone, so compare in UTC.

        Raises:
            ScheduleError: the moment has no time zone.
            NoRunError: nothing runs within the next 400 years, because the clocks of the zone never show such a time.

        >>> print(CronExpression("0 0 29 2 *").next(datetime(2026, 1, 1, tzinfo=UTC)))
        2028-02-29 00:00:00+00:00
        """
        run = self._runs.after(_in_utc(after, "after").replace(microsecond=0))
        if run is None:
            raise NoRunError(repr(self), f"after {after.isoformat()}")
        return self._in_zone(run)

    def previous(self, before: datetime) -> datetime:
        """The last run before a moment, never at that moment itself: the mirror of `next`, with the same errors.

        >>> print(CronExpression("0 0 29 2 *").previous(datetime(2026, 1, 1, tzinfo=UTC)))
        2024-02-29 00:00:00+00:00
        """
        moment = _in_utc(before, "before")
        if moment.microsecond:
            moment = moment.replace(microsecond=0) + _SECOND
        run = self._runs.before(moment)
        if run is None:
            raise NoRunError(repr(self), f"before {before.isoformat()}")
        return self._in_zone(run)

    def upcoming(self, after: datetime) -> Iterator[datetime]:
        """The runs after a moment, one after the other; they do not end.

        Raises:
            ScheduleError: as for `next`; when the moment has no zone, at the first run.

        >>> from itertools import islice
        >>> runs = CronExpression("0 12 L * *").upcoming(datetime(2026, 1, 1, tzinfo=UTC))
        >>> [f"{run:%d %B}" for run in islice(runs, 3)]
        ['31 January', '28 February', '31 March']
        """
        run = self.next(after)
        while True:
            yield run
            run = self.next(run)

    def count(self, after: datetime, until: datetime) -> int:
        """How many runs there are after a moment, up to and with another that is not before it. As quick for a million
        as for one.

        Raises:
            ScheduleError: a moment has no time zone.

        >>> CronExpression("*/15 * * * *").count(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
        35040
        """
        begin, end = (_in_utc(moment, name).replace(microsecond=0) for moment, name in ((after, "after"), (until, "until")))
        return self._runs.count(begin, end)

    def _in_zone(self, moment: datetime) -> datetime:
        return moment.replace(tzinfo=UTC).astimezone(self._tzinfo)

    # -- for people

    def describe(self) -> str:
        """When it runs, in English, without the zone.

        >>> CronExpression("*/15 9-17 * * FRIL").describe()
        'Every 15 minutes between 09:00 and 17:45 on the last Friday of the month'
        """
        return describe(self._parsed)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"CronExpression({self.text!r}, {self.zone!r})"

    # -- a value

    def __eq__(self, other: object) -> bool:
        return (self.text, self.zone) == (other.text, other.zone) if isinstance(other, CronExpression) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.text, self.zone))

    def __reduce__(self) -> tuple[type[CronExpression], tuple[str, str]]:
        return CronExpression, (self.text, self.zone)


def _in_utc(moment: datetime, name: str) -> datetime:
    """The moment in UTC, without zone.

    Raises:
        ScheduleError: it has no time zone, or lies at the very end of what can be reckoned with.
    """
    if moment.utcoffset() is None:
        raise ScheduleError(f"{name} is {moment!r}, which has no time zone; give it one: datetime.now(UTC).")
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ScheduleError(f"{name} is {moment!r}; allowed are the years {FIRST_YEAR} to {LAST_YEAR}.")
    return moment.astimezone(UTC).replace(tzinfo=None)
