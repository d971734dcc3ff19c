"""The progress of a running job."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")

PROGRESS = "progress."
"""Prefix of the keys under which the progress of each attempt is stored."""

MOST = 2**53
"""Beyond it, what reads JSON as JavaScript does miscounts."""


class Progress(msgspec.Struct, frozen=True):
    """How far a run is, as stored."""

    done: int
    failed: int
    total: int | None

    @property
    def share(self) -> float | None:
        """From 0 to 1; None while the total is unknown. Nothing to do is all done."""
        if self.total is None:
            return None
        return min(1.0, (self.done + self.failed) / self.total) if self.total else 1.0


class ProgressBar(Generic[T]):
    """Counts what is done. Made by ``ctx.progress``; every change is shown within a fraction of a second.

    Arguments:
        items: what to loop over; their number is the total when it can be told.
        total: how much there is to do; None when nobody knows.
        report: receives the progress as JSON text.
    """

    def __init__(self, items: Iterable[T], total: int | None, report: Callable[[str], None]) -> None:
        if total is None and isinstance(items, Sized):
            total = len(items)
        if total is not None and total < 0:
            raise ValueError(f"total cannot be {total}; it is zero or more, or None when it is unknown.")
        self._items = items
        self._report = report
        self.progress = Progress(0, 0, total)
        self._show()

    def advance(self, count: int = 1) -> None:
        """Some more is done."""
        self.progress = msgspec.structs.replace(self.progress, done=self.progress.done + count)
        self._show()

    def advance_failed(self, count: int = 1) -> None:
        """Some more is done with, but did not work out."""
        self.progress = msgspec.structs.replace(self.progress, failed=self.progress.failed + count)
        self._show()

    def set(self, done: int) -> None:
        """This much is done in all."""
        self.progress = msgspec.structs.replace(self.progress, done=done)
        self._show()

    def __iter__(self) -> Iterator[T]:
        """Yield the items; one counts as done when the next is asked for."""
        for item in self._items:
            yield item
            self.advance()

    def _show(self) -> None:
        if max(self.progress.done, self.progress.failed, self.progress.total or 0) > MOST:
            raise ValueError(f"A progress bar counts to {MOST:,} at most.")
        self._report(msgspec.json.encode(self.progress).decode())
