"""What the master asks for: promoting, rescuing, expiring.

Jobs to be moved are locked first, and those that others hold are left for the next time: a duty waits for nobody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)

from jobrunr.history import StateChange, write_lines
from jobrunr.jobs import EXPIRED, Job
from jobrunr.states import JobState
from jobrunr.storage.contract import Promotion, Retention
from jobrunr.storage.sql.column_types import UtcTime
from jobrunr.storage.sql.counting import Counting
from jobrunr.storage.sql.dialects.base import Dialect
from jobrunr.storage.sql.rows import NONSENSE, read_jobs, read_time
from jobrunr.transitions import expiry


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
        self._due = (
            select(jobs.c.id)
            .where(scheduled, due)
            .order_by(jobs.c.run_at, jobs.c.id)
            .limit(bindparam("limit"))
            .with_for_update(skip_locked=True)
        )
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


class Expiring:
    """Moves finished jobs to DELETED, and removes DELETED ones."""

    def __init__(self, dialect: Dialect, counting: Counting) -> None:
        tables = dialect.tables
        jobs = tables.jobs
        self.dialect = dialect
        self._counting = counting
        in_state = jobs.c.state == bindparam("in_state")
        self._by_own_rule = self._some(in_state, jobs.c.expires_at <= bindparam("now"), order=[jobs.c.expires_at])
        self._by_age = self._some(
            in_state,
            jobs.c.expires_at.is_(None),
            jobs.c.state_at.is_not(None),
            jobs.c.state_at <= bindparam("until"),
            order=[jobs.c.state_at, jobs.c.id],
        )
        these = dialect.among(jobs.c.id)
        self._move = (
            update(jobs)
            .where(these)
            .values(
                state=JobState.DELETED.value,
                version=jobs.c.version + 1,
                state_at=bindparam("now"),
                expires_at=None,
                # The columns of a job that succeeded still tell of it; what failed has all its history in the past.
                past=jobs.c.past + case((jobs.c.finished_at.is_(None), bindparam("line")), else_=""),
            )
        )
        self._with_extras = select(*jobs.c).where(these, jobs.c.extras.is_not(None))
        self._set_expiry = update(jobs).where(these).values(expires_at=bindparam("at"))
        self._remove = [
            delete(table).where(dialect.among(column))
            for table, column in (
                (tables.job_logs, tables.job_logs.c.job_id),
                (tables.job_data, tables.job_data.c.job_id),
                (tables.job_labels, tables.job_labels.c.job_id),
                (jobs, jobs.c.id),
            )
        ]

    def _some(self, *conditions: ColumnElement[bool], order: Sequence[ColumnElement[Any]]) -> Executable:
        ids = select(self.dialect.tables.jobs.c.id).where(*conditions).order_by(*order)
        return ids.limit(bindparam("limit")).with_for_update(skip_locked=True)

    def expire(self, connection: Connection, retention: Retention, limit: int) -> int:
        """Move and remove up to so many jobs."""
        now = self.dialect.now(connection)
        # DELETED comes first, so that what is moved there now is not removed in the same breath.
        over = self._over(connection, JobState.DELETED, retention.purge_deleted_after, now, limit)
        self._purge(connection, over)
        count = len(over)
        for state, keep in (
            (JobState.SUCCEEDED, retention.delete_succeeded_after),
            (JobState.FAILED, retention.delete_failed_after),
        ):
            over = self._over(connection, state, keep, now, limit - count)
            self._delete(connection, state, over, now)
            count += len(over)
        return count

    def _over(
        self, connection: Connection, state: JobState, keep: timedelta | None, now: datetime, limit: int
    ) -> Sequence[UUID]:
        """Jobs whose time is over: by their own rule, or because they have none and were kept for so long."""
        parameters: dict[str, Any] = {"in_state": state.value, "now": now, "limit": limit}
        found = connection.execute(self._by_own_rule, parameters).scalars().all() if limit else []
        if keep is None or len(found) == limit:
            return found
        parameters = {"in_state": state.value, "until": now - keep, "limit": limit - len(found)}
        return [*found, *connection.execute(self._by_age, parameters).scalars()]

    def _delete(self, connection: Connection, state: JobState, ids: Sequence[UUID], now: datetime) -> None:
        """Move jobs to DELETED."""
        if not ids:
            return
        line = write_lines([StateChange(state=JobState.DELETED, at=now, reason=EXPIRED)])
        connection.execute(self._move, {"ids": ids, "now": now, "line": line})
        self._counting.moved(connection, len(ids), state, JobState.DELETED)
        own_rules = read_jobs(connection, self.dialect, self._with_extras, {"ids": ids})
        expiries: defaultdict[datetime, list[UUID]] = defaultdict(list)
        for job in own_rules:
            at = expiry(job, JobState.DELETED, now)
            if at is not None:
                expiries[at].append(job.id)
        for at, ids_of_rule in expiries.items():
            connection.execute(self._set_expiry, {"ids": ids_of_rule, "at": at})

    def _purge(self, connection: Connection, ids: Sequence[UUID]) -> None:
        """Remove jobs for good."""
        if ids:
            for statement in self._remove:
                connection.execute(statement, {"ids": ids})
            self._counting.add(connection, {JobState.DELETED: -len(ids)})
