"""How fast the totals grow: as the storage kept them each minute, and, more finely, as they were seen here lately."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta

from jobrunr.dashboard.throughput import LONGEST, merged
from jobrunr.storage.contract import Sample, StorageProvider

FINEST = timedelta(seconds=1)
"""Between two totals that are remembered here."""
MOST_SEEN = 400
KEPT_ANEW = timedelta(seconds=20)
"""How often the storage is asked for those that it kept."""


class Pulse:
    """Remembers totals, so that looking at them again and again asks the storage for little."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: list[Sample] = []
        self._asked_at: datetime | None = None
        self._seen: deque[Sample] = deque(maxlen=MOST_SEEN)

    def feel(self, storage: StorageProvider) -> Sequence[Sample]:
        """The totals of the last day in order, the present ones last."""
        now, totals = storage.now(), storage.totals()
        with self._lock:
            if self._asked_at is None or now - self._asked_at >= KEPT_ANEW:
                self._ask(storage, now)
            if not self._seen or now - self._seen[-1].at >= FINEST:
                self._seen.append(Sample(now, totals))
            return merged(self._kept, [*self._seen, Sample(now, totals)])

    def _ask(self, storage: StorageProvider, now: datetime) -> None:
        last = self._kept[-1].at if self._kept else None
        new = storage.samples(now - LONGEST if last is None else last)
        self._kept = [sample for sample in self._kept if sample.at > now - LONGEST]
        self._kept += [sample for sample in new if last is None or sample.at > last]
        self._asked_at = now
