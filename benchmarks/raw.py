"""The raw drivers doing what we do: the same rows, the same indexes, the same durability, and nothing else.

A person who needs no retries, no history, no counts and no second server could write this by hand. It is the most that can
be had from Python and the database, and so what we compare ourselves with.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import URL, create_engine

from benchmarks.jobs import noop
from jobrunr import JobId, JobRunr, JobState
from jobrunr.storage.sql.column_types import time_as_text
from jobrunr.storage.sql.tables import Tables

PREFIX = "raw_"
"""Of tables beside ours in the same database, made by the same migrations."""

COLUMNS = [column.name for column in Tables().jobs.c]
BATCH = 200
SERVER = "server:1"
Row = tuple[Any, ...]


class Raw(ABC):
    """A connection of the raw driver, and a table of jobs.

    Arguments:
        url: of the database.
        prefix: which tables; by default a set of its own, which is made here.
    """

    placeholder = "%s"

    def __init__(self, url: URL, prefix: str = PREFIX) -> None:
        with JobRunr(url.render_as_string(hide_password=False), table_prefix=prefix) as app:
            app.scheduler.counts()  # the first use makes the tables
        self.prefix = prefix
        self.jobs = f"{prefix}jobs"
        dialect = create_engine(url).dialect
        args, kwargs = dialect.create_connect_args(url)
        self.connection: Any = dialect.loaded_dbapi.connect(*args, **kwargs)
        self.set_up()
        values = ", ".join([self.placeholder] * len(COLUMNS))
        self.insertion = f"INSERT INTO {self.jobs} ({', '.join(COLUMNS)}) VALUES ({values})"

    def rows(self, count: int, state: JobState = JobState.ENQUEUED) -> list[Row]:
        """So many new jobs, in a form that the driver takes."""
        begin = datetime.now(UTC)
        return [self._row(begin + timedelta(microseconds=number), state) for number in range(count)]

    def _row(self, at: datetime, state: JobState) -> Row:
        job: dict[str, Any] = {"id": JobId.new(), "state": state.value, "version": 1}
        job |= {"target": f"{noop.__module__}:{noop.__qualname__}", "arguments": '{"number":1}', "name": "jobs.noop(1)"}
        job |= {"queue": "default", "priority": 0, "retries": 10, "attempts": 0, "failures": 0, "past": ""}
        job |= {"created_at": at, "state_at": at, "enqueued_at": at}
        if state is JobState.SUCCEEDED:
            job |= {"version": 3, "attempts": 1, "claim_token": uuid4(), "server_id": uuid4(), "server_name": SERVER}
            job |= {"started_at": at, "finished_at": at}
        return tuple(self.adapt(job.get(column)) for column in COLUMNS)

    def adapt(self, value: Any) -> Any:
        """A value as the driver wants it; differs where the driver knows no UUIDs and times."""
        if isinstance(value, UUID):
            return str(value)
        return time_as_text(value) if isinstance(value, datetime) else value

    def insert(self, row: Row) -> None:
        """One job, committed."""
        self.execute(self.insertion, row)

    def drain(self) -> int:
        """Claim a batch, complete a batch, until none is left. Returns how many there were."""
        server, count = uuid4(), 0
        while jobs := self.claim(server, token := uuid4()):
            self.complete([job[0] for job in jobs], token)
            count += len(jobs)
        return count

    def count(self, state: JobState, amount: int) -> None:
        """Tell our counts about jobs that came without our code."""
        self.execute(f"INSERT INTO {self.prefix}job_counts (state, amount) VALUES ('{state}', {amount})")

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Any:
        cursor = self.connection.cursor()
        cursor.execute(statement, parameters)
        return cursor

    def close(self) -> None:
        self.connection.close()

    @abstractmethod
    def set_up(self) -> None:
        """Every statement is a transaction of its own, unless we say BEGIN."""

    @abstractmethod
    def insert_many(self, rows: list[Row]) -> None:
        """Many jobs in one transaction, by the fastest way the driver has."""

    @abstractmethod
    def claim(self, server: UUID, token: UUID) -> list[Row]:
        """Take a batch, committed; the whole rows."""

    @abstractmethod
    def complete(self, ids: list[Any], token: UUID) -> None:
        """Write the success of a batch that is still ours, committed."""

    def tidy_up(self) -> None:
        """What the database itself does after a while, unless it was told not to; nothing on most."""


_TAKE = "state = 'PROCESSING', version = version + 1, attempts = attempts + 1"
_END = "state = 'SUCCEEDED', version = version + 1"
_FIRST = f"state = 'ENQUEUED' ORDER BY priority DESC, state_at, id LIMIT {BATCH}"


class RawPostgresql(Raw):
    def set_up(self) -> None:
        self.connection.autocommit = True

    def adapt(self, value: Any) -> Any:
        return value

    def insert_many(self, rows: list[Row]) -> None:
        with self.connection.cursor().copy(f"COPY {self.jobs} ({', '.join(COLUMNS)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    def claim(self, server: UUID, token: UUID) -> list[Row]:
        taken: list[Row] = self.execute(
            f"""WITH picked AS (SELECT id FROM {self.jobs} WHERE {_FIRST} FOR UPDATE SKIP LOCKED)
            UPDATE {self.jobs} AS job
            SET {_TAKE}, claim_token = %s, server_id = %s, server_name = %s, state_at = now(), started_at = now()
            FROM picked WHERE job.id = picked.id RETURNING job.*""",
            (token, server, SERVER),
        ).fetchall()
        return taken

    def complete(self, ids: list[Any], token: UUID) -> None:
        self.execute(
            f"""UPDATE {self.jobs} SET {_END}, state_at = now(), finished_at = now()
            WHERE id = ANY(%s) AND state = 'PROCESSING' AND claim_token = %s""",
            (ids, token),
        )

    def tidy_up(self) -> None:
        self.execute("VACUUM ANALYZE")


class RawSqlite(Raw):
    placeholder = "?"

    def set_up(self) -> None:
        self.connection.isolation_level = None
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = FULL")

    def insert_many(self, rows: list[Row]) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.executemany(self.insertion, rows)
        self.connection.execute("COMMIT")

    def claim(self, server: UUID, token: UUID) -> list[Row]:
        now = time_as_text(datetime.now(UTC))
        taken: list[Row] = self.execute(
            f"""UPDATE {self.jobs}
            SET {_TAKE}, claim_token = ?, server_id = ?, server_name = ?, state_at = ?, started_at = ?
            WHERE id IN (SELECT id FROM {self.jobs} WHERE {_FIRST}) RETURNING *""",
            (str(token), str(server), SERVER, now, now),
        ).fetchall()
        return taken

    def complete(self, ids: list[Any], token: UUID) -> None:
        now = time_as_text(datetime.now(UTC))
        self.execute(
            f"""UPDATE {self.jobs} SET {_END}, state_at = ?, finished_at = ?
            WHERE id IN (SELECT value FROM json_each(?)) AND state = 'PROCESSING' AND claim_token = ?""",
            (now, now, json.dumps(ids), str(token)),
        )


class RawMysql(Raw):
    def set_up(self) -> None:
        self.execute("SET autocommit = 1")
        self.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")

    def insert_many(self, rows: list[Row]) -> None:
        self.connection.begin()
        self.connection.cursor().executemany(self.insertion, rows)  # one INSERT with many rows
        self.connection.commit()

    def claim(self, server: UUID, token: UUID) -> list[Row]:
        self.connection.begin()
        jobs: list[Row] = self.execute(f"SELECT * FROM {self.jobs} WHERE {_FIRST} FOR UPDATE SKIP LOCKED").fetchall()
        if jobs:
            self.execute(
                f"""UPDATE {self.jobs} SET {_TAKE}, claim_token = %s, server_id = %s, server_name = %s,
                state_at = UTC_TIMESTAMP(6), started_at = UTC_TIMESTAMP(6) WHERE id IN %s""",
                (str(token), str(server), SERVER, [job[0] for job in jobs]),
            )
        self.connection.commit()
        return jobs

    def complete(self, ids: list[Any], token: UUID) -> None:
        self.execute(
            f"""UPDATE {self.jobs} SET {_END}, state_at = UTC_TIMESTAMP(6), finished_at = UTC_TIMESTAMP(6)
            WHERE id IN %s AND state = 'PROCESSING' AND claim_token = %s""",
            (ids, str(token)),
        )


def raw_on(url: URL, prefix: str = PREFIX) -> Raw:
    """A raw connection of the right kind."""
    kinds: dict[str, type[Raw]] = {"sqlite": RawSqlite, "postgresql": RawPostgresql, "mariadb": RawMysql, "mysql": RawMysql}
    return kinds[url.get_backend_name()](url, prefix)
