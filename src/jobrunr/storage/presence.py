"""How servers prove that their processes live."""

from __future__ import annotations

from abc import ABC, abstractmethod


class Presence(ABC):
    """A lock that a server holds for as long as its process lives, and that the database or the operating system releases
    the moment it dies. It looks after itself: when its connection is cut, it takes the lock anew."""

    @property
    @abstractmethod
    def held_for(self) -> float:
        """For how many seconds the lock is held without a gap; 0 while it is not."""

    @abstractmethod
    def close(self) -> None:
        """Release it. May be called again."""
