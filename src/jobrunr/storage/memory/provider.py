"""The storage provider over one dictionary and one lock."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID

from msgspec.structs import replace

from jobrunr.clock import Clock, SystemClock
from jobrunr.errors import StorageError
from jobrunr.ids import JobId, new_token
from jobrunr.jobs import Job, JobUpdate, NewJob
from jobrunr.recurring_job import Firing, RecurringJob, RecurringRun
from jobrunr.server_record import ServerRecord
from jobrunr.states import JobState
from jobrunr.storage.contract import (
    AuditEntry,
    Claim,
    DueRecurringJob,
    FailureGroup,
    JobCount,
    JobPage,
    JobQuery,
    Listener,
    LogLine,
    Promotion,
    Retention,
    RunRecord,
    Sample,
    StorageProvider,
    Totals,
)
from jobrunr.storage.memory.index import JobIndex
from jobrunr.storage.memory.ledger import Ledger
from jobrunr.storage.memory.listener import MemoryListener
from jobrunr.storage.memory.recurring import RecurringIndex
from jobrunr.storage.memory.servers import Servers
from jobrunr.storage.memory.writes import claimed, expired, inserted, may_write, promoted, updated, was_written
from jobrunr.storage.query import place, write_cursor


class MemoryStorageProvider(StorageProvider):
    """Keeps everything in this process. Other processes, forked ones too, see nothing of it.

    Arguments:
        clock: what time it is; the clock of this machine by default.

    >>> with MemoryStorageProvider() as storage:
    ...     storage.counts()[JobState.ENQUEUED]
    0
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._closed = False
        self._jobs = JobIndex()
        self._logs: dict[UUID, dict[tuple[int, int], LogLine]] = {}
        self._data: dict[UUID, dict[str, str]] = {}
        self._servers = Servers()
        self._metadata: dict[tuple[str, str], str] = {}
        self._recurring = RecurringIndex()
        self._ledger = Ledger()
        self._listeners: set[MemoryListener] = set()
        self._timetable_listeners: set[MemoryListener] = set()

    @contextmanager
    def _transaction(self) -> Iterator[datetime]:
        """Nobody else sees or changes anything meanwhile, and it all happens at the moment that is yielded."""
        with self._lock:
            if self._closed:
                raise StorageError("The storage memory:// was closed, and its jobs are gone. Make a new one.")
            yield self._clock.now()
            for queue in self._jobs.take_refilled():
                self._wake_listeners(queue)
            if self._jobs.was_scheduled or self._recurring.was_changed:
                self._jobs.was_scheduled = self._recurring.was_changed = False
                for listener in self._timetable_listeners:
                    listener.wake()

    def _wake_listeners(self, queue: str) -> None:
        for listener in self._listeners:
            if not listener.queues or queue in listener.queues:
                listener.wake()

    # -- life of the storage

    def set_up(self, *, migrate: bool = True) -> None:
        """Nothing is needed."""

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for listener in self._listeners | self._timetable_listeners:
                listener.wake()

    def now(self) -> datetime:
        return self._clock.now()

    # -- making jobs

    def insert(self, jobs: Sequence[NewJob]) -> frozenset[JobId]:
        with self._transaction() as now:
            made: dict[JobId, Job] = {}
            for job in jobs:
                if self._jobs.get(job.id) is None:
                    made.setdefault(job.id, inserted(job, now))
            for stored in made.values():
                self._jobs.put(stored)
            return frozenset(made)

    # -- running jobs

    def claim(self, server_id: UUID, server_name: str, limit: int, queues: Collection[str] = ()) -> list[Job]:
        with self._transaction() as now:
            taken: list[Job] = []
            token = new_token()
            if server_id not in self._servers.ids:
                return taken
            while len(taken) < limit and (job := self._jobs.first_enqueued(queues)) is not None:
                taken.append(claimed(job, server_id, server_name, token, now))
                self._jobs.put(taken[-1])
            return taken

    def update(self, updates: Sequence[JobUpdate]) -> frozenset[JobId]:
        with self._transaction():
            written: dict[JobId, bool] = {}
            for update in updates:
                if update.job_id not in written:  # the first of several for one job is the one that counts
                    written[update.job_id] = self._write(update)
            return frozenset(job_id for job_id, was in written.items() if was)

    def _write(self, update: JobUpdate) -> bool:
        job = self._jobs.get(update.job_id)
        if job is None:
            return False
        if not may_write(job, update):
            return was_written(job, update)
        self._jobs.put(updated(job, update))
        self._ledger.add(update)
        return True

    def append(self, records: Sequence[RunRecord]) -> frozenset[JobId]:
        with self._transaction():
            kept = [record for record in records if self._holds(record.claim)]
            for record in kept:
                job_id = record.claim.job_id
                self._logs.setdefault(job_id, {}).update({(line.attempt, line.seq): line for line in record.logs})
                self._data.setdefault(job_id, {}).update(record.data)
            return frozenset(record.claim.job_id for record in kept)

    def held(self, claims: Sequence[Claim]) -> frozenset[JobId]:
        with self._transaction():
            return frozenset(claim.job_id for claim in claims if self._holds(claim))

    def claims_of(self, server_id: UUID) -> frozenset[Claim]:
        with self._transaction():
            return frozenset(
                Claim(job.id, job.claim_token) for job in self._jobs.processing_at(server_id) if job.claim_token is not None
            )

    def begin(self, claims: Sequence[Claim]) -> frozenset[JobId]:
        with self._transaction():
            held = [claim for claim in claims if self._holds(claim)]
            for claim in held:
                if (job := self._jobs.get(claim.job_id)) is not None:
                    self._jobs.put(replace(job, begun_token=claim.token))
            return frozenset(claim.job_id for claim in held)

    def _holds(self, claim: Claim) -> bool:
        job = self._jobs.get(claim.job_id)
        return job is not None and job.state is JobState.PROCESSING and job.claim_token == claim.token

    # -- duties of the master

    def promote(self, limit: int) -> Promotion:
        with self._transaction() as now:
            count = 0
            while count < limit and (job := self._jobs.first_due(now)) is not None:
                self._jobs.put(promoted(job, now))
                count += 1
            return Promotion(
                count, self._jobs.next_run_at(), self._recurring.next_look_at(), bool(self._jobs.awaiting(1, None))
            )

    def orphans(self, limit: int) -> list[Job]:
        with self._transaction():
            return list(islice(self._jobs.processing_elsewhere(self._servers.ids), limit))

    def awaiting(self, limit: int, after: Job | None = None) -> list[Job]:
        with self._transaction():
            return self._jobs.awaiting(limit, after)

    def expire(self, retention: Retention, limit: int) -> int:
        # DELETED comes first, so that what is moved there now is not removed in the same breath.
        rules = (
            (JobState.DELETED, retention.purge_deleted_after),
            (JobState.SUCCEEDED, retention.delete_succeeded_after),
            (JobState.FAILED, retention.delete_failed_after),
        )
        with self._transaction() as now:
            count = 0
            for state, keep in rules:
                while count < limit and (job := self._jobs.first_over(state, keep, now)) is not None:
                    self._expire(job, now)
                    count += 1
            self._recurring.forget(now - retention.forget_runs_after, now - retention.forget_skips_after, limit)
            self._ledger.forget(now - retention.forget_audit_after, now)
            return count

    def _expire(self, job: Job, now: datetime) -> None:
        if job.state is not JobState.DELETED:
            self._jobs.put(expired(job, now))
            return
        self._jobs.remove(job.id)
        self._logs.pop(job.id, None)
        self._data.pop(job.id, None)

    def tidy(self) -> None:
        """Nothing piles up here."""

    def sample(self) -> None:
        with self._transaction() as now:
            self._ledger.sample(now)

    # -- recurring jobs

    def get_recurring(self, recurring_job_id: str) -> RecurringJob | None:
        with self._transaction():
            return self._recurring.get(recurring_job_id)

    def find_recurring(self, limit: int, after: str | None = None) -> list[RecurringJob]:
        with self._transaction():
            return self._recurring.find(limit, after)

    def save_recurring(self, job: RecurringJob, withdrawn: Sequence[JobUpdate] = ()) -> bool:
        with self._transaction():
            saved = self._recurring.save(job)
            if saved:
                self._withdraw(job.id, withdrawn)
            return saved

    def delete_recurring(self, recurring_job_id: str, version: int, withdrawn: Sequence[JobUpdate] = ()) -> bool:
        with self._transaction():
            removed = self._recurring.remove(recurring_job_id, version)
            if removed:
                self._withdraw(recurring_job_id, withdrawn)
            return removed

    def _withdraw(self, recurring_job_id: str, updates: Sequence[JobUpdate]) -> None:
        self._recurring.free(recurring_job_id, {update.job_id for update in updates if self._write(update)})

    def declare(self, recurring_job_ids: Collection[str]) -> frozenset[str]:
        with self._transaction() as now:
            return self._recurring.declare(recurring_job_ids, now)

    def undeclared(self, grace: timedelta) -> list[RecurringJob]:
        with self._transaction() as now:
            return self._recurring.undeclared(now - grace)

    def due_recurring(self, limit: int) -> list[DueRecurringJob]:
        with self._transaction() as now:
            due = self._recurring.due(now, limit)
            return [DueRecurringJob(job, *self._jobs.live_and_waiting(job.id, now)) for job in due]

    def fire(self, firings: Sequence[Firing]) -> frozenset[JobId]:
        with self._transaction() as now:
            made = [run.job for firing in firings for run in self._recurring.fire(firing, now)]
            for job in made:
                self._jobs.put(inserted(job, now))
            return frozenset(job.id for job in made)

    def recurring_runs(self, recurring_job_id: str, limit: int, *, only_skipped: bool = False) -> list[RecurringRun]:
        with self._transaction():
            return self._recurring.runs(recurring_job_id, limit, only_skipped=only_skipped)

    # -- looking

    def get(self, job_id: UUID) -> Job | None:
        with self._transaction():
            return self._jobs.get(job_id)

    def find(self, query: JobQuery) -> JobPage:
        with self._transaction():
            found = self._jobs.find(query, query.limit + 1)
        page = tuple(found[: query.limit])
        return JobPage(page, write_cursor(place(page[-1], query)) if page and len(found) > len(page) else None)

    def count(self, query: JobQuery) -> JobCount:
        with self._transaction():
            return JobCount(self._jobs.count(query), is_exact=True)

    def failures(self, limit: int) -> list[FailureGroup]:
        with self._transaction():
            return self._jobs.failures(limit)

    def totals(self) -> Totals:
        with self._transaction():
            return self._ledger.totals

    def samples(self, since: datetime) -> list[Sample]:
        with self._transaction():
            return self._ledger.samples(since)

    def counts(self) -> dict[JobState, int]:
        with self._transaction():
            return self._jobs.counts()

    def oldest_enqueued_at(self) -> datetime | None:
        with self._transaction():
            return self._jobs.oldest_enqueued_at()

    def logs(self, job_id: UUID, *, after: tuple[int, int] | None = None, limit: int | None = None) -> tuple[LogLine, ...]:
        with self._transaction():
            lines = self._logs.get(job_id, {})
            behind = sorted(place for place in lines if after is None or place > after)
            return tuple(lines[attempt_and_seq] for attempt_and_seq in behind[:limit])

    def data(self, job_id: UUID) -> dict[str, str]:
        with self._transaction():
            return dict(self._data.get(job_id, {}))

    # -- servers

    def announce(self, server: ServerRecord) -> None:
        with self._transaction() as now:
            self._servers.announce(server, now)

    def heartbeat(self, server: ServerRecord) -> list[ServerRecord]:
        with self._transaction() as now:
            return self._servers.all(now) if self._servers.heartbeat(server, now) else []

    def pause_server(self, server_id: UUID, paused: bool) -> bool:
        with self._transaction():
            return self._servers.pause(server_id, paused)

    def sign_off(self, server_id: UUID) -> None:
        with self._transaction():
            self._servers.remove(server_id)

    def servers(self) -> list[ServerRecord]:
        with self._transaction() as now:
            return self._servers.all(now)

    def remove_dead(self, servers: Sequence[ServerRecord]) -> list[ServerRecord]:
        with self._transaction():
            return self._servers.remove_dead(servers)

    # -- notes

    def get_metadata(self, name: str, owner: str = "cluster") -> str | None:
        with self._transaction():
            return self._metadata.get((name, owner))

    def put_metadata(self, name: str, value: str, owner: str = "cluster", *, overwrite: bool = True) -> str:
        with self._transaction():
            if overwrite:
                self._metadata[name, owner] = value
            return self._metadata.setdefault((name, owner), value)

    def find_metadata(self, name: str) -> dict[str, str]:
        with self._transaction():
            return {owner: value for (kept, owner), value in self._metadata.items() if kept == name}

    def remove_metadata(self, name: str, owners: Collection[str]) -> None:
        with self._transaction():
            for owner in owners:
                self._metadata.pop((name, owner), None)

    def record_audit(self, entries: Sequence[AuditEntry]) -> None:
        with self._transaction() as now:
            self._ledger.record(entries, now)

    def audits(self, subject: str | None = None, limit: int = 50, before: datetime | None = None) -> list[AuditEntry]:
        with self._transaction():
            return self._ledger.audits(subject, limit, before)

    # -- waking up

    def listener(self, queues: Collection[str] = ()) -> Listener:
        with self._transaction():
            listener = MemoryListener(frozenset(queues), self._forget)
            self._listeners.add(listener)
            return listener

    def timetable_listener(self) -> Listener:
        with self._transaction():
            listener = MemoryListener(frozenset(), self._forget)
            self._timetable_listeners.add(listener)
            return listener

    def _forget(self, listener: MemoryListener) -> None:
        with self._lock:
            self._listeners.discard(listener)
            self._timetable_listeners.discard(listener)
