"""Looking at single jobs."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, bindparam, select

from jobrunr.jobs import Job
from jobrunr.states import JobState
from jobrunr.storage.sql.dialects.base import Dialect
from jobrunr.storage.sql.rows import read_jobs, read_time


class Looking:
    """Reads jobs one by one."""

    def __init__(self, dialect: Dialect) -> None:
        jobs = dialect.tables.jobs
        self.dialect = dialect
        self._one = select(*jobs.c).where(jobs.c.id == bindparam("job_id"))
        self._oldest = (
            select(jobs.c.state_at)
            .where(dialect.tables.in_state(JobState.ENQUEUED), jobs.c.state_at.is_not(None))
            .order_by(jobs.c.state_at, jobs.c.id)
            .limit(1)
        )

    def get(self, connection: Connection, job_id: UUID) -> Job | None:
        """One job."""
        found = read_jobs(connection, self.dialect, self._one, {"job_id": job_id})
        return found[0] if found else None

    def oldest_enqueued_at(self, connection: Connection) -> datetime | None:
        """Since when the job that has been ENQUEUED longest is waiting."""
        return read_time(connection, self.dialect, self._oldest)
