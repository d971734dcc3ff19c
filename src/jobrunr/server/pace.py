"""How long jobs take at present."""

from __future__ import annotations

SHORTEST = 1e-5
"""Seconds; no job is taken for shorter."""


class Pace:
    """The moving mean of how long the last jobs took.

    >>> pace = Pace()
    >>> pace.took(0.5)
    >>> pace.per_second
    2.0
    """

    def __init__(self) -> None:
        self._mean = 0.0

    def took(self, seconds: float) -> None:
        """One more job has ended; it weighs a sixteenth."""
        self._mean += (seconds - self._mean) / 16 if self._mean else seconds

    @property
    def per_second(self) -> float:
        """How many a single slot does; 0 until the first has ended."""
        return 1 / max(self._mean, SHORTEST) if self._mean else 0.0
