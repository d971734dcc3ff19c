"""The storage provider for SQL databases. It reads like the contract; what is done to the tables is beside it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from copy import copy
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import URL, Engine

from jobrunr.clock import Clock
from jobrunr.forks import start_anew_after_forks
from jobrunr.ids import JobId
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
    Presence,
    Promotion,
    Retention,
    RunRecord,
    Sample,
    StorageProvider,
    Totals,
)
from jobrunr.storage.sql.auditing import Auditing
from jobrunr.storage.sql.claiming import ClaimRequest, claiming
from jobrunr.storage.sql.counting import Counting
from jobrunr.storage.sql.database import Database
from jobrunr.storage.sql.duties import Promoting, Rescuing
from jobrunr.storage.sql.engines import open_dialect
from jobrunr.storage.sql.expiring import Expiring
from jobrunr.storage.sql.failing import Failing
from jobrunr.storage.sql.firing import CHUNK, FiringTables
from jobrunr.storage.sql.inserting import in_pieces, inserting
from jobrunr.storage.sql.journal import Journal
from jobrunr.storage.sql.lending import Lending
from jobrunr.storage.sql.looking import Looking
from jobrunr.storage.sql.news import HeldNews, News
from jobrunr.storage.sql.notes import Notes
from jobrunr.storage.sql.recurring import Recurring
from jobrunr.storage.sql.sampling import Sampling
from jobrunr.storage.sql.schema import Schema
from jobrunr.storage.sql.searching import Searching
from jobrunr.storage.sql.servers import Servers
from jobrunr.storage.sql.tables import DEFAULT_PREFIX
from jobrunr.storage.sql.updating import in_batches, updating
from jobrunr.storage.sql.waking import TIMETABLE, Queues, WakeUps


class SqlStorageProvider(StorageProvider):
    """Keeps everything in a SQL database: SQLite, PostgreSQL, MySQL or MariaDB.

    Arguments:
        engine: a URL (``sqlite:///jobs.db``, ``postgresql://…``, ``mysql://…``, ``mariadb://…``), or an `Engine` of the
            application, which stays as it is and open.
        table_prefix: begins the name of every table.
        schema: the schema that the tables are in; by default the one that the connection has.
        clock: what time it is; by default the clock of the database.
        timeout: the longest that a call may take.

    Raises:
        StorageSetupError: there can be no database of ours; the message says what to change.
        MissingDriverError: the driver is not installed.

    >>> with SqlStorageProvider("sqlite:///jobs.db") as storage:  # doctest: +SKIP
    ...     storage.set_up()
    ...     storage.counts()[JobState.ENQUEUED]
    0
    """

    def __init__(
        self,
        engine: Engine | URL | str,
        *,
        table_prefix: str = DEFAULT_PREFIX,
        schema: str | None = None,
        clock: Clock | None = None,
        timeout: timedelta = timedelta(seconds=10),
    ) -> None:
        dialect = open_dialect(engine, table_prefix, schema, clock, timeout)
        self._dialect = dialect
        self._database = self._database_in_order = Database(dialect, dialect.engine)
        self._database_for_servers = Database(dialect, dialect.server_engine)
        self._database_for_claims = Database(dialect, dialect.claim_engine)
        self._lending = Lending(self._database, dialect)
        self._schema = Schema(self._database, dialect)
        self._counting = Counting(dialect)
        self._inserting = inserting(dialect, self._counting)
        self._claiming = claiming(dialect, self._counting)
        self._updating = updating(dialect, self._counting)
        self._journal = Journal(dialect)
        self._promoting = Promoting(dialect, self._counting)
        self._rescuing = Rescuing(dialect)
        self._recurring = Recurring(dialect, self._updating)
        self._firing = FiringTables(dialect, self._inserting)
        self._looking = Looking(dialect)
        self._searching = Searching(dialect, self._counting)
        self._failing = Failing(dialect)
        self._sampling = Sampling(dialect, self._counting)
        self._auditing = Auditing(dialect)
        self._expiring = Expiring(dialect, self._counting, self._firing, self._sampling, self._auditing)
        self._servers = Servers(dialect)
        self._notes = Notes(dialect)
        self._wake_ups = WakeUps(dialect.make_watcher)
        self._news = News(dialect.clock, self._wake_up)
        self._held_news = HeldNews(self._wake_up)
        self._unanswered: defaultdict[UUID, list[ClaimRequest]] = defaultdict(list)
        start_anew_after_forks(self)

    # -- life of the storage

    @property
    def where(self) -> str:
        return self._database.where

    def set_up(self, *, migrate: bool = True) -> None:
        self._schema.set_up(migrate=migrate)

    def close(self) -> None:
        self._wake_ups.close()
        for database in (self._database, self._database_for_servers, self._database_for_claims):
            database.close()
        self._dialect.close()

    def bound(self, transaction: object) -> StorageProvider:
        # They bring SQLAlchemy's ORM along: only who binds waits for it.
        from jobrunr.storage.sql.borrowed_connection import callers_connection  # noqa: PLC0415
        from jobrunr.storage.sql.bound_database import BoundDatabase  # noqa: PLC0415

        self._database.check_open()
        connection = callers_connection(transaction, self._dialect, self.where)
        news = News(self._dialect.clock, lambda queues: connection.tell_at_commit(queues, self._held_news))
        provider = copy(self)
        bound = BoundDatabase(self._database, self._dialect, connection)
        provider._database = provider._database_in_order = bound  # noqa: SLF001 - its own copy
        provider._news = news  # noqa: SLF001 - its own copy
        return provider

    def for_servers(self) -> StorageProvider:
        provider = copy(self)
        provider._database = self._database_for_servers  # noqa: SLF001 - its own copy
        provider._database_in_order = self._database_for_claims  # noqa: SLF001 - its own copy
        return provider

    def transaction(
        self, sessions: Callable[..., Any] | None, conclude: Callable[[StorageProvider], None]
    ) -> AbstractContextManager[Any]:
        return self._lending.session(sessions, lambda connection: conclude(self.bound(connection)))

    def now(self) -> datetime:
        return self._database.read(self._dialect.now)

    # -- making jobs

    def insert(self, jobs: Sequence[NewJob]) -> frozenset[JobId]:
        if not jobs:
            return frozenset()
        pieces = in_pieces(jobs)
        run = self._database.write_once if len(pieces) == 1 else self._database.write
        new = run(lambda connection: self._inserting.insert(connection, pieces))
        self._news.tell_of(jobs if len(new) == len(jobs) else (job for job in jobs if job.id in new))
        return new

    # -- running jobs

    def claim(self, server_id: UUID, server_name: str, limit: int, queues: Collection[str] = ()) -> list[Job]:
        if limit < 1:
            return []
        request = ClaimRequest(server_id, server_name, limit, queues)
        unanswered = self._unanswered[server_id]
        if unanswered:
            before = unanswered.pop()
            request.token, request.was_sent = before.token, before.was_sent
        elif self._claiming.looks_first and not self._database.read(self._claiming.is_any_enqueued):
            return []
        try:
            return self._database_in_order.write_once(lambda connection: self._claiming.claim(connection, request))
        except Exception:
            unanswered.append(request)
            raise

    def update(self, updates: Sequence[JobUpdate]) -> frozenset[JobId]:
        written: set[JobId] = set()
        for batch in in_batches(updates):
            written |= self._database_in_order.write_once(partial(self._updating.update, updates=batch))
        if any(update.state is JobState.ENQUEUED and update.job_id in written for update in updates):
            self._news.tell(None)
        else:
            self._news.tell_of_times(update.run_at for update in updates if update.state is JobState.SCHEDULED)
        return frozenset(written)

    def append(self, records: Sequence[RunRecord]) -> frozenset[JobId]:
        if not records:
            return frozenset()
        return self._database.write(lambda connection: self._journal.append(connection, records))

    def held(self, claims: Sequence[Claim]) -> frozenset[JobId]:
        if not claims:
            return frozenset()
        return self._database.read(lambda connection: self._journal.held(connection, claims))

    def claims_of(self, server_id: UUID) -> frozenset[Claim]:
        return self._database.read(lambda connection: self._journal.claims_of(connection, server_id))

    def begin(self, claims: Sequence[Claim]) -> frozenset[JobId]:
        if not claims:
            return frozenset()
        return self._database.write_once(lambda connection: self._journal.begin(connection, claims))

    # -- duties of the master

    def promote(self, limit: int) -> Promotion:
        promotion = self._database_in_order.read(self._promoting.nothing_due)
        if promotion is None:
            promotion = self._database_in_order.write(partial(self._promoting.promote, limit=limit))
            if promotion.count:
                self._news.tell(None)
        return promotion

    def orphans(self, limit: int) -> list[Job]:
        return self._database.read(lambda connection: self._rescuing.orphans(connection, limit))

    def awaiting(self, limit: int, after: Job | None = None) -> list[Job]:
        return self._database.read(lambda connection: self._promoting.awaiting(connection, limit, after))

    def expire(self, retention: Retention, limit: int) -> int:
        if not self._database.read(lambda connection: self._expiring.is_anything_over(connection, retention)):
            return 0
        self._database.write(lambda connection: self._expiring.forget(connection, retention, limit))
        return self._database.write(lambda connection: self._expiring.expire(connection, retention, limit))

    def sample(self) -> None:
        self._database.write_once(partial(self._sampling.keep, sample=self._database.read(self._sampling.take)))

    def tidy(self) -> None:
        while self._database.read(self._counting.is_worth_folding) and self._database.write(self._counting.fold):
            pass

    # -- recurring jobs

    def get_recurring(self, recurring_job_id: str) -> RecurringJob | None:
        return self._database.read(lambda connection: self._recurring.get(connection, recurring_job_id))

    def find_recurring(self, limit: int, after: str | None = None) -> list[RecurringJob]:
        return self._database.read(lambda connection: self._recurring.find(connection, limit, after))

    def save_recurring(self, job: RecurringJob, withdrawn: Sequence[JobUpdate] = ()) -> bool:
        saved = self._database.write(lambda connection: self._recurring.save(connection, job, withdrawn))
        if saved:
            self._news.tell_of_times([job.look_at])
        return saved

    def delete_recurring(self, recurring_job_id: str, version: int, withdrawn: Sequence[JobUpdate] = ()) -> bool:
        return self._database.write(
            lambda connection: self._recurring.delete(connection, recurring_job_id, version, withdrawn)
        )

    def declare(self, recurring_job_ids: Collection[str]) -> frozenset[str]:
        if not recurring_job_ids:
            return frozenset()
        return self._database.write(lambda connection: self._recurring.declare(connection, recurring_job_ids))

    def undeclared(self, grace: timedelta) -> list[RecurringJob]:
        return self._database.read(lambda connection: self._recurring.undeclared(connection, grace))

    def due_recurring(self, limit: int) -> list[DueRecurringJob]:
        return self._database.read(lambda connection: self._firing.due(connection, limit))

    def fire(self, firings: Sequence[Firing]) -> frozenset[JobId]:
        made: set[JobId] = set()
        for start in range(0, len(firings), CHUNK):
            jobs = self._database.write(partial(self._firing.fire, firings=firings[start : start + CHUNK]))
            self._news.tell_of(jobs)
            made.update(job.id for job in jobs)
        return frozenset(made)

    def recurring_runs(self, recurring_job_id: str, limit: int, *, only_skipped: bool = False) -> list[RecurringRun]:
        return self._database.read(
            lambda connection: self._firing.runs(connection, recurring_job_id, limit, only_skipped=only_skipped)
        )

    # -- looking

    def get(self, job_id: UUID) -> Job | None:
        return self._database.read(lambda connection: self._looking.get(connection, job_id))

    def find(self, query: JobQuery) -> JobPage:
        return self._database.read(lambda connection: self._searching.find(connection, query))

    def count(self, query: JobQuery) -> JobCount:
        return self._database.read(lambda connection: self._searching.count(connection, query))

    def failures(self, limit: int) -> list[FailureGroup]:
        return self._database.read(lambda connection: self._failing.groups(connection, limit))

    def totals(self) -> Totals:
        return self._database.read(self._counting.totals)

    def samples(self, since: datetime) -> list[Sample]:
        return self._database.read(lambda connection: self._sampling.since(connection, since))

    def counts(self) -> dict[JobState, int]:
        return self._database.read(self._counting.read)

    def oldest_enqueued_at(self) -> datetime | None:
        return self._database.read(self._looking.oldest_enqueued_at)

    def logs(self, job_id: UUID, *, after: tuple[int, int] | None = None, limit: int | None = None) -> tuple[LogLine, ...]:
        return self._database.read(lambda connection: self._journal.logs(connection, job_id, after, limit))

    def data(self, job_id: UUID) -> dict[str, str]:
        return self._database.read(lambda connection: self._journal.data(connection, job_id))

    # -- servers

    def announce(self, server: ServerRecord) -> None:
        self._database.write(lambda connection: self._servers.announce(connection, server))

    def heartbeat(self, server: ServerRecord) -> list[ServerRecord]:
        return self._database.write_once(lambda connection: self._servers.heartbeat(connection, server))

    def pause_server(self, server_id: UUID, paused: bool) -> bool:
        return self._database.write_once(lambda connection: self._servers.pause(connection, server_id, paused))

    def sign_off(self, server_id: UUID) -> None:
        self._unanswered.pop(server_id, None)
        self._database.write_once(lambda connection: self._servers.sign_off(connection, server_id))

    def servers(self) -> list[ServerRecord]:
        return self._database.read(self._servers.all)

    def presence(self, server_id: UUID) -> Presence | None:
        self._database.check_open()
        return self._dialect.presence(server_id)

    def absent(self, server_ids: Collection[UUID]) -> frozenset[UUID]:
        if not server_ids:
            return frozenset()
        return self._database.read(lambda connection: self._dialect.absent(connection, server_ids))

    def remove_dead(self, servers: Sequence[ServerRecord]) -> list[ServerRecord]:
        return self._database.write(lambda connection: self._servers.remove_dead(connection, servers))

    # -- notes

    def get_metadata(self, name: str, owner: str = "cluster") -> str | None:
        return self._database.read(lambda connection: self._notes.get(connection, name, owner))

    def put_metadata(self, name: str, value: str, owner: str = "cluster", *, overwrite: bool = True) -> str:
        return self._database.write(lambda connection: self._notes.put(connection, name, value, owner, overwrite))

    def find_metadata(self, name: str) -> dict[str, str]:
        return self._database.read(lambda connection: self._notes.find(connection, name))

    def remove_metadata(self, name: str, owners: Collection[str]) -> None:
        self._database.write(lambda connection: self._notes.remove(connection, name, owners))

    def record_audit(self, entries: Sequence[AuditEntry]) -> None:
        ids = [JobId.new() for _ in entries]  # made here, so that a write that is sent again is recognised
        if entries:
            self._database.write(lambda connection: self._auditing.record(connection, ids, entries))

    def audits(self, subject: str | None = None, limit: int = 50, before: datetime | None = None) -> list[AuditEntry]:
        return self._database.read(lambda connection: self._auditing.find(connection, subject, limit, before))

    # -- waking up

    def listener(self, queues: Collection[str] = ()) -> Listener:
        self._database.check_open()
        return self._wake_ups.listener(queues)

    def timetable_listener(self) -> Listener:
        return self.listener({TIMETABLE})

    def _wake_up(self, queues: Queues) -> None:
        """Tell everybody that jobs were enqueued."""
        self._wake_ups.ring(queues)
        self._dialect.tell_others(queues)

    def start_anew_after_fork(self) -> None:
        """Forget, in the child of a fork, the connections and threads of the parent."""
        self._dialect.start_anew_after_fork()
        self._wake_ups.start_anew_after_fork()
        self._unanswered.clear()
