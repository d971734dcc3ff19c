"""From rows to values.

A row is taken column by column, in the order of the table, and nothing in it is decoded that the reader may not want. A row
that holds nonsense fails the quick way; then all rows of the answer are read again the slow way, as raw text that the
driver cannot stumble over, and only the bad ones come out as unreadable.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Column, Connection, Executable, Integer, Row, Select
from sqlalchemy.exc import DBAPIError

from jobrunr.ids import JobId
from jobrunr.jobs import Job, JobDetails
from jobrunr.server_record import ServerRecord
from jobrunr.states import JobState
from jobrunr.storage.sql.column_types import Id, UtcTime
from jobrunr.storage.sql.dialects.base import Dialect

_log = logging.getLogger("jobrunr.storage")

_TEXT, _TEXT_OR_NOTHING, _NUMBER = {str}, {str, type(None)}, {int}
_STATES = {state.value: state for state in JobState}


def to_job(row: Sequence[Any], unreadable: str | None = None) -> Job:
    """The job in a row of the table of jobs.

    Raises:
        ValueError, TypeError, KeyError, AttributeError, OverflowError: a column holds something that we never write.
    """
    job = job_of_typed(row, unreadable)
    if {type(job.details.target), type(job.details.arguments), type(job.name), type(job.queue), type(job.past)} != _TEXT:
        raise TypeError("target, arguments, name, queue and past are text")
    texts = job.labels_json, job.reason, job.server_name, job.recurring_job_id, job.result_json, job.extras_json
    if not {*map(type, texts), type(job.by), type(job.fingerprint)} <= _TEXT_OR_NOTHING:
        raise TypeError(
            "labels, reason, server_name, recurring_job_id, result, extras, actor and fingerprint are text, if anything"
        )
    if {type(job.version), type(job.priority), type(job.retries), type(job.attempts), type(job.failures)} != _NUMBER:
        raise TypeError("version, priority, retries, attempts and failures are whole numbers")
    if type(job.crashes) is not int:
        raise TypeError("crashes is a whole number, if anything")
    return job


def job_of_typed(row: Sequence[Any], unreadable: str | None = None) -> Job:
    """The same, where it is certain that each column holds what it is for: on PostgreSQL, whose columns hold nothing else.

    Raises:
        KeyError, AttributeError: the state, or the id, is nonsense nevertheless.
    """
    (
        job_id, state, version, claim_token, target, arguments, name, queue, priority, labels, retries, attempts, failures,
        created_at, state_at, scheduled_at, run_at, enqueued_at, started_at, finished_at, reason, server_id, server_name,
        recurring_job_id, result, expires_at, extras, past, actor, fingerprint,
        crashes, begun_token,
    ) = row  # fmt: skip
    return Job(
        id=JobId.of(job_id),
        details=JobDetails(target, arguments),
        name=name,
        state=_STATES[state],
        version=version,
        claim_token=claim_token,
        queue=queue,
        priority=priority,
        labels_json=labels,
        retries=retries,
        attempts=attempts,
        failures=failures,
        created_at=created_at,
        state_at=state_at,
        scheduled_at=scheduled_at,
        run_at=run_at,
        enqueued_at=enqueued_at,
        started_at=started_at,
        finished_at=finished_at,
        reason=reason,
        by=actor,
        server_id=server_id,
        server_name=server_name,
        recurring_job_id=recurring_job_id,
        result_json=result,
        expires_at=expires_at,
        extras_json=extras,
        fingerprint=fingerprint,
        crashes=0 if crashes is None else crashes,
        begun_token=begun_token,
        past=past,
        unreadable=unreadable,
    )


def in_utc(rows: Sequence[Row[Any]]) -> Sequence[Sequence[Any]]:
    """Rows of the table of jobs as the driver made them; with their moments in UTC, if the connection has another zone."""
    if not rows or rows[0].created_at.tzinfo is UTC:
        return rows
    return [[value.astimezone(UTC) if isinstance(value, datetime) else value for value in row] for row in rows]


NONSENSE = (ValueError, TypeError, KeyError, AttributeError, OverflowError)
"""What reading a damaged value may raise, besides an error of the driver."""


def read_jobs(
    connection: Connection, dialect: Dialect, statement: Select[*tuple[Any, ...]], parameters: dict[str, Any]
) -> list[Job]:
    """Run a selection of all columns of the table of jobs, in their order, and return the jobs."""
    try:
        return [to_job(row) for row in connection.execute(statement, parameters).all()]
    except DBAPIError as error:
        if dialect.trouble(error) is not None:
            raise  # the database has a problem, not the row
    except NONSENSE:
        pass
    raw = statement.with_only_columns(*(dialect.raw(column) for column in dialect.tables.jobs.c))
    return [job for row in connection.execute(raw, parameters).all() if (job := _to_job_with_care(dialect, row)) is not None]


def read_time(connection: Connection, dialect: Dialect, statement: Executable) -> datetime | None:
    """Run a selection of one moment; None when there is none, or something that is no moment."""
    try:
        found: datetime | None = connection.execute(statement).scalar_one_or_none()
    except DBAPIError as error:
        if dialect.trouble(error) is not None:
            raise
    except NONSENSE:
        pass
    else:
        return found
    return None


def _to_job_with_care(dialect: Dialect, row: Sequence[Any]) -> Job | None:
    """The job in a row of raw values, with what cannot be read left out. None when not even the id can be read."""
    values: list[Any] = []
    problems: list[str] = []
    for column, raw in zip(dialect.tables.jobs.c, row, strict=True):
        try:
            values.append(read_value(column, raw))
        except NONSENSE as error:
            if column.primary_key:
                _log.error("The table of jobs has a row with the id %r, which is none; it is passed over.", raw)
                return None
            problems.append(f"its {column.name} is {raw!r:.100} ({error})")
            values.append(_instead(column))
    return to_job(values, "; ".join(problems) or None)


def read_value(column: Column[Any], raw: Any) -> Any:
    """A raw value as its column means it.

    Raises:
        ValueError, TypeError, KeyError, AttributeError, OverflowError: it is nonsense.
    """
    if raw is None:
        if column.nullable:
            return None
        raise ValueError("there is nothing")
    text = raw.decode() if isinstance(raw, bytes) else str(raw)
    if column.name == "state":
        return JobState(text)
    if isinstance(column.type, Id):
        return UUID(text)
    if isinstance(column.type, UtcTime):
        read = datetime.fromisoformat(text)
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    return int(text) if isinstance(column.type, Integer) else text


def _instead(column: Column[Any]) -> Any:
    """What stands in a job for a value that cannot be read."""
    if column.name == "state":
        return JobState.FAILED
    if column.nullable:
        return None
    if isinstance(column.type, UtcTime):
        return NO_TIME
    return 0 if isinstance(column.type, Integer) else ""


NO_TIME = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def to_server(row: Sequence[Any]) -> ServerRecord:
    """The server in a row of the table of servers."""
    server_id, name, workers, busy, queues, version, pid, memory, cpu, first, last, host, tags, is_paused, has_presence = row
    return ServerRecord(
        id=server_id,
        name=name,
        workers=workers,
        busy=busy,
        host=host or "",
        tags=() if tags is None else _texts.decode(tags),
        queues=_texts.decode(queues),
        version=version,
        pid=pid,
        memory=memory,
        cpu=cpu,
        first_heartbeat=first,
        last_heartbeat=last,
        is_paused=bool(is_paused),
        has_presence=bool(has_presence),
    )


def server_values(server: ServerRecord) -> dict[str, Any]:
    """What a server says of itself, column by column."""
    return {
        "id": server.id,
        "name": server.name[:255],
        "workers": server.workers,
        "busy": server.busy,
        "queues": msgspec.json.encode(server.queues).decode(),
        "version": server.version[:100],
        "pid": server.pid,
        "memory": server.memory,
        "cpu": server.cpu,
        "host": server.host[:255],
        "tags": msgspec.json.encode(server.tags).decode(),
        "has_presence": server.has_presence,
    }


_texts = msgspec.json.Decoder(tuple[str, ...])
