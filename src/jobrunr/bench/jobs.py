"""The jobs: they do nothing, so that everything else is measured."""

from __future__ import annotations

import time
from queue import SimpleQueue


def noop(number: int) -> None:
    """Do nothing."""


class Starts:
    """When jobs start.

    Arguments:
        arrived: gets how many seconds after its making a job started.
    """

    def __init__(self, arrived: SimpleQueue[float]) -> None:
        self._arrived = arrived

    def note(self, made_at: float) -> None:
        """Note that this job has started."""
        self._arrived.put(time.monotonic() - made_at)
