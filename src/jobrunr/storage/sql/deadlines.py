"""One deadline for all that a call to the database does: waiting for a connection, connecting, each statement, a second try.

The call knows it, and the connections and pools that work for it on the same thread ask for what is left.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

from sqlalchemy import QueuePool

_calls = threading.local()


class Deadline:
    """When a call has to be over, for the thread in which it is made.

    Arguments:
        seconds: that it may take.
        first_try: the share of them after which a silent connection of the pool is given up, so that there is time for
            another one.
    """

    __slots__ = ("_end", "_first_try", "_over", "_seconds")

    def __init__(self, seconds: float, first_try: float) -> None:
        self._seconds = seconds
        self._first_try = first_try
        self._end = self._over = 0.0
        self.renew()

    def renew(self) -> None:
        """Let the time begin anew, for the next piece of something long."""
        now = time.monotonic()
        self._over = now + self._seconds
        self._end = now + self._seconds * self._first_try

    def take_all(self) -> None:
        """There is no third try: all that is left is for this one."""
        self._first_try = 1.0
        self._end = self._over

    @property
    def left(self) -> float:
        """Seconds for this try; none when its time is over."""
        return max(0.0, self._end - time.monotonic())

    @property
    def is_over(self) -> bool:
        """Whether there is no time for another try."""
        return time.monotonic() >= self._over

    def __enter__(self) -> Self:
        _calls.deadline = self
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        _calls.deadline = None


def present_deadline() -> Deadline | None:
    """That of the call that this thread is in."""
    deadline: Deadline | None = getattr(_calls, "deadline", None)
    return deadline


def seconds_left(longest: float) -> float:
    """How long the call that this thread is in may still take, or `longest` if that is less or there is no call."""
    deadline = present_deadline()
    return longest if deadline is None else min(longest, deadline.left)


class DeadlinePool(QueuePool):
    """A pool that lets nobody wait for a connection longer than his call may take."""

    _sqla_logger_namespace = "sqlalchemy.pool.impl.QueuePool"  # it logs as the one that it is, and not as one of us

    @property
    def _timeout(self) -> float:
        """Where SQLAlchemy keeps it, and looks whenever somebody waits."""
        return seconds_left(self._longest)

    @_timeout.setter
    def _timeout(self, seconds: float) -> None:
        self._longest = seconds

    def recreate(self) -> QueuePool:
        pool = super().recreate()
        assert isinstance(pool, DeadlinePool)
        pool._longest = self._longest  # noqa: SLF001 - one of ours
        return pool
