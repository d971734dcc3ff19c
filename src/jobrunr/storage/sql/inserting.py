"""New jobs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from jobrunr.ids import JobId
from jobrunr.jobs import MAX_LABEL_LENGTH, NewJob, encode_extras, encode_labels
from jobrunr.states import JobState
from jobrunr.storage.sql.chunks import chunks, first_of_each
from jobrunr.storage.sql.column_types import time_as_text
from jobrunr.storage.sql.counting import Counting
from jobrunr.storage.sql.deadlines import present_deadline
from jobrunr.storage.sql.dialects.base import Dialect
from jobrunr.storage.sql.dialects.mysql import DUPLICATE_ENTRY


def in_pieces(jobs: Sequence[NewJob]) -> list[Sequence[NewJob]]:
    """The first job of each id, in the order of the ids, so that two who insert the same ones cannot wait for each other; in
    pieces that one statement takes."""
    return [jobs] if len(jobs) == 1 else list(chunks(first_of_each(jobs, lambda job: job.id), _size))


def labels_of(jobs: Iterable[NewJob]) -> list[dict[str, Any]]:
    """The rows that belong to jobs in the table of labels, as far as the label fits there."""
    return [
        {"label": label, "job_id": job.id}
        for job in jobs
        if job.labels
        for label in dict.fromkeys(label[:MAX_LABEL_LENGTH] for label in job.labels)
    ]


def _size(job: NewJob) -> int:
    return len(job.details.arguments) + len(job.name) + 500


class Inserting(ABC):
    """Inserts jobs whose ids are new, and leaves the others alone."""

    def __init__(self, dialect: Dialect, counting: Counting) -> None:
        jobs = dialect.tables.jobs
        self.dialect = dialect
        self._counting = counting
        # A locking read sees what is there now, whatever the isolation of the transaction.
        self._insert_labels = insert(dialect.tables.job_labels)
        self._existing = select(jobs.c.id).where(dialect.among(jobs.c.id)).with_for_update(read=True)

    def insert(self, connection: Connection, pieces: Sequence[Sequence[NewJob]]) -> frozenset[JobId]:
        """Insert on a connection whose transaction is the caller's business; return the ids that were new."""
        new: set[JobId] = set()
        deadline = present_deadline()
        for number, piece in enumerate(pieces):
            if number > 0 and deadline is not None:
                deadline.renew()  # many large jobs take their time
            new |= self._insert_piece(connection, piece)
        return frozenset(new)

    @abstractmethod
    def _insert_piece(self, connection: Connection, jobs: Sequence[NewJob]) -> set[JobId]:
        """Insert what one statement takes."""

    def _label(self, connection: Connection, jobs: Iterable[NewJob]) -> None:
        """Note new jobs under their labels, if any of them has some."""
        if labels := labels_of(jobs):
            connection.execute(self._insert_labels, labels)

    def _without_existing(self, connection: Connection, jobs: Sequence[NewJob]) -> list[NewJob]:
        existing = set(connection.execute(self._existing, {"ids": [job.id for job in jobs]}).scalars())
        return [job for job in jobs if job.id not in existing]


class SqliteInserting(Inserting):
    """Differs because the driver inserts thousands of rows in the time that it takes to convert their values one by one; so
    they are made as the driver wants them."""

    def __init__(self, dialect: Dialect, counting: Counting) -> None:
        super().__init__(dialect, counting)
        self._insert_new = dialect.statement("""
            INSERT INTO {jobs} (
                id, state, version, target, arguments, name, queue, priority, labels, retries, attempts, failures,
                created_at, state_at, scheduled_at, enqueued_at, run_at, reason, recurring_job_id, extras, past
            )
            VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?, ?, ?, ?, ?, ?, ?, ?, '')
            ON CONFLICT (id) DO NOTHING
        """).text

    def _insert_piece(self, connection: Connection, jobs: Sequence[NewJob]) -> set[JobId]:
        if len(jobs) > 1:  # nobody else writes between this look and the insert
            jobs = self._without_existing(connection, jobs)
        now = time_as_text(self.dialect.now(connection))
        rows = [_row(job, now) for job in jobs]
        if not rows or not connection.exec_driver_sql(self._insert_new, rows).rowcount:
            return set()
        self._counting.add(connection, Counter(job.state for job in jobs))
        self._label(connection, jobs)
        return {job.id for job in jobs}


def _row(job: NewJob, now: str) -> tuple[str | int | None, ...]:
    return (
        str(job.id),
        job.state.value,
        job.details.target,
        job.details.arguments,
        job.name,
        job.queue,
        job.priority,
        encode_labels(job.labels),
        job.retries,
        now,
        now,
        now if job.state is JobState.SCHEDULED else None,
        now if job.state is JobState.ENQUEUED else None,
        None if job.run_at is None else time_as_text(job.run_at),
        job.reason,
        job.recurring_job_id,
        encode_extras(job.extras),
    )


class PostgresqlInserting(Inserting):
    """Differs because PostgreSQL can leave out what exists, count what was new, and say which, in one statement.

    Many jobs travel as one JSON document, which is twice as fast as arrays, one a column: psycopg quotes those in Python,
    element by element. What is the same in all of them travels once. COPY cannot leave anything out. Usually all of them are
    new, and then their ids need not travel back. One job alone does without JSON, and where the driver is psycopg without
    SQLAlchemy.
    """

    def __init__(self, dialect: Dialect, counting: Counting) -> None:
        super().__init__(dialect, counting)
        many = partial(
            dialect.statement,
            _INSERT_ON_POSTGRESQL,
            source="""
                SELECT
                    id, coalesce(state, :state), 1, coalesce(target, :target), arguments, name, coalesce(queue, :queue),
                    coalesce(priority, :priority), labels, coalesce(retries, :retries), 0, 0, {now}, {now},
                    CASE coalesce(state, :state) WHEN 'SCHEDULED' THEN {now} END,
                    CASE coalesce(state, :state) WHEN 'ENQUEUED' THEN {now} END,
                    run_at, reason, recurring_job_id, extras, ''
                FROM json_to_recordset(CAST(:jobs AS json)) AS job (
                    id uuid, state text, target text, arguments text, name text, queue text, priority int, labels text,
                    retries int, run_at timestamptz, reason text, recurring_job_id text, extras text
                )
            """,
            counts="SELECT state, count(*) FROM new GROUP BY state",
            answer="CASE count(*) WHEN :wanted THEN NULL ELSE coalesce(array_agg(id), '{{}}') END",
        )
        self._insert_many, self._insert_many_with_labels = many(labelled=""), many(labelled=_LABELLED)
        one = partial(
            dialect.statement,
            _INSERT_ON_POSTGRESQL,
            source="""
                VALUES (
                    :id, CAST(:state AS text), 1, :target, :arguments, :name, :queue, :priority, :labels, :retries, 0, 0,
                    {now}, {now}, CASE CAST(:state AS text) WHEN 'SCHEDULED' THEN {now} END,
                    CASE CAST(:state AS text) WHEN 'ENQUEUED' THEN {now} END,
                    :run_at, :reason, :recurring_job_id, :extras, ''
                )
            """,
            counts="SELECT state, 1 FROM new",
            answer="id",
        )
        self._insert_one = dialect.shortest_way(one(labelled=""))
        self._insert_one_with_labels = dialect.shortest_way(one(labelled=_LABELLED))

    def _insert_piece(self, connection: Connection, jobs: Sequence[NewJob]) -> set[JobId]:
        labels = labels_of(jobs)
        given = {"job_labels": msgspec.json.encode(labels).decode()} if labels else {}
        if len(jobs) == 1:
            insert_one = self._insert_one_with_labels if labels else self._insert_one
            return {jobs[0].id} if insert_one(connection, _document(jobs[0]) | given) else set()
        statement = self._insert_many_with_labels if labels else self._insert_many
        new = connection.execute(statement, {**_documents(jobs), "wanted": len(jobs)} | given).scalar_one()
        return {job.id for job in jobs} if new is None else set(map(JobId.of, new))


_INSERT_ON_POSTGRESQL = """
    WITH new AS (
        INSERT INTO {jobs} (
            id, state, version, target, arguments, name, queue, priority, labels, retries, attempts, failures,
            created_at, state_at, scheduled_at, enqueued_at, run_at, reason, recurring_job_id, extras, past
        )
        {source}
        ON CONFLICT (id) DO NOTHING
        RETURNING id, state
    ), counted AS (
        INSERT INTO {job_counts} (state, amount) {counts}
    ){labelled}
    SELECT {answer} FROM new
"""


_LABELLED = """, labelled AS (
        INSERT INTO {job_labels} (label, job_id)
        SELECT label, job_id
        FROM json_to_recordset(CAST(:job_labels AS json)) AS label (label text, job_id uuid) JOIN new ON new.id = job_id
    )"""


class MysqlInserting(Inserting):
    """Differs because there is no ON CONFLICT DO NOTHING, and IGNORE would ignore every other mistake as well. So all are
    inserted, and only when one of them exists, the others are.

    The jobs travel as one JSON document: the driver would put thousands of values into the text of a statement in Python.
    """

    def __init__(self, dialect: Dialect, counting: Counting) -> None:
        super().__init__(dialect, counting)
        self._insert_new = dialect.statement("""
            INSERT INTO {jobs} (
                id, state, version, target, arguments, name, queue, priority, labels, retries, attempts, failures,
                created_at, state_at, scheduled_at, enqueued_at, run_at, reason, recurring_job_id, extras, past
            )
            SELECT
                id, state, 1, target, arguments, name, queue, priority, labels, retries, 0, 0,
                {now}, {now}, CASE state WHEN 'SCHEDULED' THEN {now} END, CASE state WHEN 'ENQUEUED' THEN {now} END,
                run_at, reason, recurring_job_id, extras, ''
            FROM JSON_TABLE(:jobs, '$[*]' COLUMNS (
                id CHAR(36) PATH '$.id', state VARCHAR(20) PATH '$.state',
                -- Without saying so, text would be that of the database, and lose what its character set does not know.
                target LONGTEXT CHARACTER SET utf8mb4 PATH '$.target',
                arguments LONGTEXT CHARACTER SET utf8mb4 PATH '$.arguments',
                name LONGTEXT CHARACTER SET utf8mb4 PATH '$.name',
                queue LONGTEXT CHARACTER SET utf8mb4 PATH '$.queue',
                labels LONGTEXT CHARACTER SET utf8mb4 PATH '$.labels',
                reason LONGTEXT CHARACTER SET utf8mb4 PATH '$.reason',
                recurring_job_id LONGTEXT CHARACTER SET utf8mb4 PATH '$.recurring_job_id',
                extras LONGTEXT CHARACTER SET utf8mb4 PATH '$.extras',
                priority INT PATH '$.priority', retries INT PATH '$.retries', run_at DATETIME(6) PATH '$.run_at'
            )) AS job
        """)

    def _insert_piece(self, connection: Connection, jobs: Sequence[NewJob]) -> set[JobId]:
        while jobs:
            try:
                self._insert_all(connection, jobs)
            except IntegrityError as error:
                if error.orig is None or error.orig.args[0] != DUPLICATE_ENTRY:
                    raise
                jobs = self._without_existing(connection, jobs)
            else:
                break
        self._counting.add(connection, Counter(job.state for job in jobs))
        self._label(connection, jobs)
        return {job.id for job in jobs}

    def _insert_all(self, connection: Connection, jobs: Sequence[NewJob]) -> None:
        documents = [_document(job) | {"run_at": None if job.run_at is None else time_as_text(job.run_at)} for job in jobs]
        connection.execute(self._insert_new, {"jobs": msgspec.json.encode(documents).decode()})


def _document(job: NewJob) -> dict[str, Any]:
    """What a new job says of itself, to be sent as JSON."""
    return {
        "id": job.id,
        "state": job.state.value,
        "target": job.details.target,
        "arguments": job.details.arguments,
        "name": job.name,
        "queue": job.queue,
        "priority": job.priority,
        "labels": encode_labels(job.labels),
        "retries": job.retries,
        "run_at": job.run_at,
        "reason": job.reason,
        "recurring_job_id": job.recurring_job_id,
        "extras": encode_extras(job.extras),
    }


class _Difference(msgspec.Struct, omit_defaults=True, gc=False):
    """What a new job says of itself, beside what it has in common with others."""

    id: JobId
    arguments: str
    name: str
    state: str | None = None
    target: str | None = None
    queue: str | None = None
    priority: int | None = None
    retries: int | None = None
    labels: str | None = None
    run_at: datetime | None = None
    reason: str | None = None
    recurring_job_id: str | None = None
    extras: str | None = None


def _documents(jobs: Sequence[NewJob]) -> dict[str, Any]:
    """New jobs as JSON, and what is in none of these documents because the first job has it, too."""
    first = jobs[0]
    state, target, queue, priority, retries = first.state, first.details.target, first.queue, first.priority, first.retries
    differences = [
        _Difference(
            job.id,
            job.details.arguments,
            job.name,
            None if job.state is state else job.state.value,
            None if job.details.target == target else job.details.target,
            None if job.queue == queue else job.queue,
            None if job.priority == priority else job.priority,
            None if job.retries == retries else job.retries,
            encode_labels(job.labels),
            job.run_at,
            job.reason,
            job.recurring_job_id,
            encode_extras(job.extras),
        )
        for job in jobs
    ]
    document = msgspec.json.encode(differences).decode()
    common = {"state": state.value, "target": target, "queue": queue, "priority": priority, "retries": retries}
    return common | {"jobs": document}


def inserting(dialect: Dialect, counting: Counting) -> Inserting:
    """What inserts jobs into this kind of database."""
    kinds: dict[str, type[Inserting]] = {
        "sqlite": SqliteInserting,
        "postgresql": PostgresqlInserting,
        "mysql": MysqlInserting,
    }
    return kinds[dialect.name](dialect, counting)
