"""What limits a database, as its figures tell."""

from __future__ import annotations

from collections.abc import Iterator

from jobrunr.bench.figures import Figures

MOST = 4
"""Sentences; with more, nobody reads the first."""

FAR = 1.0
"""Milliseconds of a round trip, from which on the way to the database is what counts."""
BUSY = 0.85
"""The share of a processor from which on a process can hardly do more."""
NOT_WOKEN = 0.25
"""The share of the poll interval from which on it looks as if nobody had told the server; half of it is what to expect."""
ENOUGH = 1000
"""Jobs a second of which most applications have no idea what to do with."""

_FAMILIES = {"mysql": "MySQL", "mariadb": "MariaDB"}


def what_limits(figures: Figures) -> list[str]:
    """One to four sentences for people, the most important first, each with what to do."""
    parts = (_way(figures), _disk(figures), _waking(figures), _running(figures), _asking(figures), _praise(figures))
    return [sentence for part in parts for sentence in part][:MOST]


def _way(figures: Figures) -> Iterator[str]:
    trip = figures.round_trip.p50
    if trip > FAR and figures.kind != "sqlite":
        yield (
            f"The way to the database: one question and its answer take {trip:.1f} ms, and everything asks. Put workers, "
            f"and whoever enqueues, nearer to it."
        )


def _disk(figures: Figures) -> Iterator[str]:
    enqueue = 1000 / figures.enqueue.per_second
    commit = enqueue * (1 - figures.enqueue.busy) - _trips_of_enqueue(figures.kind) * figures.round_trip.p50
    if commit < enqueue / 2:
        return
    several = "" if figures.kind == "sqlite" else "from several threads at a time, or "
    where = "" if figures.kind == "sqlite" else ", or a replica that it waits for"
    times = figures.bulk.per_second / figures.enqueue.per_second
    yield (
        f"The disk of the database{where}: of the {enqueue:.1f} ms that one `enqueue` takes, most is waiting for its "
        f"commit. `enqueue_many` was {times:.0f} times as fast; otherwise enqueue {several}with "
        f"`async_scheduler`, which stores together what many ask for at the same time."
    )


def _trips_of_enqueue(kind: str) -> int:
    """One statement on PostgreSQL, a transaction of some elsewhere; nobody has far to go to a file."""
    return {"postgresql": 1, "sqlite": 0}.get(kind, 5)


def _waking(figures: Figures) -> Iterator[str]:
    if figures.start.p50 < NOT_WOKEN * 1000 * figures.poll_interval:
        return
    why = ""
    if figures.kind == "postgresql":
        why = " A pooler in transaction mode (PgBouncer) keeps notifications from them: let workers go around it."
    yield (
        f"Servers that nobody wakes: a job waits {figures.start.p50 / 1000:.1f} s for its start, because servers look for "
        f"jobs every {figures.poll_interval:g} s only.{why} The setting poll_interval makes them look more often."
    )


def _running(figures: Figures) -> Iterator[str]:
    busy = min(1.0, figures.drain.busy)
    if busy < BUSY:
        yield (
            f"The database: while jobs ran, this process waited for {1 - busy:.0%} of the time, for its answers or for a "
            f"processor. More processes (`jobrunr worker --processes {max(2, figures.cpus)}`) help as long as the database "
            f"has something left."
        )
    elif figures.cpus == 1:
        yield (
            f"The processor: while jobs ran, this process used {busy:.0%} of the one that there is. Run workers on more "
            f"machines, or on one with more processors."
        )
    else:
        yield (
            f"This process: while jobs ran, it used {busy:.0%} of one processor, which is all that a Python process can. "
            f"There are {figures.cpus}: `jobrunr worker --processes {figures.cpus}` uses them all."
            + (
                " SQLite lets only one at a time write, so what gains are jobs that compute."
                if figures.kind == "sqlite"
                else ""
            )
        )


def _asking(figures: Figures) -> Iterator[str]:
    if family := _FAMILIES.get(figures.kind):
        yield (
            f"{family} wakes nobody: servers ask whether there are jobs, every few hundredths of a second up to once a "
            f"second. So long may a single job wait for its start."
        )


def _praise(figures: Figures) -> Iterator[str]:
    if figures.drain.per_second >= ENOUGH:
        hourly = figures.drain.per_second * 3600 / 1_000_000
        yield (
            f"Few applications reach any of these limits: as it is, one process runs {hourly:.0f} million jobs an hour, as "
            f"long as they do nothing."
        )
