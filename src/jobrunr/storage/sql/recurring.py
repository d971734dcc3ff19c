"""Recurring jobs: stored by compare-and-set on their version, and read whatever somebody may have done to their rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, bindparam, delete, select, update
from sqlalchemy.exc import DBAPIError

from jobrunr.ids import JobId
from jobrunr.jobs import JobDetails, JobUpdate
from jobrunr.recurring_job import JobTemplate, Misfire, RecurringJob, Skips
from jobrunr.storage.sql.dialects.base import Dialect
from jobrunr.storage.sql.rows import NO_TIME, NONSENSE, read_value
from jobrunr.storage.sql.updating import Updating, in_batches

_skips = msgspec.json.Decoder(Skips)
_template = msgspec.json.Decoder(JobTemplate)
_MISFIRES = {misfire.value: misfire for misfire in Misfire}
_UNREADABLE = JobTemplate(details=JobDetails(target="?"), name="?")


class Recurring:
    """The table of recurring jobs."""

    def __init__(self, dialect: Dialect, updating: Updating) -> None:
        jobs, runs = dialect.tables.recurring_jobs, dialect.tables.recurring_runs
        self.dialect = dialect
        self._updating = updating
        self._table = jobs
        named = jobs.c.id == bindparam("name")
        self._one = select(*jobs.c).where(named)
        by_id = dialect.by_code_point(jobs.c.id)
        self._first = select(*jobs.c).order_by(by_id).limit(bindparam("limit"))
        self._behind = self._first.where(by_id > bindparam("behind"))
        self._remove = delete(jobs).where(named)
        self._free = delete(runs).where(dialect.among(runs.c.job_id))
        these = jobs.c.id.in_(bindparam("names", expanding=True))
        declared = jobs.c.declared_at.is_not(None)
        self._declare = update(jobs).where(these, declared).values(declared_at=dialect.now_sql)
        self._declared = select(jobs.c.id).where(these, declared)
        self._undeclared = select(*jobs.c).where(jobs.c.declared_at < bindparam("since"))

    # -- looking

    def get(self, connection: Connection, name: str) -> RecurringJob | None:
        """One recurring job."""
        found = read_recurring_jobs(connection, self.dialect, self._one, {"name": name})
        return found[0] if found else None

    def find(self, connection: Connection, limit: int, after: str | None) -> list[RecurringJob]:
        """Recurring jobs in the order of their ids."""
        if after is None:
            return read_recurring_jobs(connection, self.dialect, self._first, {"limit": limit})
        return read_recurring_jobs(connection, self.dialect, self._behind, {"limit": limit, "behind": after})

    def undeclared(self, connection: Connection, grace: timedelta) -> list[RecurringJob]:
        """Those that nobody has declared for so long."""
        since = self.dialect.now(connection) - grace
        return read_recurring_jobs(connection, self.dialect, self._undeclared, {"since": since})

    # -- changing

    def save(self, connection: Connection, job: RecurringJob, withdrawn: Sequence[JobUpdate]) -> bool:
        """Store a recurring job in place of the version before."""
        known = self._locked(connection, job.id)
        if known is None:
            if job.version != 1:
                return False
            self.dialect.insert_missing(connection, self._table, [recurring_values(job)])
            if self._locked(connection, job.id) != job:  # somebody else was faster
                return False
        elif known != job:
            if known.version != job.version - 1:
                return False
            self.dialect.insert_or_replace(connection, self._table, [recurring_values(job)])
        self._withdraw(connection, withdrawn)
        return True

    def delete(self, connection: Connection, name: str, version: int, withdrawn: Sequence[JobUpdate]) -> bool:
        """Remove a recurring job of this version."""
        known = self._locked(connection, name)
        if known is None or known.version != version:
            return False
        connection.execute(self._remove, {"name": name})
        self._withdraw(connection, withdrawn)
        return True

    def _locked(self, connection: Connection, name: str) -> RecurringJob | None:
        found = read_recurring_jobs(connection, self.dialect, self._one.with_for_update(), {"name": name})
        return found[0] if found else None

    def _withdraw(self, connection: Connection, updates: Sequence[JobUpdate]) -> None:
        """Write these changes of jobs; the times that they stood for are free again."""
        written: set[JobId] = set()
        for batch in in_batches(updates):
            written |= self._updating.update(connection, batch)
        if written:
            connection.execute(self._free, {"ids": sorted(written)})

    def declare(self, connection: Connection, names: Collection[str]) -> frozenset[str]:
        """Note that these are declared now."""
        parameters = {"names": sorted(names)}
        connection.execute(self._declare, parameters)
        return frozenset(connection.execute(self._declared, parameters).scalars())


# -- rows


def recurring_values(job: RecurringJob) -> dict[str, Any]:
    """A recurring job, column by column."""
    return {
        "id": job.id,
        "schedule": job.schedule,
        "zone": job.zone,
        "template": msgspec.json.encode(job.template).decode(),
        "misfire": job.misfire.value,
        "max_concurrent": job.max_concurrent,
        "until": job.until,
        "anchor": job.anchor,
        "next_run_at": job.next_run_at,
        "look_at": job.look_at,
        "last_run_at": job.last_run_at,
        "skips": None if job.skips is None else msgspec.json.encode(job.skips).decode(),
        "paused_at": job.paused_at,
        "pause_reason": job.pause_reason,
        "problem": job.problem,
        "declared_at": job.declared_at,
        "version": job.version,
        "created_at": job.created_at,
        "changed_at": job.changed_at,
    }


def read_recurring_jobs(
    connection: Connection, dialect: Dialect, statement: Select[*tuple[Any, ...]], parameters: dict[str, Any]
) -> list[RecurringJob]:
    """Run a selection of all columns of the table of recurring jobs, in their order, and return the recurring jobs.

    One whose row holds nonsense has a `problem` that says so.
    """
    try:
        return [_to_recurring_job(row) for row in connection.execute(statement, parameters).all()]
    except DBAPIError as error:
        if dialect.trouble(error) is not None:
            raise  # the database has a problem, not the row
    except (*NONSENSE, msgspec.MsgspecError):
        pass
    table = dialect.tables.recurring_jobs
    raw = statement.with_only_columns(*(dialect.raw(column) for column in table.c))
    return [_to_recurring_job_with_care(dialect, row) for row in connection.execute(raw, parameters).all()]


def _to_recurring_job(row: Sequence[Any]) -> RecurringJob:
    (
        name, schedule, zone, template, misfire, max_concurrent, until, anchor, next_run_at, look_at, last_run_at, skips,
        paused_at, pause_reason, problem, declared_at, version, created_at, changed_at,
    ) = row  # fmt: skip
    if {type(name), type(schedule), type(zone)} != {str} or {type(max_concurrent), type(version)} != {int}:
        raise TypeError("id, schedule and zone are text, max_concurrent and version are whole numbers")
    return RecurringJob(
        id=name,
        schedule=schedule,
        zone=zone,
        template=_template.decode(template),
        misfire=_MISFIRES[misfire],
        max_concurrent=max_concurrent,
        until=until,
        anchor=anchor,
        next_run_at=next_run_at,
        look_at=look_at,
        last_run_at=last_run_at,
        skips=None if skips is None else _skips.decode(skips),
        paused_at=paused_at,
        pause_reason=pause_reason,
        problem=problem,
        declared_at=declared_at,
        version=version,
        created_at=created_at,
        changed_at=changed_at,
    )


def _to_recurring_job_with_care(dialect: Dialect, row: Sequence[Any]) -> RecurringJob:
    values: dict[str, Any] = {}
    problems: list[str] = []
    for column, raw in zip(dialect.tables.recurring_jobs.c, row, strict=True):
        try:
            values[column.name] = read_value(column, raw)
        except NONSENSE as error:
            problems.append(f"its {column.name} is {raw!r:.100} ({error})")
            values[column.name] = _INSTEAD.get(column.name)
    for name, read, instead in _DOCUMENTS:
        try:
            values[name] = None if values[name] is None else read(values[name])
        except (*NONSENSE, msgspec.MsgspecError) as error:
            problems.append(f"its {name} is {values[name]!r:.100} ({error})")
            values[name] = instead
    if problems:
        values["problem"] = f"its row cannot be read: {'; '.join(problems)}"
        values["next_run_at"] = None
    return RecurringJob(**values)


_DOCUMENTS: tuple[tuple[str, Any, Any], ...] = (
    ("template", _template.decode, _UNREADABLE),
    ("skips", _skips.decode, None),
    ("misfire", _MISFIRES.__getitem__, Misfire.SKIP),
)
_INSTEAD: dict[str, Any] = {
    "id": "?",
    "schedule": "?",
    "zone": "UTC",
    "template": "null",
    "misfire": "skip",
    "max_concurrent": 1,
    "anchor": NO_TIME,
    "version": 0,
    "created_at": NO_TIME,
    "changed_at": NO_TIME,
}
"""What stands for a value that cannot be read; None for all others."""
