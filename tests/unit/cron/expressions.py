"""Random cron expressions."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.unit.cron.slow_cron import DAY_NAMES, MONTH_NAMES


def items(first: int, last: int, names: dict[int, str] | None = None, *, wrapping: bool = True) -> st.SearchStrategy[str]:
    """Items of one field: without `wrapping`, ranges go up."""
    number = {str(value): value for value in range(first, last + 1)}
    number |= {name: value for value, name in (names or {}).items()}
    values = st.integers(first, last).map(str)
    if names:
        values |= st.sampled_from(sorted(names.values()))
    ranges = st.tuples(values, values)
    if not wrapping:
        ranges = ranges.map(lambda ends: tuple(sorted(ends, key=number.__getitem__)))
        ranges = ranges.filter(lambda ends: number[ends[0]] < number[ends[1]])
    spans = ranges.map("-".join)
    steps = st.integers(1, min(last, 40)).map(str)
    stepped = st.tuples(st.one_of(st.just("*"), values, spans), steps).map("/".join)
    return st.one_of(values, spans, stepped)


def fields(item: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.just("*") | st.lists(item | st.just("*") | item | item, min_size=1, max_size=3).map(",".join)


def days_of_month(*, wrapping: bool = True) -> st.SearchStrategy[str]:
    return items(1, 31, wrapping=wrapping)


def days_with_letters() -> st.SearchStrategy[str]:
    distance = st.integers(1, 30)
    return st.one_of(
        st.sampled_from(["L", "LW"]),
        st.builds("{}-{}".format, st.sampled_from(["L", "LW"]), distance),
        st.builds("{}W".format, st.integers(1, 31)),
        st.builds("{}W+{}".format, st.integers(1, 31), distance),
    )


def weekdays(*, wrapping: bool = True) -> st.SearchStrategy[str]:
    return items(0, 7, dict(enumerate(DAY_NAMES)), wrapping=wrapping)


def weekdays_with_letters() -> st.SearchStrategy[str]:
    weekday = st.integers(0, 7).map(str) | st.sampled_from(DAY_NAMES)
    return st.one_of(st.builds("{}L".format, weekday), st.builds("{}#{}".format, weekday, st.integers(1, 5)))


def months(*, wrapping: bool = True) -> st.SearchStrategy[str]:
    return items(1, 12, dict(enumerate(MONTH_NAMES, 1)), wrapping=wrapping)


def joined(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map(" ".join)


minutes = fields(items(0, 59))
hours = fields(items(0, 23))
any_days = joined(
    fields(days_of_month() | days_with_letters()), fields(months()), fields(weekdays() | weekdays_with_letters())
)
most_days = st.sampled_from(["* * *", "* * *", "*/2 * *", "* * MON-SAT", "1-20 * SUN", "L,28,1W * *"])

by_minute = joined(minutes, hours, most_days)
"""Expressions that run on most days."""
by_second = joined(fields(items(0, 59)), minutes, hours, st.just("* * *"))
by_day = joined(st.just("0 12"), any_days)
"""At noon on all kinds of days, maybe never."""
anything = joined(minutes, hours, any_days)
