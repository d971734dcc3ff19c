"""The fields of a cron expression: what each may hold, and one item of a field read into numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")


class FieldError(ValueError):
    """What is wrong with a field, as the rest of a sentence; whoever knows the whole expression makes the sentence."""


@dataclass(frozen=True)
class Field:
    """One field: its name, its numbers, and the names that stand for numbers.

    In the field of weekdays, 7 is a second way to write 0, which is why `size` is not the distance from first to last.
    """

    name: str
    first: int
    last: int
    size: int
    """How many different values there are."""
    names: tuple[str, ...] = ()
    also: str = ""
    """What else may be written, for messages."""

    @property
    def allowed(self) -> str:
        """What may be written, for messages."""
        names = f", {self.names[0][:3].upper()} to {self.names[-1][:3].upper()}" if self.names else ""
        return f"{self.first} to {self.last}{names}{self.also}"

    def refuse(self, value: str, why: str = "") -> FieldError:
        """The error that names the field, the value, and what is allowed."""
        return FieldError(f"{self.name} cannot be {value!r}{f', {why}' if why else ''}; allowed: {self.allowed}.")

    def number(self, text: str) -> int:
        """A number or name as it may stand in this field.

        >>> WEEKDAY.number("FRI"), WEEKDAY.number("FRIDAY"), WEEKDAY.number("5")
        (5, 5, 5)
        """
        if _NUMBER.fullmatch(text) and self.first <= int(text) <= self.last:
            return int(text)
        for index, name in enumerate(self.names):
            if text in (name.upper(), name[:3].upper()):
                return index + self.first
        raise self.refuse(text)

    def values(self, item: str) -> frozenset[int]:
        """The values of one item: ``*``, ``n``, ``a-b``, and each of them with a step.

        A range may go past the end: ``22-2`` is 22, 23, 0, 1, 2.

        Raises:
            FieldError: the item has no meaning in this field.

        >>> sorted(HOUR.values("22-2"))
        [0, 1, 2, 22, 23]
        >>> sorted(MINUTE.values("5/20"))
        [5, 25, 45]
        """
        span, slash, step_text = item.partition("/")
        step = self._step(step_text, item) if slash else 1
        begin, end = self._span(span, item, to_the_end=bool(slash))
        count = (end - begin) if end >= begin else (end - begin) % self.size
        return frozenset(self._wrap(begin + distance) for distance in range(0, count + 1, step))

    def _wrap(self, value: int) -> int:
        return (value - self.first) % self.size + self.first

    def _step(self, text: str, item: str) -> int:
        if not _NUMBER.fullmatch(text) or not 1 <= int(text) <= self.size:
            raise FieldError(f"the step of the {self.name} {item!r} cannot be {text!r}; allowed: 1 to {self.size}.")
        return int(text)

    def _span(self, text: str, item: str, *, to_the_end: bool) -> tuple[int, int]:
        """The first and last value; the last may be the smaller one."""
        if text == "*":
            return self.first, self.first + self.size - 1
        begin, dash, end = text.partition("-")
        if not begin or (dash and not end):
            raise self.refuse(item)
        if dash:
            return self.number(begin), self.number(end)
        value = self._wrap(self.number(begin))
        return value, self.first + self.size - 1 if to_the_end else value


_NUMBER = re.compile(r"[0-9]{1,4}")

SECOND = Field("second", 0, 59, 60)
MINUTE = Field("minute", 0, 59, 60)
HOUR = Field("hour", 0, 23, 24)
DAY = Field("day of month", 1, 31, 31, also=", L, L-n, nW, nW+k, LW, LW-k")
MONTH = Field("month", 1, 12, 12, MONTHS)
WEEKDAY = Field("day of week", 0, 7, 7, WEEKDAYS, also=" (0 and 7 are Sunday), nL, n#1 to n#5")

FIELDS = (SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY)
