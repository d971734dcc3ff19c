"""Small words: lists and ordinal numbers as they are written, and patterns that a reader sees in numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def listed(words: Iterable[object]) -> str:
    """Words with commas, and an "and" before the last.

    >>> listed(["Monday"]), listed([1, 2]), listed([1, 2, 3])
    ('Monday', '1 and 2', '1, 2 and 3')
    """
    *most, last = map(str, words)
    return f"{', '.join(most)} and {last}" if most else last


def ordinal(number: int) -> str:
    """A number as it stands in dates.

    >>> [ordinal(number) for number in (1, 2, 3, 4, 11, 12, 13, 21, 22, 23, 30, 31)]
    ['1st', '2nd', '3rd', '4th', '11th', '12th', '13th', '21st', '22nd', '23rd', '30th', '31st']
    """
    ending = "th" if number in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def rhythm(values: Sequence[int], size: int) -> int | None:
    """The step of values that come again and again, from zero and all the way around; None when they do not.

    >>> rhythm([0, 20, 40], 60), rhythm([0, 7, 14], 60), rhythm([5, 25, 45], 60)
    (20, None, None)
    """
    step = size // len(values)
    return step if len(values) > 1 and list(values) == list(range(0, size, step)) and size % step == 0 else None


def unbroken(values: Sequence[int], size: int) -> tuple[int, int] | None:
    """The ends of values that follow each other, maybe across the end (from 22 to 2 o'clock); None when there are holes.

    >>> unbroken([9, 10, 11], 24), unbroken([0, 1, 22, 23], 24), unbroken([9, 11], 24)
    ((9, 11), (22, 1), None)
    """
    found = steady_step(values, size) if len(values) > 2 else _short(values, size)
    return found[:2] if found and found[2] == 1 else None


def steady_step(values: Sequence[int], size: int) -> tuple[int, int, int] | None:
    """The first and last of three or more values and the step between them, if it is always the same; maybe across the end.

    >>> steady_step([9, 12, 15], 24), steady_step([0, 1, 22, 23], 24), steady_step([1, 2, 4], 24)
    ((9, 15, 3), (22, 1, 1), None)
    """
    if len(values) < 3:
        return None
    steps = [(after - before) % size for before, after in zip(values, [*values[1:], values[0]], strict=True)]
    for index in [len(values) - 1, *range(len(values) - 1)]:
        inside = {step for other, step in enumerate(steps) if other != index}
        if len(inside) == 1:
            return values[(index + 1) % len(values)], values[index], inside.pop()
    return None


def _short(values: Sequence[int], size: int) -> tuple[int, int, int] | None:
    if len(values) == 1:
        return values[0], values[0], 1
    first, second = values
    if second - first == 1:
        return first, second, 1
    return (second, first, 1) if (first - second) % size == 1 else None
