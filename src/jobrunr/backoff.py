"""How long to wait before trying again what the storage did not do."""

from __future__ import annotations

import random

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 2.0
"""Seconds between tries while the storage is away: short enough to be back at work soon after it is."""


class Backoff:
    """Pauses that grow from try to try, with jitter.

    Arguments:
        longest: seconds.
    """

    def __init__(self, longest: float = LONGEST_PAUSE) -> None:
        self._longest = longest
        self._pause = FIRST_PAUSE

    def next(self) -> float:
        """Seconds to wait now."""
        pause = self._pause
        self._pause = min(pause * 2, self._longest)
        return pause * random.uniform(0.5, 1)  # noqa: S311 - jitter is no secret

    def reset(self) -> None:
        """It worked: begin with the first pause when it does not the next time."""
        self._pause = FIRST_PAUSE
