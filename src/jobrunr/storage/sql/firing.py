"""Recurring jobs whose time has come, and what became of their runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import BindParameter, Connection, and_, bindparam, case, delete, func, select

from jobrunr.ids import JobId
from jobrunr.jobs import NewJob
from jobrunr.recurring_job import Firing, NewRun, RecurringRun, Skips
from jobrunr.states import FINISHED, JobState
from jobrunr.storage.contract import DueRecurringJob, Retention
from jobrunr.storage.sql.column_types import UtcTime
from jobrunr.storage.sql.dialects.base import Dialect
from jobrunr.storage.sql.inserting import Inserting, in_pieces
from jobrunr.storage.sql.recurring import read_recurring_jobs, recurring_values

CHUNK = 1000
"""Firings in a transaction: a handful of statements, however many they are."""

RunKey = tuple[str, datetime]
"""A recurring job, and the time of a run."""

_skips = msgspec.json.Decoder(Skips)


class FiringTables:
    """The tables of recurring jobs and of their runs, and how jobs come of them."""

    def __init__(self, dialect: Dialect, inserting: Inserting) -> None:
        recurring, runs, jobs = dialect.tables.recurring_jobs, dialect.tables.recurring_runs, dialect.tables.jobs
        self.dialect = dialect
        self._inserting = inserting
        self._recurring = recurring
        self._runs = runs
        names: BindParameter[str] = bindparam("names", expanding=True)
        self._due = (
            select(*recurring.c)
            .where(recurring.c.look_at.is_not(None), recurring.c.look_at <= dialect.now_sql)
            .order_by(recurring.c.look_at, recurring.c.id)
            .limit(bindparam("limit"))
        )
        is_ahead = case(
            (jobs.c.state == JobState.AWAITING.value, 1),
            (and_(jobs.c.state == JobState.SCHEDULED.value, func.coalesce(jobs.c.run_at > dialect.now_sql, True)), 1),
            else_=0,
        )
        self._unfinished = (
            select(jobs.c.recurring_job_id, func.count(), func.sum(is_ahead))
            .where(jobs.c.recurring_job_id.in_(names), jobs.c.state.in_([s.value for s in JobState if s not in FINISHED]))
            .group_by(jobs.c.recurring_job_id)
        )
        self._versions = (
            select(recurring.c.id, recurring.c.version)
            .where(recurring.c.id.in_(names))
            .order_by(recurring.c.id)
            .with_for_update()
        )
        self._made = select(runs.c.recurring_job_id, runs.c.run_at).where(
            runs.c.recurring_job_id.in_(names),
            runs.c.run_at.in_(bindparam("times", type_=UtcTime(), expanding=True)),
            runs.c.job_id.is_not(None),
        )
        self._end = delete(recurring).where(recurring.c.id.in_(names))
        self._newest = (
            select(runs.c.run_at, runs.c.job_id, runs.c.skips)
            .where(runs.c.recurring_job_id == bindparam("name"))
            .order_by(runs.c.run_at.desc())
            .limit(bindparam("limit"))
        )
        self._old = (
            select(runs.c.recurring_job_id, runs.c.run_at)
            .where(
                runs.c.noted_at <= bindparam("since", type_=UtcTime()),
                case((runs.c.skips.is_(None), 1), else_=0) == bindparam("is_run"),
            )
            .limit(bindparam("limit"))
        )
        self._forget = delete(runs).where(
            runs.c.recurring_job_id == bindparam("name"),
            runs.c.run_at.in_(bindparam("times", type_=UtcTime(), expanding=True)),
        )

    # -- looking

    def due(self, connection: Connection, limit: int) -> list[DueRecurringJob]:
        """What wants to be looked at, with how many of its jobs are there."""
        due = read_recurring_jobs(connection, self.dialect, self._due, {"limit": limit})
        if not due:
            return []
        unfinished = {
            name: (int(count), int(ahead))
            for name, count, ahead in connection.execute(self._unfinished, {"names": [job.id for job in due]})
        }
        found = ((job, *unfinished.get(job.id, (0, 0))) for job in due)
        return [DueRecurringJob(job, live=count - ahead, waiting=ahead) for job, count, ahead in found]

    def runs(self, connection: Connection, name: str, limit: int, *, only_skipped: bool) -> list[RecurringRun]:
        """What became of the runs of one, the newest first."""
        statement = self._newest.where(self._runs.c.skips.is_not(None)) if only_skipped else self._newest
        return [
            RecurringRun(
                recurring_job_id=name,
                run_at=run_at,
                job_id=None if job_id is None else JobId.of(job_id),
                skips=None if skips is None else _skips.decode(skips),
            )
            for run_at, job_id, skips in connection.execute(statement, {"name": name, "limit": limit})
        ]

    # -- changing

    def fire(self, connection: Connection, firings: Sequence[Firing]) -> list[NewJob]:
        """Write firings whose recurring jobs are as they were; returns the jobs that were made."""
        locked = connection.execute(self._versions, {"names": [firing.after.id for firing in firings]})
        versions = {name: version for name, version in locked}  # noqa: C416 - a result has keys, which dict() would take
        held = [firing for firing in firings if versions.get(firing.after.id) == firing.after.version - 1]
        if not held:
            return []
        made = self._made_among(connection, held)
        runs = _first_of_each_time((run for firing in held for run in firing.runs), made)
        jobs = [run.job for run in runs]
        if jobs:
            new = self._inserting.insert(connection, in_pieces(jobs))
            jobs = [job for job in jobs if job.id in new]
        self._note(connection, held, runs, made)
        going = [recurring_values(firing.after) for firing in held if not firing.ends]
        if going:
            self.dialect.insert_or_replace(connection, self._recurring, going)
        if ended := [firing.after.id for firing in held if firing.ends]:
            connection.execute(self._end, {"names": ended})
        return jobs

    def _made_among(self, connection: Connection, firings: Sequence[Firing]) -> set[RunKey]:
        """Which of the times that were decided about have a job."""
        times = {run.run_at for firing in firings for run in firing.runs}
        times |= {skips.first for firing in firings for skips in firing.skips}
        if not times:
            return set()
        parameters = {"names": [firing.after.id for firing in firings], "times": sorted(times)}
        return {(name, run_at) for name, run_at in connection.execute(self._made, parameters)}

    def _note(
        self, connection: Connection, firings: Iterable[Firing], runs: Iterable[NewRun], made: Collection[RunKey]
    ) -> None:
        """Write what became of the times. One that has a job keeps it, whatever is decided later."""
        now = self.dialect.now(connection)
        rows = [
            self._row(firing.after.id, skips.first, now, skips=skips)
            for firing in firings
            for skips in firing.skips
            if (firing.after.id, skips.first) not in made
        ]
        rows += [self._row(_name_of(run), run.run_at, now, job_id=run.job.id) for run in runs]
        if rows:
            self.dialect.insert_or_replace(connection, self._runs, rows)

    @staticmethod
    def _row(
        name: str, run_at: datetime, now: datetime, *, job_id: JobId | None = None, skips: Skips | None = None
    ) -> dict[str, Any]:
        text = None if skips is None else msgspec.json.encode(skips).decode()
        return {"recurring_job_id": name, "run_at": run_at, "job_id": job_id, "skips": text, "noted_at": now}

    def forget(self, connection: Connection, retention: Retention, limit: int) -> None:
        """Remove what was noted long ago, up to so many."""
        now = self.dialect.now(connection)
        for is_run, keep in ((1, retention.forget_runs_after), (0, retention.forget_skips_after)):
            parameters = {"since": now - keep, "is_run": is_run, "limit": limit}
            old: defaultdict[str, list[datetime]] = defaultdict(list)
            for name, run_at in connection.execute(self._old, parameters):
                old[name].append(run_at)
            for name, times in old.items():
                connection.execute(self._forget, {"name": name, "times": times})


def _first_of_each_time(runs: Iterable[NewRun], made: Collection[RunKey]) -> list[NewRun]:
    """Those whose times have no job yet; of several for one time, the first."""
    wanted: dict[RunKey, NewRun] = {}
    for run in runs:
        key = _name_of(run), run.run_at
        if key not in made:
            wanted.setdefault(key, run)
    return list(wanted.values())


def _name_of(run: NewRun) -> str:
    assert run.job.recurring_job_id is not None
    return run.job.recurring_job_id
