"""Recurring jobs and their runs, and every order in which somebody asks for them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from itertools import islice

from msgspec.structs import replace

from jobrunr.ids import JobId
from jobrunr.recurring_job import Firing, NewRun, RecurringJob, RecurringRun
from jobrunr.storage.memory.order import Order


class RecurringIndex:
    """All recurring jobs of a storage, and what became of their runs. Not for two threads at once."""

    def __init__(self) -> None:
        self._jobs: dict[str, RecurringJob] = {}
        self._by_look = Order[str]()
        self._runs: dict[str, dict[datetime, tuple[datetime, RecurringRun]]] = {}
        """By recurring job and time; each with the moment at which it was noted."""
        self.was_changed = False
        """Whether one was stored since somebody last set this to false."""

    # -- changing

    def save(self, job: RecurringJob) -> bool:
        """Store it, if the version before it is there. Whether it is there now."""
        known = self._jobs.get(job.id)
        if known == job:
            return True
        if (0 if known is None else known.version) != job.version - 1:
            return False
        self._put(job)
        return True

    def remove(self, recurring_job_id: str, version: int) -> bool:
        """Remove it, if it has this version."""
        known = self._jobs.get(recurring_job_id)
        if known is None or known.version != version:
            return False
        self._drop(recurring_job_id)
        return True

    def fire(self, firing: Firing, now: datetime) -> Iterator[NewRun]:
        """Write a firing, if its recurring job is as it was. Gives the runs that have no job yet."""
        known = self._jobs.get(firing.after.id)
        if known is None or known.version != firing.after.version - 1:
            return
        if firing.ends:
            self._drop(known.id)
        else:
            self._put(firing.after)
        for skips in firing.skips:
            if not self._has_job(known.id, skips.first):
                self._note(RecurringRun(recurring_job_id=known.id, run_at=skips.first, skips=skips), now)
        for run in firing.runs:
            if not self._has_job(known.id, run.run_at):
                self._note(RecurringRun(recurring_job_id=known.id, run_at=run.run_at, job_id=run.job.id), now)
                yield run

    def free(self, recurring_job_id: str, job_ids: Collection[JobId]) -> None:
        """Forget that these jobs were made for their times."""
        runs = self._runs.get(recurring_job_id, {})
        for run_at in [run_at for run_at, (_, run) in runs.items() if run.job_id in job_ids]:
            del runs[run_at]

    def declare(self, recurring_job_ids: Iterable[str], now: datetime) -> frozenset[str]:
        """Note that these were declared now."""
        found = {job_id for job_id in recurring_job_ids if job_id in self._jobs and self._jobs[job_id].is_declared}
        for job_id in found:
            self._jobs[job_id] = replace(self._jobs[job_id], declared_at=now)
        return frozenset(found)

    def forget(self, forget_runs: datetime, forget_skips: datetime, limit: int) -> None:
        """Forget runs that were noted before these moments."""
        old = (
            (job_id, run_at)
            for job_id, runs in self._runs.items()
            for run_at, (noted_at, run) in runs.items()
            if noted_at <= (forget_runs if run.skips is None else forget_skips)
        )
        for job_id, run_at in list(islice(old, limit)):
            del self._runs[job_id][run_at]

    def _put(self, job: RecurringJob) -> None:
        self._drop(job.id)
        self._jobs[job.id] = job
        if job.look_at is not None:
            self._by_look.add(job.id, job.look_at)
        self.was_changed = True

    def _drop(self, recurring_job_id: str) -> None:
        known = self._jobs.pop(recurring_job_id, None)
        if known is not None and known.look_at is not None:
            self._by_look.remove(recurring_job_id)

    def _has_job(self, recurring_job_id: str, run_at: datetime) -> bool:
        noted = self._runs.get(recurring_job_id, {}).get(run_at)
        return noted is not None and noted[1].job_id is not None

    def _note(self, run: RecurringRun, now: datetime) -> None:
        self._runs.setdefault(run.recurring_job_id, {})[run.run_at] = (now, run)

    # -- looking

    def get(self, recurring_job_id: str) -> RecurringJob | None:
        return self._jobs.get(recurring_job_id)

    def find(self, limit: int, after: str | None) -> list[RecurringJob]:
        ids = sorted(job_id for job_id in self._jobs if after is None or job_id > after)
        return [self._jobs[job_id] for job_id in ids[:limit]]

    def next_look_at(self) -> datetime | None:
        head = self._by_look.first()
        return None if head is None else head[0]

    def due(self, now: datetime, limit: int) -> list[RecurringJob]:
        """Those that want to be looked at, the longest overdue first."""
        return [self._jobs[job_id] for _, job_id in self._by_look.up_to(now, limit)]

    def undeclared(self, since: datetime) -> list[RecurringJob]:
        return [job for job in self._jobs.values() if job.declared_at is not None and job.declared_at < since]

    def runs(self, recurring_job_id: str, limit: int, *, only_skipped: bool) -> list[RecurringRun]:
        found = [run for _, run in self._runs.get(recurring_job_id, {}).values()]
        found = [run for run in found if not only_skipped or run.skips is not None]
        return sorted(found, key=lambda run: run.run_at, reverse=True)[:limit]
