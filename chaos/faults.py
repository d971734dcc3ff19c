"""What was done to whom, and when."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from msgspec.structs import replace

FOR_EVER = math.inf


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One fault. Moments are seconds of the clock of this machine."""

    kind: str
    begin: float
    end: float
    server: str | None = None
    """Whom it hit; None for everybody."""

    def ended(self, at: float) -> Fault:
        """The same fault, over at a moment."""
        return replace(self, end=at)

    def hits(self, server: str, begin: float, end: float) -> bool:
        """Whether a server had to suffer from it in a span of time."""
        return self.server in {None, server} and self.begin <= end and begin <= self.end


@contextmanager
def noted(faults: list[Fault], kind: str, server: str | None = None) -> Iterator[None]:
    """Note that something is wrong for the duration of a block."""
    place = len(faults)
    faults.append(Fault(kind=kind, begin=time.time(), end=FOR_EVER, server=server))
    try:
        yield
    finally:
        faults[place] = faults[place].ended(time.time())
