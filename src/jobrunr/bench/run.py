"""Takes one measure after the other."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from jobrunr.bench import measures
from jobrunr.bench.figures import Figures, Rate, Spread
from jobrunr.bench.place import Place
from jobrunr.jobrunr import JobRunr
from jobrunr.server.slots import usable_cpus, usual_workers

SHORT = 0.2
"""The share of the time of a measure that is enough for what is done in an instant."""

Show = Callable[[str, Spread | Rate | None], None]
"""Is told the name of a measure when it begins, with None, and again with what came of it."""


def run(place: Place, seconds: float, workers: int | None, show: Show) -> Figures:
    """Measure a database.

    Arguments:
        seconds: how long each measure may take.
        workers: how many jobs run at a time; the setting ``workers`` when None.

    Raises:
        BenchError: no server starts a job.
        StorageError: the database cannot be used, or is away.
    """
    workers = workers or place.settings.workers or usual_workers()
    starts: SimpleQueue[float] = SimpleQueue()
    with place.application(starts) as here, place.application(starts) as there:
        assert here.storage.counts()  # makes the tables
        found: dict[str, Any] = {}
        for name, measure in _measures(here, there, starts, workers, seconds):
            show(name, None)
            found[name] = measure()
            show(name, found[name])
    return Figures(
        storage=place.where,
        kind=place.kind,
        cpus=usable_cpus(),
        workers=workers,
        poll_interval=here.settings.poll_interval.total_seconds(),
        **found,
    )


def _measures(
    here: JobRunr, there: JobRunr, starts: SimpleQueue[float], workers: int, seconds: float
) -> list[tuple[str, Callable[[], Spread | Rate]]]:
    """All measures, in an order in which none disturbs the next: a server is idle only while no jobs wait."""
    return [
        ("round_trip", lambda: measures.round_trip(here, SHORT * seconds)),
        ("commit", lambda: measures.commit(here, SHORT * seconds)),
        ("start", lambda: measures.start(here, there, starts, workers, seconds)),
        ("enqueue", lambda: measures.enqueue(here, seconds)),
        ("bulk", lambda: measures.bulk(here, seconds)),
        ("drain", lambda: measures.drain(there, workers, seconds)),
    ]
