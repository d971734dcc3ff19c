"""Taking jobs for a server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from msgspec.structs import force_setattr, replace
from sqlalchemy import Connection, Executable, Select, bindparam, exists, func, select, update
from sqlalchemy.exc import DataError, DBAPIError, ProgrammingError

from jobrunr.ids import new_token
from jobrunr.jobs import Job
from jobrunr.states import JobState
from jobrunr.storage.sql.column_types import Id
from jobrunr.storage.sql.counting import Counting
from jobrunr.storage.sql.dialects.base import Dialect
from jobrunr.storage.sql.job_documents import claimed_as_json, read_jobs_as_json
from jobrunr.storage.sql.rows import NONSENSE, in_utc, job_of_typed, read_jobs


@dataclass
class ClaimRequest:
    """Who wants how many jobs, from where, and the token that they will be held under."""

    server_id: UUID
    server_name: str
    limit: int
    queues: Collection[str]
    token: UUID = field(default_factory=new_token)
    was_sent: bool = False
    """Whether it may have been carried out already, without our knowing."""


class Claiming(ABC):
    """Moves ENQUEUED jobs to PROCESSING."""

    looks_first: ClassVar[bool] = False
    """Whether it is worth a look if anything is ENQUEUED before one tries to claim it."""

    def __init__(self, dialect: Dialect, counting: Counting) -> None:
        jobs = dialect.tables.jobs
        self.dialect = dialect
        self._counting = counting
        self._any_enqueued = dialect.tables.any_enqueued()
        self._under_token = select(*jobs.c).where(
            dialect.tables.in_state(JobState.PROCESSING),
            jobs.c.server_id == bindparam("for_server"),
            jobs.c.claim_token == bindparam("token"),
        )

    def is_any_enqueued(self, connection: Connection) -> bool:
        """Whether there is anything to claim at all."""
        return connection.execute(self._any_enqueued).first() is not None

    def claim(self, connection: Connection, request: ClaimRequest) -> list[Job]:
        """Take the first jobs in line. When the answer to a request is lost, the same request gives the same jobs."""
        if request.was_sent and (jobs := self.under_token_of(connection, request)):
            return jobs
        request.was_sent = True
        return self.take_first(connection, request)

    @abstractmethod
    def take_first(self, connection: Connection, request: ClaimRequest) -> list[Job]:
        """Take them, and return them as they are now."""

    def under_token_of(self, connection: Connection, request: ClaimRequest) -> list[Job]:
        """What a request took."""
        parameters = {"for_server": request.server_id, "token": request.token}
        return read_jobs(connection, self.dialect, self._under_token, parameters)


class StepwiseClaiming(Claiming):
    """Locks the first jobs in line as it reads them, and then takes them."""

    def __init__(self, dialect: Dialect, counting: Counting) -> None:
        super().__init__(dialect, counting)
        jobs, servers = dialect.tables.jobs, dialect.tables.servers
        first: Select[*tuple[Any, ...]] = (
            select(*jobs.c)
            .where(dialect.tables.in_state(JobState.ENQUEUED), exists().where(servers.c.id == bindparam("for_server")))
            .order_by(jobs.c.priority.desc(), jobs.c.state_at, jobs.c.id)
            .limit(bindparam("limit"))
            .with_for_update(skip_locked=True, of=jobs)
        )
        of_queue = first.where(jobs.c.queue == bindparam("queue"))
        self._first = dialect.by_index(first, jobs, "jobs_enqueued")
        self._first_of_queue = dialect.by_index(of_queue, jobs, "jobs_enqueued_by_queue")
        self._first_as_json = self._as_json(self._first)
        self._first_of_queue_as_json = self._as_json(self._first_of_queue)
        self._take = (
            update(jobs)
            .where(dialect.among(jobs.c.id))
            .values(
                state=JobState.PROCESSING.value,
                version=jobs.c.version + 1,
                attempts=jobs.c.attempts + 1,
                claim_token=bindparam("token"),
                state_at=bindparam("at"),
                started_at=bindparam("at"),
                server_id=bindparam("for_server"),
                server_name=bindparam("for_server_name"),
            )
        )

    def _as_json(self, first: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
        """The same jobs, as `read_jobs_as_json` reads them."""
        return first.with_only_columns(claimed_as_json(self.dialect.tables.jobs.c))

    def take_first(self, connection: Connection, request: ClaimRequest) -> list[Job]:
        try:
            jobs = self._first_in_line(connection, request)
        except DBAPIError as error:
            if self.dialect.trouble(error) is not None or isinstance(error, ProgrammingError):
                raise  # the database has a problem, or we have one, and not a row
        except NONSENSE:
            pass
        else:
            at = self._take_these(connection, request, jobs)
            for job in jobs:  # nobody has seen them yet
                force_setattr(job, "state_at", at)
                force_setattr(job, "started_at", at)
            return jobs
        return self._take_with_care(connection, request)

    def _take_with_care(self, connection: Connection, request: ClaimRequest) -> list[Job]:
        """The same where a row holds nonsense: its job can only fail, but for that somebody has to have it.

        What a claim changes is said here again, since `claimed_as_json` makes nonsense unreadable, and not whole.
        """
        statement = self._first_of_queue if request.queues else self._first
        found = [read_jobs(connection, self.dialect, statement, parameters) for parameters in _lines(request)]
        jobs = [job for line in found for job in line][: request.limit]
        at = self._take_these(connection, request, jobs)
        return [
            replace(
                job,
                state=JobState.PROCESSING,
                version=job.version + 1,
                attempts=job.attempts + 1,
                claim_token=request.token,
                state_at=at,
                started_at=at,
                server_id=request.server_id,
                server_name=request.server_name,
            )
            for job in jobs
        ]

    def _first_in_line(self, connection: Connection, request: ClaimRequest) -> list[Job]:
        """The jobs to be taken, as they will be then, but for the moments."""
        statement = self._first_of_queue_as_json if request.queues else self._first_as_json
        owner, found = _owner(request), list[Job]()
        for parameters in _lines(request):
            found += read_jobs_as_json(connection.execute(statement, owner | parameters).scalars())
        if request.queues:
            found.sort(key=lambda job: (-job.priority, job.state_at, job.id))
        return found[: request.limit]

    def _take_these(self, connection: Connection, request: ClaimRequest, jobs: list[Job]) -> datetime:
        """Write down that they are taken, and return since when: not before they were ENQUEUED, by the same clock."""
        at = self.dialect.now(connection)
        if jobs:
            connection.execute(self._take, _owner(request) | {"ids": [job.id for job in jobs], "at": at})
            self._counting.moved(connection, len(jobs), JobState.ENQUEUED, JobState.PROCESSING)
        return at


def _owner(request: ClaimRequest) -> dict[str, Any]:
    """Parameters that say who takes them."""
    return {"for_server": request.server_id, "for_server_name": request.server_name, "token": request.token}


def _lines(request: ClaimRequest) -> list[dict[str, Any]]:
    """Parameters for each line that a request is served from. Queue by queue, so that a long queue of others is never looked
    through for the few jobs of ours behind it."""
    parameters: dict[str, Any] = {"for_server": request.server_id, "limit": request.limit}
    return [parameters | {"queue": queue} for queue in sorted(set(request.queues))] if request.queues else [parameters]


class SqliteClaiming(StepwiseClaiming):
    """Differs because there is one writer at a time: a server without work looks first, and does not get in the way. And all
    jobs come in one row: at each row the driver lets other threads of Python go first."""

    looks_first: ClassVar[bool] = True

    def _as_json(self, first: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
        return select(func.group_concat(claimed_as_json(first.subquery().c)))


class PostgresqlClaiming(Claiming):
    """Differs because PostgreSQL can pick, take, count and return jobs in one statement."""

    def __init__(self, dialect: Dialect, counting: Counting) -> None:
        super().__init__(dialect, counting)
        self._claim = self._statement(_PICK)
        self._claim_from_queues = self._statement(_PICK_FROM_QUEUES)

    def _statement(self, pick: str) -> Executable:
        jobs = self.dialect.tables.jobs
        statement = self.dialect.statement(_CLAIM, pick=pick, columns=", ".join(column.name for column in jobs.c))
        typed = statement.bindparams(bindparam("token", type_=Id), bindparam("for_server", type_=Id))
        # psycopg makes ids and moments by itself; that SQLAlchemy looks at all of them again takes as long once more.
        return typed if self.dialect.engine.dialect.driver == "psycopg" else typed.columns(*jobs.c)

    def take_first(self, connection: Connection, request: ClaimRequest) -> list[Job]:
        parameters: dict[str, Any] = {
            "for_server": request.server_id,
            "for_server_name": request.server_name,
            "token": request.token,
            "limit": request.limit,
        }
        statement = self._claim
        if request.queues:
            statement = self._claim_from_queues
            parameters["queues"] = list(request.queues)
        try:
            rows = connection.execute(statement, parameters).all()
            return [job_of_typed(row) for row in in_utc(rows)]
        except DBAPIError as error:
            if self.dialect.trouble(error) is not None or not isinstance(error, DataError):
                raise
        except NONSENSE:
            pass
        return self.under_token_of(connection, request)  # they are taken, only that we could not read them


_CLAIM = """
    WITH picked AS ({pick}), claimed AS (
        UPDATE {jobs} AS job
        SET state = 'PROCESSING', version = version + 1, attempts = attempts + 1, claim_token = :token,
            state_at = {now}, started_at = {now}, server_id = :for_server, server_name = :for_server_name
        FROM picked
        WHERE job.id = picked.id
        RETURNING job.*
    ), counted AS (
        INSERT INTO {job_counts} (state, amount)
        SELECT state, sign * amount
        FROM (VALUES ('ENQUEUED', -1), ('PROCESSING', 1)) AS move (state, sign),
             (SELECT count(*) AS amount FROM claimed) AS claims
        WHERE amount > 0
    )
    SELECT {columns} FROM claimed ORDER BY priority DESC, enqueued_at, id
"""

_PICK = """
    SELECT id
    FROM {jobs}
    WHERE state = 'ENQUEUED' AND EXISTS (SELECT FROM {servers} WHERE id = :for_server)
    ORDER BY priority DESC, state_at, id
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
"""

_PICK_FROM_QUEUES = """
    SELECT first.id
    FROM (SELECT DISTINCT unnest(CAST(:queues AS text[]))) AS wanted (queue)
    CROSS JOIN LATERAL (
        SELECT id, priority, state_at
        FROM {jobs} AS job
        WHERE state = 'ENQUEUED' AND job.queue = wanted.queue AND EXISTS (SELECT FROM {servers} WHERE id = :for_server)
        ORDER BY priority DESC, state_at, id
        LIMIT :limit
        FOR UPDATE SKIP LOCKED
    ) AS first
    ORDER BY first.priority DESC, first.state_at, first.id
    LIMIT :limit
"""


def claiming(dialect: Dialect, counting: Counting) -> Claiming:
    """What claims jobs in this kind of database."""
    kinds: dict[str, Callable[[Dialect, Counting], Claiming]] = {
        "sqlite": SqliteClaiming,
        "postgresql": PostgresqlClaiming,
        "mysql": StepwiseClaiming,
    }
    return kinds[dialect.name](dialect, counting)
