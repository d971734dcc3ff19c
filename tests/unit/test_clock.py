"""The clock of the database, carried on by this machine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jobrunr.clock import SyncedClock

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Distant:
    """A clock that takes time to read, there and back."""

    def __init__(self, there: float, back: float) -> None:
        self.there, self.back = there, back
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def true(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds)

    def read(self) -> datetime:
        self.seconds += self.there
        read = self.true()
        self.seconds += self.back
        return read


@pytest.mark.parametrize(("there", "back"), [(0.0, 2.0), (2.0, 0.0), (1.0, 1.0)])
def test_a_synced_clock_is_never_ahead_of_its_source(there: float, back: float) -> None:
    """Or else what a server notes would lie behind what the database notes next."""
    source = Distant(there, back)
    clock = SyncedClock(source.read, source.monotonic)
    clock.sync()
    source.seconds += 5

    assert clock.now() == source.true() - timedelta(seconds=back)


def test_a_reading_that_may_be_what_it_shows_changes_nothing_and_any_other_does() -> None:
    seconds, start = 100.0, datetime(2026, 7, 1, tzinfo=UTC)
    clock = SyncedClock(lambda: start, lambda: seconds)
    clock.sync()
    seconds = 105.0
    clock.hear(start + timedelta(seconds=3), took=2.0)  # read two seconds ago, perhaps
    assert clock.now() == start + timedelta(seconds=5)
    clock.hear(start + timedelta(seconds=3), took=1.9)  # the clock of the database was set back
    assert clock.now() == start + timedelta(seconds=3)
    clock.hear(start + timedelta(seconds=4), took=0.0)  # or it was set forward, or ours was late
    assert clock.now() == start + timedelta(seconds=4)
    seconds = 106.0
    assert clock.now() == start + timedelta(seconds=5)
