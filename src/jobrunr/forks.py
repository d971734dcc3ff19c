"""What starts anew in the child of a fork: locks, threads and connections stay with the parent."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forkable(Protocol):
    """Has something that cannot be used in the child of a fork."""

    def start_anew_after_fork(self) -> None:
        """Forget it, in the child."""


_all: weakref.WeakSet[Forkable] = weakref.WeakSet()


def start_anew_after_forks(thing: Forkable) -> None:
    """From now on it starts anew in every child of this process, for as long as it lives."""
    _all.add(thing)


def generation() -> int:
    """How many forks there are between this process and the first one. To ask this is no system call."""
    return _generation


_generation = 0


def _start_anew_after_fork() -> None:
    global _generation  # noqa: PLW0603 - there is one process
    _generation += 1
    for thing in list(_all):
        thing.start_anew_after_fork()


os.register_at_fork(after_in_child=_start_anew_after_fork)
