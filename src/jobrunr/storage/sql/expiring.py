"""What goes when its time is over.

Jobs to be moved are locked first, and those that others hold are left for the next time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Delete,
    Executable,
    bindparam,
    case,
    delete,
    or_,
    select,
    update,
)

from jobrunr.history import StateChange, write_lines
from jobrunr.jobs import EXPIRED
from jobrunr.states import JobState
from jobrunr.storage.contract import Retention
from jobrunr.storage.overview import KEEP_SAMPLES
from jobrunr.storage.sql.auditing import Auditing
from jobrunr.storage.sql.column_types import UtcTime
from jobrunr.storage.sql.counting import Counting
from jobrunr.storage.sql.dialects.base import Dialect
from jobrunr.storage.sql.firing import FiringTables
from jobrunr.storage.sql.rows import read_jobs
from jobrunr.storage.sql.sampling import Sampling
from jobrunr.transitions import expiry

_MANY_SAMPLES = timedelta(hours=1)
"""There is a sample for each minute, and so one that is too old; they are worth a look when they are many."""


def _moment(name: str) -> BindParameter[datetime]:
    return bindparam(name, type_=UtcTime())


def _is_there(these: tuple[ColumnElement[Any], *tuple[ColumnElement[bool], ...]]) -> ColumnElement[bool]:
    # Differs from EXISTS, for which PostgreSQL goes through the table where it expects to find many.
    order, *conditions = these
    return select(order).where(*conditions).order_by(order).limit(1).scalar_subquery().is_not(None)


class Expiring:
    """Moves finished jobs to DELETED, and removes DELETED ones, and what else was noted long ago."""

    def __init__(
        self, dialect: Dialect, counting: Counting, firing: FiringTables, sampling: Sampling, auditing: Auditing
    ) -> None:
        jobs = dialect.tables.jobs
        self.dialect = dialect
        self._counting = counting
        self._firing = firing
        self._sampling = sampling
        self._auditing = auditing
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
        self._remove = [*self._removals()]
        self._is_anything_over = select(or_(*map(_is_there, self._too_old())))

    def _removals(self) -> Iterator[Delete]:
        """What removes jobs, the job itself at last."""
        tables = self.dialect.tables
        for table in (tables.job_logs, tables.job_data, tables.job_labels):
            yield delete(table).where(self.dialect.among(table.c.job_id))
        yield delete(tables.jobs).where(self.dialect.among(tables.jobs.c.id))

    def _too_old(self) -> Iterator[tuple[ColumnElement[Any], *tuple[ColumnElement[bool], ...]]]:
        """All that is removed, one by one: in which order to look for it, and its conditions. Each has an index."""
        tables = self.dialect.tables
        jobs, runs = tables.jobs.c, tables.recurring_runs.c
        for state in (JobState.DELETED, JobState.SUCCEEDED, JobState.FAILED):
            in_state = tables.in_state(state)
            at = jobs.state_at
            yield jobs.expires_at, in_state, jobs.expires_at <= _moment("now")
            yield at, in_state, jobs.expires_at.is_(None), at.is_not(None), at <= _moment(state.value)
        yield runs.noted_at, runs.skips.is_(None), runs.noted_at <= _moment("runs")
        yield runs.noted_at, runs.skips.is_not(None), runs.noted_at <= _moment("skips")
        yield tables.samples.c.minute, tables.samples.c.minute <= _moment("samples")
        yield tables.audit.c.at, tables.audit.c.at <= _moment("audit")

    def _some(self, *conditions: ColumnElement[bool], order: Sequence[ColumnElement[Any]]) -> Executable:
        ids = select(self.dialect.tables.jobs.c.id).where(*conditions).order_by(*order)
        return ids.limit(bindparam("limit")).with_for_update(skip_locked=True)

    def is_anything_over(self, connection: Connection, retention: Retention) -> bool:
        """Whether there is anything to remove, of jobs or of what was noted long ago: usually there is not."""
        now = self.dialect.now(connection)
        kept = {
            JobState.DELETED.value: retention.purge_deleted_after,
            JobState.SUCCEEDED.value: retention.delete_succeeded_after,
            JobState.FAILED.value: retention.delete_failed_after,
            "now": timedelta(0),
            "runs": retention.forget_runs_after,
            "skips": retention.forget_skips_after,
            "samples": KEEP_SAMPLES + _MANY_SAMPLES,
            "audit": retention.forget_audit_after,
        }
        moments = {name: None if keep is None else now - keep for name, keep in kept.items()}
        return bool(connection.scalar(self._is_anything_over, moments))

    def forget(self, connection: Connection, retention: Retention, limit: int) -> None:
        """Remove what is no job, up to so much of each kind."""
        self._firing.forget(connection, retention, limit)
        self._sampling.forget(connection)
        self._auditing.forget(connection, retention.forget_audit_after, limit)

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
