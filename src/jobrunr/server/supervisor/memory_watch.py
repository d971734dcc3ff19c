"""Whether the system ran out of memory lately, as far as it tells."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from jobrunr.server.processes.ends import oom_kills

INTERVAL = 10.0
"""Seconds between two looks. A large process takes a while to die, so the look before the last one counts."""


class MemoryWatch:
    """Compares how many processes were killed for want of memory with what it was a while ago.

    Arguments:
        count: how many so far; None where the system does not tell.
    """

    def __init__(self, count: Callable[[], int | None] = oom_kills) -> None:
        self._count = count
        self._looks: deque[tuple[float, int | None]] = deque(maxlen=2)

    def look(self, now: float) -> None:
        """Remember how many there are, now and then."""
        if not self._looks or now - self._looks[-1][0] >= INTERVAL:
            self._looks.append((now, self._count()))

    def explains_a_kill(self) -> bool:
        """Whether there is one more than a while ago. Each explains one death."""
        before = self._looks[0][1] if self._looks else None
        after = self._count()
        if before is None or after is None or after <= before:
            return False
        self._looks = deque(((at, max(before + 1, count or 0)) for at, count in self._looks), maxlen=2)
        return True
