"""Finding and counting jobs among any number of them. Nothing is ever sorted but the few jobs of a rare label, queue or
server, or of one recurring job; everything else is found in the order of an index."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, literal_column, select

from jobrunr.jobs import DEFAULT_QUEUE, MAX_LABEL_LENGTH, Job
from jobrunr.states import JobState
from jobrunr.storage.contract import JobCount, JobOrder, JobPage, JobQuery
from jobrunr.storage.query import Place, has_text, place, read_cursor, write_cursor
from jobrunr.storage.sql.counting import Counting
from jobrunr.storage.sql.dialects.base import Dialect
from jobrunr.storage.sql.matching import Matching
from jobrunr.storage.sql.rows import NONSENSE, read_jobs
from jobrunr.storage.sql.walking import Walk

FEW = 5_000
"""So many jobs of a label, a recurring job, a queue or a server are looked at one by one."""
AT_ONCE = 500


class Searching:
    """Answers queries."""

    def __init__(self, dialect: Dialect, counting: Counting) -> None:
        jobs, labels = dialect.tables.jobs, dialect.tables.job_labels
        self.dialect = dialect
        self._counting = counting
        self._matching = Matching(dialect)
        self._these = select(*jobs.c).where(dialect.among(jobs.c.id))
        self._of_label = select(labels.c.job_id).where(labels.c.label == bindparam("name"))
        self._of_recurring = select(jobs.c.id).where(jobs.c.recurring_job_id == bindparam("name"))
        # The second condition is that of the index, in so many words.
        is_other = jobs.c.queue != literal_column(f"'{DEFAULT_QUEUE}'")
        self._of_queue = select(jobs.c.id).where(jobs.c.queue == bindparam("name"), is_other)
        self._of_server = select(jobs.c.id).where(jobs.c.server_name == bindparam("name"))

    def find(self, connection: Connection, query: JobQuery) -> JobPage:
        """A page of jobs.

        Raises:
            OptionError: the cursor is none of ours.
        """
        after = None if query.after is None else read_cursor(query.after)
        places = self._places_of_few(connection, query)
        if places is None:
            return self._walk(connection, query, after)
        if query.order is JobOrder.OLDEST:
            first = heapq.nsmallest(query.limit + 1, (p for p in places if after is None or p > after))
        else:
            first = heapq.nlargest(query.limit + 1, (p for p in places if after is None or p < after))
        order = {job_id: index for index, (_, job_id) in enumerate(first)}
        jobs = [job for ids in _cut(list(order)) for job in read_jobs(connection, self.dialect, self._these, {"ids": ids})]
        return _page(sorted(jobs, key=lambda job: order[job.id]), query)

    def count(self, connection: Connection, query: JobQuery) -> JobCount:
        """How many jobs there are, as far as patience goes."""
        if query.only_state:
            counts = self._counting.read(connection)
            return JobCount(sum(counts.values()) if query.state is None else counts[query.state], is_exact=True)
        places = self._places_of_few(connection, query)
        if places is not None:
            return JobCount(len(places), is_exact=True)
        ends_at, number = _end_of_patience(query), 0
        for walk in self._walks(connection, query, ends_at):
            for count in walk.counts():
                number += count
                if time.monotonic() >= ends_at:
                    return JobCount(number, is_exact=False)
        return JobCount(number, is_exact=True)

    # -- many

    def _walk(self, connection: Connection, query: JobQuery, after: Place | None) -> JobPage:
        """The first jobs behind a place, out of all orders that there are."""
        ends_at = _end_of_patience(query)
        steps = [walk.jobs(after) for walk in self._walks(connection, query, ends_at)]
        found: list[Job] = []
        for here, job in heapq.merge(*steps, key=itemgetter(0), reverse=query.order is not JobOrder.OLDEST):
            if job is not None:
                found.append(job)
                if len(found) > query.limit:
                    break
            elif len(found) == query.limit:
                return JobPage(tuple(found), write_cursor(here))
            elif time.monotonic() >= ends_at:
                return JobPage(tuple(found), write_cursor(here), searched_to=here[0])
        return _page(found, query)

    def _walks(self, connection: Connection, query: JobQuery, ends_at: float) -> Iterator[Walk]:
        """One way for each order that the wanted jobs stand in: only within a state do they stand by the moment it began."""
        states: Iterable[JobState | None] = [query.state] if query.state or not query.is_by_change else JobState
        return (Walk(connection, self.dialect, query, state, ends_at) for state in states)

    # -- few

    def _places_of_few(self, connection: Connection, query: JobQuery) -> list[Place] | None:
        """Where all jobs stand that the query asks for, if something that an index knows says that there are few."""
        try:
            ids = self._few(connection, query)
            return None if ids is None else [at for some in _cut(ids) for at in self._places(connection, query, some)]
        except NONSENSE:  # somebody damaged one of them
            return None

    def _few(self, connection: Connection, query: JobQuery) -> Sequence[UUID] | None:
        """Ids among which everything is that the query asks for."""
        chosen = (
            (self._of_label, None if query.label is None else query.label[:MAX_LABEL_LENGTH]),
            (self._of_recurring, query.recurring_job_id),
            (self._of_queue, None if query.queue == DEFAULT_QUEUE else query.queue),
            (self._of_server, query.server),
        )
        for statement, name in chosen:
            if name is None:
                continue
            one_too_many = statement.offset(FEW).limit(1)  # counted by the database; that is cheap, fetching is not
            if connection.execute(one_too_many, {"name": name}).first() is None:
                return connection.execute(statement, {"name": name}).scalars().all()
        return None

    def _places(self, connection: Connection, query: JobQuery, ids: Sequence[UUID]) -> Iterator[Place]:
        """Where those of these jobs stand that the query asks for."""
        jobs = self.dialect.tables.jobs.c
        at = jobs.state_at if query.is_by_change else jobs.created_at
        texts: list[Any] = [jobs.name, jobs.target, jobs.past] if query.text else []
        wanted = select(at, jobs.id, *texts).where(self.dialect.among(jobs.id), *self._matching.all(query))
        for moment, job_id, *own in connection.execute(wanted, {"ids": ids}):
            if not query.text or has_text(query.text, *own):
                yield moment, job_id


def _page(found: Sequence[Job], query: JobQuery) -> JobPage:
    """A page of what was found, which is one more if there is another page."""
    jobs = tuple(found[: query.limit])
    return JobPage(jobs, write_cursor(place(jobs[-1], query)) if jobs and len(found) > len(jobs) else None)


def _end_of_patience(query: JobQuery) -> float:
    return float("inf") if query.patience is None else time.monotonic() + query.patience.total_seconds()


def _cut(ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    return (ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE))
