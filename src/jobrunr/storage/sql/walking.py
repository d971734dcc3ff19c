"""Walking along an index in slices, in search of jobs that no index knows.

Where a slice ends is found first, in the index alone; then what is wanted of it. Slices begin small and grow, so that what
is frequent is found at once and what is rare in few steps, while no statement goes on for longer than a second or so.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Column, ColumnElement, Connection, and_, func, or_, select

from jobrunr.jobs import Job
from jobrunr.states import JobState
from jobrunr.storage.contract import JobOrder, JobQuery
from jobrunr.storage.query import Place, has_text, place
from jobrunr.storage.sql.dialects.base import Dialect
from jobrunr.storage.sql.matching import Matching
from jobrunr.storage.sql.rows import NONSENSE, read_jobs

FIRST_SLICE = 4_000
GROWTH = 4
SECONDS_OF_A_SLICE = 1.0
LEAST_AT_ONCE = 200
"""So many candidates are fetched at once when only a look at them can tell whether they are wanted."""

Step = tuple[Place, Job | None]
"""A job that was found; or None, and how far the walk has come."""


class Walk:
    """One order, from one end to the other.

    Arguments:
        state: walk along the jobs in this state by the moment it began; None for all jobs by the moment of creation.
        ends_at: by ``time.monotonic()``, when patience is over.
    """

    def __init__(
        self, connection: Connection, dialect: Dialect, query: JobQuery, state: JobState | None, ends_at: float
    ) -> None:
        matching = Matching(dialect)
        self._connection = connection
        self._dialect = dialect
        self._query = query
        self._ends_at = ends_at
        jobs = self._jobs = dialect.tables.jobs
        self._at: Column[datetime] = jobs.c.state_at if query.is_by_change else jobs.c.created_at
        self._goes_up = query.order is JobOrder.OLDEST
        self._order = [column if self._goes_up else column.desc() for column in (self._at, jobs.c.id)]
        self._served = matching.served(query, state)
        self._others = matching.others(query)

    def jobs(self, after: Place | None) -> Iterator[Step]:
        """What is wanted behind a place, in order, and between it how far the walk has come."""
        if not self._others:
            yield from self._jobs_between(after, None)
            return
        for start, end in self._slices(after):
            yield from self._jobs_between(start, end)
            if end is not None:
                yield end, None

    def counts(self) -> Iterator[int]:
        """How many are wanted, slice by slice."""
        for start, end in self._slices(None):
            if self._query.text:
                yield sum(job is not None for _, job in self._jobs_between(start, end))
            else:
                wanted = select(func.count()).where(*self._served, *self._others, *self._between(start, end))
                yield self._connection.execute(wanted.select_from(self._jobs)).scalar_one()

    def _slices(self, start: Place | None) -> Iterator[tuple[Place | None, Place | None]]:
        """Slices from a place on; the last one has no end. Each is worked on before the next one is asked for."""
        size = FIRST_SLICE
        while True:
            began = time.monotonic()
            end = self._end_of_slice(start, size)
            yield start, end
            if end is None:
                return
            now = time.monotonic()
            affordable = size / max(now - began, 0.001) * min(SECONDS_OF_A_SLICE, max(self._ends_at - now, 0.0))
            size = max(FIRST_SLICE // GROWTH, min(size * GROWTH, int(affordable)))
            start = end

    def _end_of_slice(self, start: Place | None, size: int) -> Place | None:
        """The last place of a slice of this size; None when there are not so many left."""
        last = (
            select(self._at, self._jobs.c.id)
            .where(*self._served, *self._between(start, None))
            .order_by(*self._order)
            .offset(size - 1)
            .limit(1)
        )
        try:
            row = self._connection.execute(last).one_or_none()
        except NONSENSE:  # this place was damaged, so that it cannot be said where the slice ends
            return None
        return None if row is None else (row[0], row[1])

    def _jobs_between(self, start: Place | None, end: Place | None) -> Iterator[Step]:
        """What is wanted of a slice, fetched some at a time."""
        at_once = max(self._query.limit + 1, LEAST_AT_ONCE) if self._query.text else self._query.limit + 1
        while True:
            statement = (
                select(*self._jobs.c)
                .where(*self._served, *self._others, *self._between(start, end))
                .order_by(*self._order)
                .limit(at_once)
            )
            found = read_jobs(self._connection, self._dialect, statement, {})
            for job in found:
                if not self._query.text or has_text(self._query.text, job.name, job.target, job.past):
                    yield place(job, self._query), job
            last = place(found[-1], self._query) if found else None
            if last is None or len(found) < at_once or not self._is_behind(last, start):
                return
            yield last, None
            start = last

    def _between(self, start: Place | None, end: Place | None) -> Iterator[ColumnElement[bool]]:
        """Whether a job stands behind a place, and not behind another."""
        # Each is said in two parts: the first is what every database finds the place in an index by.
        at, job_id = self._at, self._jobs.c.id
        if start is not None:
            since, last_id = start
            later, same = (at > since, job_id > last_id) if self._goes_up else (at < since, job_id < last_id)
            yield at >= since if self._goes_up else at <= since
            yield or_(later, and_(at == since, same))
        if end is not None:
            until, last_id = end
            earlier, same = (at < until, job_id <= last_id) if self._goes_up else (at > until, job_id >= last_id)
            yield at <= until if self._goes_up else at >= until
            yield or_(earlier, and_(at == until, same))

    def _is_behind(self, last: Place, start: Place | None) -> bool:
        """Whether the walk goes on; a damaged moment could lead back to where it came from."""
        return start is None or (last > start if self._goes_up else last < start)
