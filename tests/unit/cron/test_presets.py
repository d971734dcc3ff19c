"""The expressions that have names."""

from __future__ import annotations

from collections.abc import Callable
from inspect import isfunction

import pytest

from jobrunr.cron import Cron, CronExpression
from jobrunr.errors import CronError

TABLE = [
    (Cron.every_15_seconds(), "*/15 * * * * *", "Every 15 seconds"),
    (Cron.every_30_seconds(), "*/30 * * * * *", "Every 30 seconds"),
    (Cron.minutely(), "* * * * *", "Every minute"),
    (Cron.every_5_minutes(), "*/5 * * * *", "Every 5 minutes"),
    (Cron.every_10_minutes(), "*/10 * * * *", "Every 10 minutes"),
    (Cron.every_15_minutes(), "*/15 * * * *", "Every 15 minutes"),
    (Cron.every_half_hour(), "*/30 * * * *", "Every 30 minutes"),
    (Cron.hourly(), "0 * * * *", "Every hour"),
    (Cron.hourly(30), "30 * * * *", "Every hour at minute 30"),
    (Cron.daily(), "0 0 * * *", "At 00:00 every day"),
    (Cron.daily(3, 30), "30 3 * * *", "At 03:30 every day"),
    (Cron.weekly(), "0 0 * * MON", "At 00:00 on Monday"),
    (Cron.weekly("Sunday", 18, 5), "5 18 * * SUN", "At 18:05 on Sunday"),
    (Cron.weekly("fri", minute=1), "1 0 * * FRI", "At 00:01 on Friday"),
    (Cron.monthly(), "0 0 1 * *", "At 00:00 on the 1st of the month"),
    (Cron.monthly(31, 3, 30), "30 3 31 * *", "At 03:30 on the 31st of the month"),
    (Cron.yearly(), "0 0 1 1 *", "At 00:00 on the 1st of January"),
    (Cron.yearly(2, 29, 3, 30), "30 3 29 2 *", "At 03:30 on the 29th of February"),
    (Cron.first_day_of_the_month(3, 30), "30 3 1 * *", "At 03:30 on the 1st of the month"),
    (Cron.last_day_of_the_month(3, 30), "30 3 L * *", "At 03:30 on the last day of the month"),
    (Cron.first_business_day_of_the_month(3, 30), "30 3 1W * *", "At 03:30 on the first business day of the month"),
    (Cron.last_business_day_of_the_month(3, 30), "30 3 LW * *", "At 03:30 on the last business day of the month"),
]


@pytest.mark.parametrize(("made", "text", "words"), TABLE)
def test_a_preset_is_this_expression(made: str, text: str, words: str) -> None:
    assert made == text
    assert CronExpression(made).describe() == words


def test_every_preset_is_tried_and_makes_an_expression_without_arguments() -> None:
    presets = [preset for preset in (getattr(Cron, name) for name in vars(Cron)) if isfunction(preset)]
    made = {preset() for preset in presets}

    assert len(presets) == 16
    assert made <= {text for text, *_ in TABLE} | {"0 0 1 * *", "0 0 L * *", "0 0 1W * *", "0 0 LW * *"}
    assert all(CronExpression(text) for text in made)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Cron.hourly(60), r"^Cron\.hourly\(\): minute cannot be 60; allowed: 0 to 59\.$"),
        (lambda: Cron.daily(24), r"^Cron\.daily\(\): hour cannot be 24; allowed: 0 to 23\.$"),
        (lambda: Cron.daily(3, -1), r"^Cron\.daily\(\): minute cannot be -1; allowed: 0 to 59\.$"),
        (lambda: Cron.daily("3"), r"^Cron\.daily\(\): hour cannot be '3'; allowed: 0 to 23\.$"),
        (lambda: Cron.daily(3.0), r"^Cron\.daily\(\): hour cannot be 3\.0; allowed: 0 to 23\.$"),
        (lambda: Cron.daily(True), r"^Cron\.daily\(\): hour cannot be True; allowed: 0 to 23\.$"),
        (
            lambda: Cron.weekly("someday"),
            r"^Cron\.weekly\(\): day cannot be 'someday'; allowed: Sunday, Monday, .*, as text\.$",
        ),
        (lambda: Cron.weekly(1), r"^Cron\.weekly\(\): day cannot be 1; allowed: Sunday, Monday, .*, as text\.$"),
        (lambda: Cron.monthly(0), r"^Cron\.monthly\(\): day of month cannot be 0; allowed: 1 to 31\.$"),
        (lambda: Cron.yearly(13), r"^Cron\.yearly\(\): month cannot be 13; allowed: 1 to 12\.$"),
        (
            lambda: Cron.yearly(2, 30),
            r"^Cron expression '0 0 30 2 \*': day of month '30' in month '2' .* no year has; allowed",
        ),
        (
            lambda: Cron.last_day_of_the_month(24),
            r"^Cron\.last_day_of_the_month\(\): hour cannot be 24; allowed: 0 to 23\.$",
        ),
    ],
)
def test_a_wrong_argument_is_refused_in_a_sentence(make: Callable[[], str], sentence: str) -> None:
    with pytest.raises(CronError, match=sentence):
        make()
