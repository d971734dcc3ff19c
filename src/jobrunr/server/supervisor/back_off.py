"""How soon a child that died is replaced."""

from __future__ import annotations

FIRST_DELAY, LONGEST_DELAY = 1.0, 30.0
"""Seconds. The first child that dies is replaced at once, the next one after a second, and then after twice as long each
time."""
LONG_LIFE = 60.0
"""Seconds after which a child has proved that it can live: its death counts as the first again."""


class BackOff:
    """Counts the deaths in one place."""

    def __init__(self) -> None:
        self._delay = 0.0

    def after(self, lived: float) -> float:
        """In how many seconds to replace a child that lived for so many.

        >>> back_off = BackOff()
        >>> [back_off.after(lived) for lived in (5, 5, 5, 5, 60, 5)]
        [0.0, 1.0, 2.0, 4.0, 0.0, 1.0]
        """
        if lived >= LONG_LIFE:
            self._delay = 0.0
        delay = self._delay
        self._delay = min(max(2 * delay, FIRST_DELAY), LONGEST_DELAY)
        return delay
