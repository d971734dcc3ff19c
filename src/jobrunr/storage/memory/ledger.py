"""What is kept whatever becomes of the jobs: totals, their samples, and who changed what."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from jobrunr.jobs import JobUpdate
from jobrunr.states import JobState
from jobrunr.storage.contract import AuditEntry, Sample, Totals
from jobrunr.storage.overview import KEEP_SAMPLES, minute_of, storable_entries


class Ledger:
    """Only ever added to, until what is in it is old. Not for two threads at once."""

    def __init__(self) -> None:
        self.totals = Totals(succeeded=0, failed=0)
        self._samples: dict[datetime, Sample] = {}
        self._audits: list[AuditEntry] = []

    def add(self, update: JobUpdate) -> None:
        """Count an update that was written."""
        self.totals = Totals(
            self.totals.succeeded + (update.state is JobState.SUCCEEDED),
            self.totals.failed + (update.fingerprint is not None),
        )

    def sample(self, now: datetime) -> None:
        """Keep the totals for this minute, unless some are."""
        self._samples.setdefault(minute_of(now), Sample(now, self.totals))

    def samples(self, since: datetime) -> list[Sample]:
        return sorted((sample for sample in self._samples.values() if sample.at >= since), key=lambda sample: sample.at)

    def record(self, entries: Sequence[AuditEntry], now: datetime) -> None:
        """Keep what was done by hand."""
        self._audits += storable_entries(entries, now)

    def audits(self, subject: str | None, limit: int, before: datetime | None) -> list[AuditEntry]:
        found = (entry for entry in self._audits if subject in (None, entry.subject))
        older = [entry for entry in found if before is None or (entry.at is not None and entry.at < before)]
        older.sort(key=lambda entry: entry.at or _NEVER)
        older.reverse()
        return older[:limit]

    def forget(self, forget_audit: datetime, now: datetime) -> None:
        """Forget samples of long ago, and what was done before a moment."""
        self._samples = {minute: sample for minute, sample in self._samples.items() if sample.at > now - KEEP_SAMPLES}
        self._audits = [entry for entry in self._audits if entry.at is not None and entry.at > forget_audit]


_NEVER = datetime.fromisoformat("0001-01-01T00:00:00+00:00")
