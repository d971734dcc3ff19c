"""What a storage provider must do. The tests that hold every provider to it are in `jobrunr.testing.contract`.

A provider takes and returns values. It knows no server, no filter and no function to run. Losing a race is a normal answer,
never an exception. A row that cannot be read (damaged by hand, say) is a `Job` with `unreadable` set, and hurts no other.
Every write can be sent again: doing it twice is the same as doing it once. An error of the database that
may pass is a `StorageUnavailableError`. All methods may be called from many threads at once.

Time is the storage's own: `now()` and every "due", "expired" and "dead" is judged by the clock of the database, or by the
clock that the provider was made with (tests turn that one).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from jobrunr.errors import BindError, OwnTransactionError
from jobrunr.ids import JobId
from jobrunr.jobs import Job, JobUpdate, NewJob
from jobrunr.recurring_job import Firing, RecurringJob, RecurringRun
from jobrunr.server_record import ServerRecord
from jobrunr.states import JobState
from jobrunr.storage.due import DueRecurringJob, Promotion
from jobrunr.storage.listener import Listener
from jobrunr.storage.overview import AuditEntry, FailureGroup, Sample, Totals
from jobrunr.storage.presence import Presence
from jobrunr.storage.query import JobCount, JobOrder, JobPage, JobQuery
from jobrunr.storage.retention import Retention
from jobrunr.storage.runs import Claim, LogLine, RunRecord

__all__ = [
    "AuditEntry",
    "Claim",
    "DueRecurringJob",
    "FailureGroup",
    "JobCount",
    "JobOrder",
    "JobPage",
    "JobQuery",
    "Listener",
    "LogLine",
    "Presence",
    "Promotion",
    "Retention",
    "RunRecord",
    "Sample",
    "StorageProvider",
    "Totals",
]


class StorageProvider(ABC):
    """Keeps jobs, servers and everything else. One instance serves a whole process."""

    # -- life of the storage

    @property
    def where(self) -> str:
        """Which storage this is, for people; neither users nor passwords are in it."""
        return type(self).__name__

    @abstractmethod
    def set_up(self, *, migrate: bool = True) -> None:
        """Make the storage ready: create or migrate it, or only check it. Many processes may do so at once, and again.

        Raises:
            SchemaMissingError: `migrate` is false and the tables are missing or too old.
            SchemaNewerError: the tables were made by a newer version.
            StorageSetupError: this storage cannot be used as it is set up.
            StorageUnavailableError: the database cannot be reached.
        """

    @abstractmethod
    def close(self) -> None:
        """Give back all connections. Later calls are errors."""

    def bound(self, transaction: object) -> StorageProvider:
        """The same inside a transaction of the caller's, for its thread only; `BindError` where that cannot be."""
        raise BindError(f"{self.where} has no part in transactions of others", "Enqueue after your commit.")

    def for_servers(self) -> StorageProvider:
        """The same by connections that jobs and web requests cannot use up, where there are such."""
        return self

    def transaction(
        self, sessions: Callable[..., Any] | None, conclude: Callable[[StorageProvider], None]
    ) -> AbstractContextManager[Any]:
        """A transaction of the application's, on a connection of ours without a deadline: committed when the block ends.

        Arguments:
            sessions: makes what the block works with; by default the usual thing.
            conclude: is called with this storage inside the transaction when all of the block is written, just before the
                commit. What it raises rolls everything back.

        Raises:
            OwnTransactionError: there can be none.
            StorageUnavailableError: the storage does not answer.
        """
        raise OwnTransactionError(
            f"jobs are kept in {self.where}, which has no transactions", "Keep them in a SQL database."
        )

    @abstractmethod
    def now(self) -> datetime:
        """The storage's clock, aware, in UTC."""

    # -- making jobs

    @abstractmethod
    def insert(self, jobs: Sequence[NewJob]) -> frozenset[JobId]:
        """Store new jobs, all or none, in one transaction. A job whose id exists is left as it is, without an error. Returns
        the ids that were new."""

    # -- running jobs

    @abstractmethod
    def claim(self, server_id: UUID, server_name: str, limit: int, queues: Collection[str] = ()) -> list[Job]:
        """Take up to `limit` ENQUEUED jobs: highest priority first, then the one that has been ENQUEUED longest, then by id.

        Each is PROCESSING afterwards, under a token that was never used before; those of one claim may share it. No job is
        given to two callers.
        A server that is not registered (any more) gets nothing. When the answer to a claim was lost (an exception was
        raised here although the database may have done it), the next claim of the same server brings those jobs first.

        Arguments:
            queues: take from these queues only; empty for all.
        """

    @abstractmethod
    def update(self, updates: Sequence[JobUpdate]) -> frozenset[JobId]:
        """Write changes of state, each by compare-and-set on its guard.

        Returns:
            the ids whose change is in the storage now: written just now, or by the same update before. An id that is
            missing lost a race: nothing was written for it.
        """

    @abstractmethod
    def append(self, records: Sequence[RunRecord]) -> frozenset[JobId]:
        """Keep log lines and data of runs, for those whose claim still holds, and for no other.

        Returns:
            the ids whose records were kept.
        """

    @abstractmethod
    def held(self, claims: Sequence[Claim]) -> frozenset[JobId]:
        """Which of these claims still hold: the job is PROCESSING under that token."""

    @abstractmethod
    def claims_of(self, server_id: UUID) -> frozenset[Claim]:
        """The claims under which jobs are PROCESSING by this server."""

    @abstractmethod
    def begin(self, claims: Sequence[Claim]) -> frozenset[JobId]:
        """Mark these runs as begun, those whose claims hold. Returns their ids."""

    # -- duties of the master

    @abstractmethod
    def promote(self, limit: int) -> Promotion:
        """Enqueue SCHEDULED jobs that are due, the longest overdue first. Never one that is not due."""

    @abstractmethod
    def orphans(self, limit: int) -> list[Job]:
        """PROCESSING jobs whose server is not registered."""

    @abstractmethod
    def expire(self, retention: Retention, limit: int) -> int:
        """Move SUCCEEDED and FAILED jobs whose time is over to DELETED, and remove DELETED ones whose time is over, with
        their logs and data.

        Returns:
            how many jobs were moved or removed; less than `limit` when nothing is left to do.
        """

    @abstractmethod
    def tidy(self) -> None:
        """Cheap housekeeping of the provider's own (folding counters, ...). Called now and then by the master."""

    @abstractmethod
    def awaiting(self, limit: int, after: Job | None = None) -> list[Job]:
        """AWAITING jobs that have a `run_at`: those that wait for a better time than this one. The earliest first, then by
        id.

        Arguments:
            after: only those that come behind this one, whatever has become of it since.
        """

    @abstractmethod
    def sample(self) -> None:
        """Keep the totals of the present minute, unless some are kept for it already."""

    # -- recurring jobs

    @abstractmethod
    def get_recurring(self, recurring_job_id: str) -> RecurringJob | None:
        """One recurring job. One whose row cannot be read has a `problem` that says so."""

    @abstractmethod
    def find_recurring(self, limit: int, after: str | None = None) -> list[RecurringJob]:
        """Recurring jobs in the order of their ids (as text, by code point), those behind the id `after`."""

    @abstractmethod
    def save_recurring(self, job: RecurringJob, withdrawn: Sequence[JobUpdate] = ()) -> bool:
        """Store a recurring job: a new one when its version is 1, otherwise in place of the version before, all or nothing.

        Arguments:
            withdrawn: what becomes of its jobs that are not wanted any more, in the same transaction, each by
                compare-and-set on its guard. The time that such a job stood for is free again.

        Returns:
            False when somebody else was faster: nothing was written.
        """

    @abstractmethod
    def delete_recurring(self, recurring_job_id: str, version: int, withdrawn: Sequence[JobUpdate] = ()) -> bool:
        """Remove a recurring job of this version; otherwise as `save_recurring`."""

    @abstractmethod
    def declare(self, recurring_job_ids: Collection[str]) -> frozenset[str]:
        """Note that running code declares these, now.

        Returns:
            the ids that exist and are declared ones.
        """

    @abstractmethod
    def undeclared(self, grace: timedelta) -> list[RecurringJob]:
        """Declared recurring jobs that nobody has declared for longer than `grace`."""

    @abstractmethod
    def due_recurring(self, limit: int) -> list[DueRecurringJob]:
        """Recurring jobs that want to be looked at, the longest overdue first."""

    @abstractmethod
    def fire(self, firings: Sequence[Firing]) -> frozenset[JobId]:
        """Write what was decided about recurring jobs. A firing whose recurring job changed meanwhile is not written. A run
        whose time has a job already gets no other.

        Returns:
            the ids of the jobs that were made.
        """

    @abstractmethod
    def recurring_runs(self, recurring_job_id: str, limit: int, *, only_skipped: bool = False) -> list[RecurringRun]:
        """What became of the runs of a recurring job, the newest first."""

    # -- looking

    @abstractmethod
    def get(self, job_id: UUID) -> Job | None:
        """One job."""

    @abstractmethod
    def find(self, query: JobQuery) -> JobPage:
        """A page of jobs. The hundredth costs what the first does.

        Raises:
            OptionError: the cursor `after` is not the `next` of a page.
        """

    @abstractmethod
    def count(self, query: JobQuery) -> JobCount:
        """How many jobs a query asks for, as far as its patience goes; its `limit` and `after` do not matter."""

    @abstractmethod
    def failures(self, limit: int) -> list[FailureGroup]:
        """FAILED jobs, put together by the fingerprint of their last failure. The group that failed last comes first."""

    @abstractmethod
    def totals(self) -> Totals:
        """How many attempts ever succeeded and failed: updates that were written and said so."""

    @abstractmethod
    def samples(self, since: datetime) -> list[Sample]:
        """The totals that were kept from a moment on, the oldest first."""

    @abstractmethod
    def counts(self) -> dict[JobState, int]:
        """How many jobs are in each state. Kept, not scanned for: costs the same for ten jobs and ten million."""

    @abstractmethod
    def oldest_enqueued_at(self) -> datetime | None:
        """Since when the job that has been ENQUEUED longest is waiting; None when none is."""

    @abstractmethod
    def logs(self, job_id: UUID, *, after: tuple[int, int] | None = None, limit: int | None = None) -> tuple[LogLine, ...]:
        """What a job logged, in order of attempt and line.

        Arguments:
            after: only what comes behind this attempt and `seq`.
            limit: how many lines at most.
        """

    @abstractmethod
    def data(self, job_id: UUID) -> dict[str, str]:
        """What a job keeps, key to JSON text."""

    # -- servers

    @abstractmethod
    def announce(self, server: ServerRecord) -> None:
        """Register a server. Both heartbeats are now."""

    @abstractmethod
    def heartbeat(self, server: ServerRecord) -> list[ServerRecord]:
        """Renew a server's heartbeat, load and presence, but not whether it is paused, which others decide.

        Returns:
            all servers as they are stored now, as `servers` lists them; none when this one is not registered: it was taken
            for dead.
        """

    @abstractmethod
    def pause_server(self, server_id: UUID, paused: bool) -> bool:
        """Say whether a server shall take jobs; it learns of it with its next heartbeat. False when there is no such
        server."""

    @abstractmethod
    def sign_off(self, server_id: UUID) -> None:
        """Remove a server that stops."""

    @abstractmethod
    def servers(self) -> list[ServerRecord]:
        """All registered servers, the oldest first heartbeat first (by id where equal)."""

    def presence(self, server_id: UUID) -> Presence | None:
        """Take a lock that is released the moment this process dies. None where heartbeats alone tell who lives."""
        return None

    def absent(self, server_ids: Collection[UUID]) -> frozenset[UUID]:
        """Which of these servers surely hold no lock of presence at this moment. Only asked about those that took one."""
        return frozenset()

    @abstractmethod
    def remove_dead(self, servers: Sequence[ServerRecord]) -> list[ServerRecord]:
        """Remove servers that are taken for dead, each only if it was not heard since: its last heartbeat is still that of
        the record.

        Returns:
            those that were removed.
        """

    # -- notes

    @abstractmethod
    def get_metadata(self, name: str, owner: str = "cluster") -> str | None:
        """A value kept under a name."""

    @abstractmethod
    def put_metadata(self, name: str, value: str, owner: str = "cluster", *, overwrite: bool = True) -> str:
        """Keep a value under a name; with `overwrite` false only when there is none. Returns what is kept afterwards."""

    @abstractmethod
    def find_metadata(self, name: str) -> dict[str, str]:
        """All values kept under a name, by their owners."""

    @abstractmethod
    def remove_metadata(self, name: str, owners: Collection[str]) -> None:
        """Forget what these owners keep under a name. Whoever keeps nothing is no error."""

    @abstractmethod
    def record_audit(self, entries: Sequence[AuditEntry]) -> None:
        """Keep what was done by hand, at the present moment. What is too long is cut."""

    @abstractmethod
    def audits(self, subject: str | None = None, limit: int = 50, before: datetime | None = None) -> list[AuditEntry]:
        """What was done by hand, the newest first.

        Arguments:
            subject: only what was done to this.
            before: only what was done before this moment.
        """

    # -- waking up

    @abstractmethod
    def listener(self, queues: Collection[str] = ()) -> Listener:
        """Something that wakes when jobs may have become ENQUEUED, in this process or, where the storage can tell, in
        another. A hint only: who misses it finds the work by polling."""

    @abstractmethod
    def timetable_listener(self) -> Listener:
        """Something that wakes when a job was SCHEDULED for soon, or a recurring job was stored. A hint only, too."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
