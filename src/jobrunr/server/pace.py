"""How long things take at present."""

from __future__ import annotations

SHORTEST = 1e-5
"""Seconds; nothing is taken for shorter."""


class Pace:
    """The moving mean of how long the last ones of a kind took.

    >>> pace = Pace()
    >>> pace.took(0.5)
    >>> pace.mean
    0.5
    >>> pace.per_second
    2.0
    """

    def __init__(self) -> None:
        self.mean = 0.0
        """Seconds; 0 until the first has ended."""

    def took(self, seconds: float) -> None:
        """One more has ended; it weighs a sixteenth."""
        self.mean += (seconds - self.mean) / 16 if self.mean else seconds

    @property
    def per_second(self) -> float:
        """How many can be done one after the other; 0 until the first has ended."""
        return 1 / max(self.mean, SHORTEST) if self.mean else 0.0
