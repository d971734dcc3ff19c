"""Finding jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, literal, or_, select

from jobrunr.errors import OptionError
from jobrunr.jobs import Job
from jobrunr.states import JobState
from jobrunr.storage.contract import JobPage, JobQuery
from jobrunr.storage.sql.dialects.base import Dialect
from jobrunr.storage.sql.rows import read_jobs, read_time


class Looking:
    """Reads jobs one by one and page by page."""

    def __init__(self, dialect: Dialect) -> None:
        jobs = dialect.tables.jobs
        self.dialect = dialect
        self._jobs = jobs
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

    def find(self, connection: Connection, query: JobQuery) -> JobPage:
        """A page of jobs.

        Raises:
            OptionError: the cursor is none of ours.
        """
        found = read_jobs(connection, self.dialect, self.page(query), {})
        jobs = tuple(found[: query.limit])
        return JobPage(jobs, _write_cursor(jobs[-1], query) if jobs and len(found) > len(jobs) else None)

    def page(self, query: JobQuery) -> Select[*tuple[Any, ...]]:
        """The statement for a page, and one job more to know whether there is another page."""
        jobs = self._jobs
        at = jobs.c.created_at if query.state is None else jobs.c.state_at
        statement = (
            select(*jobs.c).where(*self._conditions(query)).order_by(at.desc(), jobs.c.id.desc()).limit(query.limit + 1)
        )
        if query.after is None:
            return statement
        last_at, last_id = _read_cursor(query.after)
        # Said in two parts: the first is what every database finds the place in an index by.
        return statement.where(at <= last_at, or_(at < last_at, and_(at == last_at, jobs.c.id < last_id)))

    def _conditions(self, query: JobQuery) -> list[ColumnElement[bool]]:
        jobs = self._jobs
        conditions: list[ColumnElement[bool]] = []
        if query.state is not None:
            conditions += [jobs.c.state == query.state.value, jobs.c.state_at.is_not(None)]
        if query.queue is not None:
            conditions.append(jobs.c.queue == query.queue)
        if query.target is not None:
            conditions.append(jobs.c.target == query.target)
        if query.recurring_job_id is not None:
            conditions.append(jobs.c.recurring_job_id == query.recurring_job_id)
        if query.label is not None:
            # Labels are stored as ["a","b"]. Inside a text of JSON every quotation mark is escaped, so these are exact.
            text = msgspec.json.encode(query.label).decode()
            pieces = (literal(f"[{text}"), literal(f",{text}"))
            conditions.append(or_(*(self.dialect.contains(jobs.c.labels, piece) for piece in pieces)))
        return conditions


def _write_cursor(last: Job, query: JobQuery) -> str:
    at = last.created_at if query.state is None else last.state_at
    return f"{at.isoformat()}/{last.id}"


def _read_cursor(cursor: str) -> tuple[datetime, UUID]:
    at, _, job_id = cursor.partition("/")
    try:
        return datetime.fromisoformat(at), UUID(job_id)
    except ValueError:
        raise OptionError(f"after cannot be {cursor!r}; it is the `next` of the page before.") from None
