"""What was measured, and the shape of ``jobrunr bench --json``."""

from __future__ import annotations

from collections.abc import Collection

import msgspec


class Spread(msgspec.Struct, frozen=True):
    """How long something took that was done again and again, in milliseconds."""

    p50: float
    """Half of them took no longer."""
    p99: float
    count: int

    @classmethod
    def of(cls, seconds: Collection[float]) -> Spread:
        """From single times.

        >>> Spread.of([0.001, 0.003, 0.002])
        Spread(p50=2.0, p99=3.0, count=3)
        """
        milliseconds = sorted(1000 * each for each in seconds)
        count = len(milliseconds)
        return cls(milliseconds[count // 2], milliseconds[count * 99 // 100], count)


class Rate(msgspec.Struct, frozen=True):
    """How many jobs a second, and what that took of this process."""

    per_second: float
    busy: float
    """The share of one processor that this process used meanwhile."""
    count: int


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was measured."""

    storage: str
    """Which database, without user and password."""
    kind: str
    """sqlite, postgresql, mysql or mariadb."""
    cpus: int
    """Those that this process may use."""
    workers: int
    poll_interval: float
    """Seconds after which a server looks for jobs that nothing has told it of."""
    round_trip: Spread
    """A question whose answer is at hand."""
    commit: Spread
    """A transaction that writes one small row."""
    start: Spread
    """From the call of `enqueue` to the start of the job, by a server with nothing else to do that only the database can
    wake."""
    enqueue: Rate
    """One by one, each committed."""
    bulk: Rate
    """By `enqueue_many`."""
    drain: Rate
    """Jobs that do nothing, run by one server in one process."""
