"""What is too dear to be read for every look at a page."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from functools import partial
from typing import Generic, TypeVar

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

MOST_KEYS = 1000


class Kept(Generic[T]):
    """A value that is read anew when it has become old, by one thread at a time.

    Arguments:
        read: reads it; what it raises is raised to whoever asks.
        seconds: how old it may become.
        monotonic: seconds on a clock that never jumps.
    """

    def __init__(self, read: Callable[[], T], seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._seconds = seconds
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._value: tuple[T, float] | None = None

    def get(self) -> T:
        """The value. While another thread reads it anew, the one before."""
        known = self._value
        if known is not None and self._monotonic() < known[1]:
            return known[0]
        if not self._lock.acquire(blocking=known is None):
            assert known is not None, "the lock was waited for"
            return known[0]
        try:
            known = self._value
            if known is None or self._monotonic() >= known[1]:
                known = self._value = (self._read(), self._monotonic() + self._seconds)
            return known[0]
        finally:
            self._lock.release()

    def forget(self) -> None:
        """Read it anew the next time: it was changed."""
        self._value = None


class KeptEach(Generic[K, T]):
    """As `Kept`, for many things, each under a key.

    Arguments:
        read: reads the value of a key.
        seconds: how old it may become.
    """

    def __init__(self, read: Callable[[K], T], seconds: float) -> None:
        self._read = read
        self._seconds = seconds
        self._kept: dict[K, Kept[T]] = {}

    def get(self, key: K) -> T:
        """The value of a key."""
        if len(self._kept) >= MOST_KEYS:
            self._kept = {}
        return self._kept.setdefault(key, Kept(partial(self._read, key), self._seconds)).get()

    def forget(self) -> None:
        """Read all anew the next time."""
        self._kept = {}
