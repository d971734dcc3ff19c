"""Changes of state that were decided elsewhere, each written if and only if its guard holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, update

from jobrunr.ids import JobId
from jobrunr.jobs import JobUpdate
from jobrunr.states import JobState
from jobrunr.storage.sql.counting import Counting
from jobrunr.storage.sql.dialects.base import Dialect


class Updating:
    """Locks the jobs in question in the order of their ids, looks at each guard, and writes those that hold."""

    def __init__(self, dialect: Dialect, counting: Counting) -> None:
        jobs = dialect.tables.jobs
        self.dialect = dialect
        self._counting = counting
        self._guards = (
            select(
                jobs.c.id,
                jobs.c.state,
                jobs.c.version,
                jobs.c.claim_token,
                jobs.c.state_at,
                jobs.c.scheduled_at,
                jobs.c.enqueued_at,
                jobs.c.finished_at,
            )
            .where(dialect.among(jobs.c.id))
            .order_by(jobs.c.id)
            .with_for_update()
        )
        this_job = jobs.c.id == bindparam("job_id")
        begun = {"state": bindparam("new_state"), "version": jobs.c.version + 1, "state_at": bindparam("at")}
        outcome = {"result": bindparam("new_result"), "expires_at": bindparam("new_expires_at")}
        self._succeed = update(jobs).where(this_job).values(**begun, **outcome, finished_at=bindparam("at"))
        self._change = (
            update(jobs)
            .where(this_job)
            .values(
                **begun,
                **outcome,
                claim_token=bindparam("kept_token"),
                attempts=bindparam("new_attempts"),
                failures=bindparam("new_failures"),
                run_at=bindparam("new_run_at"),
                reason=bindparam("new_reason"),
                scheduled_at=bindparam("new_scheduled_at"),
                enqueued_at=bindparam("new_enqueued_at"),
                started_at=None,
                finished_at=None,
                server_id=None,
                server_name=None,
                past=jobs.c.past + bindparam("more_past"),
            )
        )

    def update(self, connection: Connection, updates: Sequence[JobUpdate]) -> frozenset[JobId]:
        """Write on a connection whose transaction is the caller's business; return the ids whose change is there now."""
        wanted = first_of_each(updates)
        rows = {row.id: row for row in connection.execute(self._guards, {"ids": list(wanted)})}
        written: set[JobId] = set()
        changes: list[JobUpdate] = []
        moves: Counter[str] = Counter()
        for job_id, change in wanted.items():
            row = rows.get(job_id)
            if row is None:
                continue
            if _holds(row, change):
                changes.append(change)
                moves[row.state] -= 1
                moves[change.state] += 1
            elif not was_written(row, change):
                continue
            written.add(job_id)
        self._write(connection, changes)
        self._counting.add(connection, moves)
        return frozenset(written)

    def _write(self, connection: Connection, changes: list[JobUpdate]) -> None:
        """Write changes to jobs that are locked."""
        for statement, is_success in ((self._succeed, True), (self._change, False)):
            values = [change_values(change) for change in changes if (change.state is JobState.SUCCEEDED) is is_success]
            if values:
                connection.execute(statement, values)


def first_of_each(updates: Sequence[JobUpdate]) -> dict[JobId, JobUpdate]:
    """The first update for each job, in the order of the ids: all who change many jobs lock them in this order."""
    return {change.job_id: change for change in sorted(reversed(updates), key=lambda change: change.job_id)}


def change_values(change: JobUpdate) -> dict[str, Any]:
    """An update as the parameters of a statement. Success leaves the attempt in its columns; everything else has put it into
    the past, and may begin a new one."""
    return {
        "job_id": change.job_id,
        "new_state": change.state.value,
        "at": change.at,
        "new_result": change.result_json,
        "new_expires_at": change.expires_at,
        "kept_token": change.token if change.keep_token else None,
        "new_attempts": change.attempts,
        "new_failures": change.failures,
        "new_run_at": change.run_at,
        "new_reason": change.reason,
        "new_scheduled_at": change.at if change.state is JobState.SCHEDULED else None,
        "new_enqueued_at": change.at if change.state is JobState.ENQUEUED else None,
        "more_past": change.past,
    }


def _holds(row: Row[Any], change: JobUpdate) -> bool:
    """Whether the guard of an update holds. An update without a guard never may be written."""
    if change.token is not None:
        return bool(row.state == JobState.PROCESSING and row.claim_token == change.token)
    return change.version is not None and bool(row.version == change.version)


def was_written(row: Row[Any], change: JobUpdate) -> bool:
    """Whether this very update of an owner, whose token is still in the row, was written before. The job may have moved on
    since then, so the moment is looked for where the moves after it leave it."""
    if change.token is None or row.claim_token != change.token or row.state == JobState.PROCESSING:
        return False
    if change.state is JobState.SUCCEEDED:
        return bool(row.finished_at == change.at)
    if change.state is JobState.SCHEDULED:
        return bool(row.scheduled_at == change.at)
    if change.state is JobState.ENQUEUED:
        return row.scheduled_at is None and bool(row.enqueued_at == change.at)
    return bool(row.state == change.state and row.state_at == change.at)
