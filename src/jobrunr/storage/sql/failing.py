"""FAILED jobs, put together by what their failures have in common."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, bindparam, func, select, type_coerce
from sqlalchemy.types import NullType

from jobrunr.states import JobState
from jobrunr.storage.contract import FailureGroup
from jobrunr.storage.sql.dialects.base import Dialect
from jobrunr.storage.sql.rows import NONSENSE, read_jobs, read_value


class Failing:
    """Groups jobs by fingerprint. An index holds all that this needs to know of FAILED jobs, and of no others."""

    def __init__(self, dialect: Dialect) -> None:
        jobs = dialect.tables.jobs
        failed = dialect.tables.in_state(JobState.FAILED)
        self.dialect = dialect
        self._state_at = jobs.c.state_at
        first, last = (type_coerce(moment(jobs.c.state_at), NullType) for moment in (func.min, func.max))
        self._groups = (
            select(jobs.c.fingerprint, func.count(), first, last)
            .where(failed, jobs.c.fingerprint.is_not(None))
            .group_by(jobs.c.fingerprint)
            .order_by(func.max(jobs.c.state_at).desc(), jobs.c.fingerprint.desc())
            .limit(bindparam("limit"))
        )
        self._last = (
            select(*jobs.c)
            .where(failed, jobs.c.fingerprint == bindparam("print"))
            .order_by(jobs.c.state_at.desc(), jobs.c.id.desc())
            .limit(1)
        )

    def groups(self, connection: Connection, limit: int) -> list[FailureGroup]:
        """The groups that failed last."""
        return list(self._read(connection, limit))

    def _read(self, connection: Connection, limit: int) -> Iterator[FailureGroup]:
        for fingerprint, count, first, last in connection.execute(self._groups, {"limit": limit}).all():
            examples = read_jobs(connection, self.dialect, self._last, {"print": fingerprint})
            if not examples:  # somebody has taken the last one away just now
                continue
            try:
                first_at, last_at = read_value(self._state_at, first), read_value(self._state_at, last)
            except NONSENSE:  # one of them was damaged; what the example says is left
                first_at = last_at = examples[0].state_at
            yield FailureGroup(fingerprint, count, first_at, last_at, examples[0])
