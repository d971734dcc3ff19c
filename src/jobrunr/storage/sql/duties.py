"""What the master asks for: promoting and rescuing.

Jobs to be moved are locked first, and those that others hold are left for the next time: a duty waits for nobody.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    Connection,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    update,
)

from jobrunr.jobs import Job
from jobrunr.states import JobState
from jobrunr.storage.contract import Promotion
from jobrunr.storage.sql.column_types import UtcTime
from jobrunr.storage.sql.counting import Counting
from jobrunr.storage.sql.dialects.base import Dialect
from jobrunr.storage.sql.rows import NONSENSE, read_jobs, read_time


class Promoting:
    """Moves SCHEDULED jobs that are due to ENQUEUED."""

    def __init__(self, dialect: Dialect, counting: Counting) -> None:
        jobs = dialect.tables.jobs
        self.dialect = dialect
        self._counting = counting
        scheduled = dialect.tables.in_state(JobState.SCHEDULED)
        due = jobs.c.run_at <= dialect.now_sql
        self._next = select(func.min(jobs.c.run_at)).where(scheduled)
        self._is_any_due = select(exists().where(scheduled, due))
        self._next_look = select(func.min(dialect.tables.recurring_jobs.c.look_at))
        self._next_awaited = select(func.min(jobs.c.run_at)).where(dialect.tables.in_state(JobState.AWAITING))
        self._times = (self._next, self._next_look, self._next_awaited)
        self._all = select(exists().where(scheduled, due), *(time.scalar_subquery() for time in self._times))
        first_due = select(jobs.c.id).where(scheduled, due).order_by(jobs.c.run_at, jobs.c.id).limit(bindparam("limit"))
        self._due = dialect.by_index(first_due.with_for_update(skip_locked=True), jobs, "jobs_scheduled")
        self._awaiting = (
            select(*jobs.c)
            .where(dialect.tables.in_state(JobState.AWAITING), jobs.c.run_at.is_not(None))
            .order_by(jobs.c.run_at, jobs.c.id)
            .limit(bindparam("limit"))
        )
        last_at, last_id = bindparam("last_at", type_=UtcTime()), bindparam("last_id", type_=jobs.c.id.type)
        behind = or_(jobs.c.run_at > last_at, and_(jobs.c.run_at == last_at, jobs.c.id > last_id))
        self._awaiting_behind = self._awaiting.where(jobs.c.run_at >= last_at, behind)
        self._promote = (
            update(jobs)
            .where(dialect.among(jobs.c.id))
            .values(
                state=JobState.ENQUEUED.value,
                version=jobs.c.version + 1,
                state_at=dialect.now_sql,
                enqueued_at=dialect.now_sql,
            )
        )

    def awaiting(self, connection: Connection, limit: int, after: Job | None) -> list[Job]:
        """Those that wait for a better time."""
        if after is None:
            return read_jobs(connection, self.dialect, self._awaiting, {"limit": limit})
        last = {"last_at": after.run_at, "last_id": after.id}
        return read_jobs(connection, self.dialect, self._awaiting_behind, {"limit": limit, **last})

    def nothing_due(self, connection: Connection) -> Promotion | None:
        """What there is to say when nothing is due, which is the usual case; otherwise None."""
        try:
            is_due, *times = connection.execute(self._all).one()
        except NONSENSE:  # one of the moments is none: ask one by one
            is_due = connection.execute(self._is_any_due).scalar_one()
            times = self._read_times(connection)
        return None if is_due else _promotion(0, *times)

    def promote(self, connection: Connection, limit: int) -> Promotion:
        """Move the longest overdue jobs."""
        ids = connection.execute(self._due, {"limit": limit}).scalars().all()
        if ids:
            connection.execute(self._promote, {"ids": ids})
            self._counting.moved(connection, len(ids), JobState.SCHEDULED, JobState.ENQUEUED)
        return _promotion(len(ids), *self._read_times(connection))

    def _read_times(self, connection: Connection) -> list[datetime | None]:
        return [read_time(connection, self.dialect, statement) for statement in self._times]


def _promotion(
    count: int, next_run_at: datetime | None, next_look_at: datetime | None, next_awaited: datetime | None
) -> Promotion:
    return Promotion(count, next_run_at, next_look_at, is_awaited=next_awaited is not None)


class Rescuing:
    """Finds jobs whose server is gone."""

    def __init__(self, dialect: Dialect) -> None:
        jobs, servers = dialect.tables.jobs, dialect.tables.servers
        self.dialect = dialect
        self._orphans = (
            select(*jobs.c)
            .where(dialect.tables.in_state(JobState.PROCESSING), ~exists().where(servers.c.id == jobs.c.server_id))
            .limit(bindparam("limit"))
        )

    def orphans(self, connection: Connection, limit: int) -> list[Job]:
        """PROCESSING jobs whose server is not registered."""
        return read_jobs(connection, self.dialect, self._orphans, {"limit": limit})
