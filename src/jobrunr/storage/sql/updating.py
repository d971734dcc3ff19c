"""Changes of state that were decided elsewhere, each written if and only if its guard holds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from uuid import UUID

import msgspec
from sqlalchemy import Connection, String, TextClause, bindparam, cast, func, select, update

from jobrunr.ids import JobId
from jobrunr.jobs import Job, JobUpdate
from jobrunr.states import JobState
from jobrunr.storage.sql.chunks import chunks, first_of_each
from jobrunr.storage.sql.counting import FAILURES, SUCCESSES, Counting
from jobrunr.storage.sql.dialects.base import Dialect
from jobrunr.storage.sql.rows import read_jobs
from jobrunr.storage.sql.travelling import Success, change_values, document, success_values, times_as_text


def in_batches(updates: Sequence[JobUpdate]) -> Iterator[Sequence[JobUpdate]]:
    """The first update for each job, in the order of the ids, in which everybody locks them; not too many at once."""
    changes = first_of_each(updates, lambda change: change.job_id)
    return chunks(changes, lambda change: len(change.result_json or "") + len(change.past) + 500)


class Updating(ABC):
    """Writes those updates whose guard holds.

    The usual end, of a job that did its work, has a statement of its own, since there are so many of them, which say so
    little: on PostgreSQL it takes two thirds of the time.
    """

    def __init__(self, dialect: Dialect, counting: Counting) -> None:
        self.dialect = dialect
        self._counting = counting
        self._jobs = select(*dialect.tables.jobs.c).where(dialect.among(dialect.tables.jobs.c.id))

    def update(self, connection: Connection, updates: Sequence[JobUpdate]) -> frozenset[JobId]:
        """Write on a connection whose transaction is the caller's business; return the ids whose change is there now."""
        successes: list[JobUpdate] = []
        others: list[JobUpdate] = []
        for change in updates:
            (successes if change.state is JobState.SUCCEEDED else others).append(change)
        written = self.succeed(connection, successes) if successes else frozenset()
        return written | self.change(connection, others) if others else written

    @abstractmethod
    def succeed(self, connection: Connection, updates: Sequence[JobUpdate]) -> frozenset[JobId]:
        """Write usual ends."""

    @abstractmethod
    def change(self, connection: Connection, updates: Sequence[JobUpdate]) -> frozenset[JobId]:
        """Write other changes."""

    def written_before(self, connection: Connection, updates: Mapping[JobId, JobUpdate]) -> frozenset[JobId]:
        """Which of these, whose guards do not hold, were sent before and written then."""
        doubtful = [job_id for job_id, change in updates.items() if change.token is not None and change.keep_token]
        if not doubtful:
            return frozenset()
        jobs = read_jobs(connection, self.dialect, self._jobs, {"ids": doubtful})
        return frozenset(job.id for job in jobs if _was_written(job, updates[job.id]))


class StepwiseUpdating(Updating):
    """Locks the jobs in question in the order of their ids, looks at each guard, and writes those that hold."""

    def __init__(self, dialect: Dialect, counting: Counting, succeed: str) -> None:
        """
        Arguments:
            succeed: a statement that writes usual ends, given as JSON in ``:changes``, where their guards hold.
        """
        super().__init__(dialect, counting)
        self._succeed = dialect.statement(succeed)
        jobs = dialect.tables.jobs
        token = cast(jobs.c.claim_token, String(36))  # as text: a token that somebody damaged is just another one
        guarded = select(jobs.c.id, jobs.c.state, jobs.c.version, token).where(dialect.among(jobs.c.id))
        self._guards = guarded.order_by(jobs.c.id).with_for_update()

    def succeed(self, connection: Connection, updates: Sequence[JobUpdate]) -> frozenset[JobId]:
        changes = msgspec.json.encode([success_values(change) for change in updates]).decode()
        count = connection.execute(self._succeed, {"changes": changes}).rowcount
        self._counting.add(connection, {JobState.PROCESSING: -count, JobState.SUCCEEDED: count, SUCCESSES: count})
        if count == len(updates):
            return frozenset(change.job_id for change in updates)
        return self.written_before(connection, {change.job_id: change for change in updates})  # just now, or earlier

    def change(self, connection: Connection, updates: Sequence[JobUpdate]) -> frozenset[JobId]:
        wanted = {change.job_id: change for change in updates}
        changes: list[JobUpdate] = []
        moves: Counter[str] = Counter()
        for job_id, state, version, token in connection.execute(self._guards, {"ids": list(wanted)}):
            change = wanted.pop(job_id)
            if _holds(change, state, version, token):
                changes.append(change)
                moves[state] -= 1
                moves[change.state] += 1
                moves[FAILURES] += change.fingerprint is not None
            else:
                wanted[job_id] = change
        if changes:
            self.write(connection, changes)
            self._counting.add(connection, moves)
        return frozenset(change.job_id for change in changes) | self.written_before(connection, wanted)

    @abstractmethod
    def write(self, connection: Connection, changes: list[JobUpdate]) -> None:
        """Write changes to jobs that are locked."""


class SqliteUpdating(StepwiseUpdating):
    """Differs because there is one writer at a time. Usual ends go into one statement all the same, since the driver lets
    other threads of Python go first at each row that it writes."""

    def __init__(self, dialect: Dialect, counting: Counting) -> None:
        super().__init__(dialect, counting, _SUCCEED_ON_SQLITE)
        jobs = dialect.tables.jobs
        self._change = (
            update(jobs)
            .where(jobs.c.id == bindparam("job_id"))
            .values(
                state=bindparam("new_state"),
                version=jobs.c.version + 1,
                state_at=bindparam("at"),
                result=bindparam("new_result"),
                expires_at=bindparam("new_expires_at"),
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
                past=jobs.c.past + bindparam("more_past"),
                actor=bindparam("new_actor"),
                fingerprint=func.coalesce(bindparam("new_fingerprint"), jobs.c.fingerprint),
                crashes=bindparam("new_crashes"),
            )
        )

    def write(self, connection: Connection, changes: list[JobUpdate]) -> None:
        connection.execute(self._change, [change_values(change) for change in changes])


_SUCCEED_ON_SQLITE = """
    UPDATE {jobs}
    SET state = 'SUCCEEDED', version = version + 1, state_at = done.at, result = done.result,
        expires_at = done.expires_at, finished_at = done.at, crashes = NULL
    FROM (
        SELECT json_extract(value, '$[0]') AS job_id, json_extract(value, '$[1]') AS token,
               json_extract(value, '$[2]') AS at, json_extract(value, '$[3]') AS result,
               json_extract(value, '$[4]') AS expires_at
        FROM json_each(:changes)
    ) AS done
    WHERE id = done.job_id AND state = 'PROCESSING' AND claim_token = done.token
"""


class PostgresqlUpdating(Updating):
    """Differs because PostgreSQL can lock, write, count and answer in one statement."""

    def __init__(self, dialect: Dialect, counting: Counting) -> None:
        super().__init__(dialect, counting)
        self._change = dialect.statement(
            """
            WITH held AS (
                SELECT wanted.*, job.state AS old
                FROM ROWS FROM (
                    json_to_recordset(CAST(:changes AS json)) AS (
                        id uuid, token uuid, version int, kept_token uuid, state text, at timestamptz, run_at timestamptz,
                        reason text, attempts int, failures int, result text, expires_at timestamptz, past text,
                        actor text, fingerprint text, crashes int
                    )
                ) WITH ORDINALITY AS wanted
                JOIN {jobs} AS job ON job.id = wanted.id
                WHERE CASE WHEN wanted.token IS NULL THEN job.version = wanted.version
                           ELSE job.state = 'PROCESSING' AND job.claim_token = wanted.token END
                ORDER BY wanted.ordinality
                FOR UPDATE OF job
            ), changed AS (
                UPDATE {jobs} AS job
                SET state = held.state,
                    version = job.version + 1,
                    state_at = held.at,
                    result = held.result,
                    expires_at = held.expires_at,
                    claim_token = held.kept_token,
                    attempts = held.attempts,
                    failures = held.failures,
                    run_at = held.run_at,
                    reason = held.reason,
                    -- The attempt that ends has gone into the past, and a new one may begin.
                    scheduled_at = CASE held.state WHEN 'SCHEDULED' THEN held.at END,
                    enqueued_at = CASE held.state WHEN 'ENQUEUED' THEN held.at END,
                    started_at = NULL,
                    finished_at = NULL,
                    server_id = NULL,
                    past = job.past || held.past,
                    actor = held.actor,
                    fingerprint = coalesce(held.fingerprint, job.fingerprint),
                    crashes = held.crashes
                FROM held
                WHERE job.id = held.id
                RETURNING job.id, held.old, job.state AS new, held.fingerprint
            ), counted AS (
                INSERT INTO {job_counts} (state, amount)
                SELECT state, sum(amount)
                FROM (
                    SELECT old, -1 FROM changed
                    UNION ALL SELECT new, 1 FROM changed
                    UNION ALL SELECT '{failures}', 1 FROM changed WHERE fingerprint IS NOT NULL
                ) AS move (state, amount)
                GROUP BY state
                HAVING sum(amount) <> 0
            )
            SELECT {answer} FROM changed
        """,
            failures=FAILURES,
            answer=_ANSWER,
        )
        self._succeed = dialect.statement(
            """
            WITH held AS (
                SELECT done.*
                FROM ROWS FROM (
                    json_to_recordset(CAST(:changes AS json)) AS (
                        id uuid, token uuid, at timestamptz, result text, expires_at timestamptz
                    )
                ) WITH ORDINALITY AS done
                JOIN {jobs} AS job ON job.id = done.id
                -- A plain comparison would let the planner begin with all jobs in PROCESSING, again for each change.
                WHERE CASE job.state WHEN 'PROCESSING' THEN job.claim_token = done.token END
                ORDER BY done.ordinality
                FOR UPDATE OF job
            ), changed AS (
                UPDATE {jobs} AS job
                SET state = 'SUCCEEDED', version = version + 1, state_at = held.at, result = held.result,
                    expires_at = held.expires_at, finished_at = held.at, crashes = NULL
                FROM held
                WHERE job.id = held.id
                RETURNING job.id
            ), counted AS (
                INSERT INTO {job_counts} (state, amount)
                SELECT state, sign * amount
                FROM (VALUES ('PROCESSING', -1), ('SUCCEEDED', 1), ('{successes}', 1)) AS move (state, sign),
                     (SELECT count(*) AS amount FROM changed) AS changes
                WHERE amount > 0
            )
            SELECT {answer} FROM changed
        """,
            successes=SUCCESSES,
            answer=_ANSWER,
        )

    def succeed(self, connection: Connection, updates: Sequence[JobUpdate]) -> frozenset[JobId]:
        return self._run(connection, self._succeed, updates, Success.of)

    def change(self, connection: Connection, updates: Sequence[JobUpdate]) -> frozenset[JobId]:
        return self._run(connection, self._change, updates, document)

    def _run(
        self,
        connection: Connection,
        statement: TextClause,
        updates: Sequence[JobUpdate],
        document_of: Callable[[JobUpdate], object],
    ) -> frozenset[JobId]:
        changes = msgspec.json.encode([document_of(change) for change in updates]).decode()
        parameters = {"changes": changes, "wanted": len(updates)}
        found: list[UUID] | None = connection.execute(statement, parameters).scalar_one()
        if found is None:  # usually all of them are written, and then their ids need not travel back
            return frozenset(change.job_id for change in updates)
        changed = frozenset(map(JobId.of, found))
        rest = {change.job_id: change for change in updates if change.job_id not in changed}
        return changed | self.written_before(connection, rest)


_ANSWER = "CASE count(*) WHEN :wanted THEN NULL ELSE coalesce(array_agg(id), '{{}}') END"


class MysqlUpdating(StepwiseUpdating):
    """Differs because the driver sends a list of updates one by one, and waits for the answer to each. Here they travel as
    one JSON document."""

    def __init__(self, dialect: Dialect, counting: Counting) -> None:
        super().__init__(dialect, counting, _SUCCEED_ON_MYSQL)
        self._change_all = dialect.statement("""
            UPDATE JSON_TABLE(:changes, '$[*]' COLUMNS (
                id CHAR(36) CHARACTER SET ascii PATH '$.id', kept_token CHAR(36) PATH '$.kept_token',
                state VARCHAR(20) PATH '$.state', at DATETIME(6) PATH '$.at', run_at DATETIME(6) PATH '$.run_at',
                -- Without saying so, text would be that of the database, and lose what its character set does not know.
                reason LONGTEXT CHARACTER SET utf8mb4 PATH '$.reason',
                result LONGTEXT CHARACTER SET utf8mb4 PATH '$.result',
                past LONGTEXT CHARACTER SET utf8mb4 PATH '$.past',
                actor VARCHAR(255) CHARACTER SET utf8mb4 PATH '$.actor',
                attempts INT PATH '$.attempts', failures INT PATH '$.failures', expires_at DATETIME(6) PATH '$.expires_at',
                fingerprint VARCHAR(16) PATH '$.fingerprint', crashes INT PATH '$.crashes'
            )) AS wanted
            JOIN {jobs} AS job ON job.id = wanted.id
            SET job.state = wanted.state,
                job.version = job.version + 1,
                job.state_at = wanted.at,
                job.result = wanted.result,
                job.expires_at = wanted.expires_at,
                job.claim_token = wanted.kept_token,
                job.attempts = wanted.attempts,
                job.failures = wanted.failures,
                job.run_at = wanted.run_at,
                job.reason = wanted.reason,
                -- The attempt that ends has gone into the past, and a new one may begin.
                job.scheduled_at = IF(wanted.state = 'SCHEDULED', wanted.at, NULL),
                job.enqueued_at = IF(wanted.state = 'ENQUEUED', wanted.at, NULL),
                job.started_at = NULL,
                job.finished_at = NULL,
                job.server_id = NULL,
                job.past = CONCAT(job.past, wanted.past),
                job.actor = wanted.actor,
                job.fingerprint = COALESCE(wanted.fingerprint, job.fingerprint),
                job.crashes = wanted.crashes
        """)

    def write(self, connection: Connection, changes: list[JobUpdate]) -> None:
        documents = [document(change) | times_as_text(change) for change in changes]
        connection.execute(self._change_all, {"changes": msgspec.json.encode(documents).decode()})


_SUCCEED_ON_MYSQL = """
    UPDATE JSON_TABLE(:changes, '$[*]' COLUMNS (
        id CHAR(36) CHARACTER SET ascii PATH '$[0]', token CHAR(36) CHARACTER SET ascii PATH '$[1]',
        at DATETIME(6) PATH '$[2]', result LONGTEXT CHARACTER SET utf8mb4 PATH '$[3]',
        expires_at DATETIME(6) PATH '$[4]'
    )) AS done
    -- Otherwise the optimizer may begin with all jobs in PROCESSING, again for each change.
    STRAIGHT_JOIN {jobs} AS job ON job.id = done.id
    SET job.state = 'SUCCEEDED', job.version = job.version + 1, job.state_at = done.at, job.result = done.result,
        job.expires_at = done.expires_at, job.finished_at = done.at, job.crashes = NULL
    WHERE job.state = 'PROCESSING' AND job.claim_token = done.token
"""


def updating(dialect: Dialect, counting: Counting) -> Updating:
    """What writes changes of state into this kind of database."""
    kinds: dict[str, Callable[[Dialect, Counting], Updating]] = {
        "sqlite": SqliteUpdating,
        "postgresql": PostgresqlUpdating,
        "mysql": MysqlUpdating,
    }
    return kinds[dialect.name](dialect, counting)


def _holds(change: JobUpdate, state: str, version: int, token: str | None) -> bool:
    """Whether the guard of an update holds. An update without a guard never may be written."""
    if change.token is not None:
        return state == JobState.PROCESSING and token == str(change.token)
    return change.version is not None and version == change.version


def _was_written(job: Job, change: JobUpdate) -> bool:
    """Whether this very update of an owner, whose token is still in the job, was written before. The job may have moved on
    since then, so the moment is looked for where the moves after it leave it."""
    if job.claim_token != change.token or job.state is JobState.PROCESSING:
        return False
    if change.state is JobState.SUCCEEDED:
        return job.finished_at == change.at
    if change.state is JobState.SCHEDULED:
        return job.scheduled_at == change.at
    if change.state is JobState.ENQUEUED:
        return job.scheduled_at is None and job.enqueued_at == change.at
    return job.state is change.state and job.state_at == change.at
