"""Cron expressions by name, with the names of JobRunr's class ``Cron``."""

from __future__ import annotations

from jobrunr.cron.fields import DAY, HOUR, MINUTE, MONTH, WEEKDAYS, Field
from jobrunr.cron.parsing import parse_cron
from jobrunr.errors import CronError


class Cron:
    """Texts of the usual cron expressions. Hours and minutes are those of the zone in which the expression will be read.

    Raises:
        CronError: an argument is not possible; the message says which, and what is.

    >>> Cron.daily(3, 30), Cron.weekly("friday", hour=18), Cron.every_5_minutes()
    ('30 3 * * *', '0 18 * * FRI', '*/5 * * * *')
    """

    # -- more than once an hour

    @staticmethod
    def every_15_seconds() -> str:
        """At second 0, 15, 30 and 45 of every minute."""
        return "*/15 * * * * *"

    @staticmethod
    def every_30_seconds() -> str:
        """At second 0 and 30 of every minute."""
        return "*/30 * * * * *"

    @staticmethod
    def minutely() -> str:
        """Every minute, on the minute."""
        return "* * * * *"

    @staticmethod
    def every_5_minutes() -> str:
        """At minute 0, 5, 10 … of every hour."""
        return "*/5 * * * *"

    @staticmethod
    def every_10_minutes() -> str:
        """At minute 0, 10, 20 … of every hour."""
        return "*/10 * * * *"

    @staticmethod
    def every_15_minutes() -> str:
        """At minute 0, 15, 30 and 45 of every hour."""
        return "*/15 * * * *"

    @staticmethod
    def every_half_hour() -> str:
        """At minute 0 and 30 of every hour."""
        return "*/30 * * * *"

    # -- from hours to years

    @staticmethod
    def hourly(minute: int = 0) -> str:
        """Every hour, at a minute from 0 to 59."""
        return f"{_number('hourly', MINUTE, minute)} * * * *"

    @staticmethod
    def daily(hour: int = 0, minute: int = 0) -> str:
        """Every day, at an hour from 0 to 23 and a minute from 0 to 59."""
        return f"{_time('daily', hour, minute)} * * *"

    @staticmethod
    def weekly(day: str = "monday", hour: int = 0, minute: int = 0) -> str:
        """Every week, on a day by its English name (``"monday"`` or ``"mon"``).

        It has to be a name: day 1 is Tuesday to Python's `calendar`, Monday to cron, and Sunday to Quartz.
        """
        return f"{_time('weekly', hour, minute)} * * {_weekday('weekly', day)}"

    @staticmethod
    def monthly(day: int = 1, hour: int = 0, minute: int = 0) -> str:
        """Every month that has this day, from 1 to 31."""
        return f"{_time('monthly', hour, minute)} {_number('monthly', DAY, day)} * *"

    @staticmethod
    def yearly(month: int = 1, day: int = 1, hour: int = 0, minute: int = 0) -> str:
        """Every year that has this day, of a month from 1 to 12."""
        date = f"{_number('yearly', DAY, day)} {_number('yearly', MONTH, month)}"
        return parse_cron(f"{_time('yearly', hour, minute)} {date} *").text

    # -- days that move

    @staticmethod
    def first_day_of_the_month(hour: int = 0, minute: int = 0) -> str:
        """On the first of every month."""
        return f"{_time('first_day_of_the_month', hour, minute)} 1 * *"

    @staticmethod
    def last_day_of_the_month(hour: int = 0, minute: int = 0) -> str:
        """On the 28th, 29th, 30th or 31st, whichever is the last."""
        return f"{_time('last_day_of_the_month', hour, minute)} L * *"

    @staticmethod
    def first_business_day_of_the_month(hour: int = 0, minute: int = 0) -> str:
        """On the first Monday to Friday of every month, holiday or not."""
        return f"{_time('first_business_day_of_the_month', hour, minute)} 1W * *"

    @staticmethod
    def last_business_day_of_the_month(hour: int = 0, minute: int = 0) -> str:
        """On the last Monday to Friday of every month, holiday or not."""
        return f"{_time('last_business_day_of_the_month', hour, minute)} LW * *"


def _time(preset: str, hour: int, minute: int) -> str:
    return f"{_number(preset, MINUTE, minute)} {_number(preset, HOUR, hour)}"


def _number(preset: str, field: Field, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not field.first <= value <= field.last:
        raise CronError(f"Cron.{preset}()", f"{field.name} cannot be {value!r}; allowed: {field.first} to {field.last}.")
    return value


def _weekday(preset: str, day: object) -> str:
    for name in WEEKDAYS:
        if isinstance(day, str) and day.lower() in (name.lower(), name[:3].lower()):
            return name[:3].upper()
    raise CronError(f"Cron.{preset}()", f"day cannot be {day!r}; allowed: {', '.join(WEEKDAYS)}, as text.")
