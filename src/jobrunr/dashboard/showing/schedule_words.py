"""When something runs, in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from jobrunr.carbon.windows import Margin, read_margin
from jobrunr.cron import CronExpression
from jobrunr.durations import format_duration, parse_duration
from jobrunr.errors import ScheduleError
from jobrunr.recurring_job import RecurringJob


def schedule_in_words(schedule: str) -> str:
    """A stored schedule for people. One that is no cron expression or period is shown as it is stored.

    >>> schedule_in_words("0 3 * * * [PT2H/PT4H]")
    'At 03:00 every day, up to 2 h earlier or 4 h later'
    >>> schedule_in_words("PT5M"), schedule_in_words("shop.days:PayDays(country='BE')")
    ('Every 5 min', "shop.days:PayDays(country='BE')")
    """
    try:
        text, margin = read_margin(schedule)
        return _words(text.strip()) + ("" if margin is None else _margin_in_words(margin))
    except ScheduleError:
        return schedule


def in_zone(moment: datetime, job: RecurringJob) -> str:
    """A moment in the time zone of a recurring job, as its author thinks of it."""
    try:
        local = moment.astimezone(ZoneInfo(job.zone))
    except (ValueError, OSError):  # not known on this machine
        local = moment.astimezone(UTC)
    return f"{local:%a %Y-%m-%d %H:%M:%S %Z}"


def _words(text: str) -> str:
    if ":" in text and "(" in text:
        return text
    if text[:1].upper() != "P":
        return CronExpression(text).describe()
    try:
        return f"Every {format_duration(parse_duration(text))}"
    except ValueError:
        return text


def _margin_in_words(margin: Margin) -> str:
    parts = [
        f"{format_duration(length)} {word}"
        for length, word in ((margin.before, "earlier"), (margin.after, "later"))
        if length > timedelta(0)
    ]
    return f", up to {' or '.join(parts)}" if parts else ""
