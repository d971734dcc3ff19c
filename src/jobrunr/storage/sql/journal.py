"""What runs write down while they go on, and whether they still may."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Executable, Integer, String, and_, bindparam, cast, or_, select, update

from jobrunr.ids import JobId
from jobrunr.states import JobState
from jobrunr.storage.contract import Claim, LogLine, RunRecord
from jobrunr.storage.sql.column_types import Id
from jobrunr.storage.sql.dialects.base import Dialect


class Journal:
    """Logs and data of jobs."""

    def __init__(self, dialect: Dialect) -> None:
        tables = dialect.tables
        self.dialect = dialect
        running = tables.in_state(JobState.PROCESSING)
        self._held = select(tables.jobs.c.id, tables.jobs.c.claim_token).where(running, dialect.among(tables.jobs.c.id))
        # Shared locks: who wants to take one of these jobs away waits until we have written, and we see who was faster.
        self._held_locked = self._held.order_by(tables.jobs.c.id).with_for_update(read=True)
        job_id, claim_token = (cast(column, String(36)) for column in (tables.jobs.c.id, tables.jobs.c.claim_token))
        self._claims_of = select(job_id, claim_token).where(
            running, tables.jobs.c.server_id == bindparam("server_id", type_=Id)
        )
        token = bindparam("token", type_=Id)
        this_claim = (running, dialect.among(tables.jobs.c.id), tables.jobs.c.claim_token == token)
        self._begin = update(tables.jobs).where(*this_claim).values(begun_token=token)
        logs, data = tables.job_logs, tables.job_data
        self._logs = (
            select(logs.c.attempt, logs.c.seq, logs.c.at, logs.c.level, logs.c.message)
            .where(logs.c.job_id == bindparam("job_id"))
            .order_by(logs.c.attempt, logs.c.seq)
        )
        attempt, seq = bindparam("attempt", type_=Integer), bindparam("seq", type_=Integer)
        # Said in two parts: the first is what every database finds the place in the primary key by.
        behind = and_(logs.c.attempt >= attempt, or_(logs.c.attempt > attempt, logs.c.seq > seq))
        self._later_logs = self._logs.where(behind)
        self._data = select(data.c.key, data.c.value).where(data.c.job_id == bindparam("job_id"))

    def held(self, connection: Connection, claims: Sequence[Claim]) -> frozenset[JobId]:
        """Which claims hold."""
        tokens = self._tokens(connection, self._held, claims)
        return frozenset(claim.job_id for claim in claims if tokens.get(claim.job_id) == claim.token)

    def claims_of(self, connection: Connection, server_id: UUID) -> frozenset[Claim]:
        """The claims of a server. One whose token somebody has damaged is none."""
        rows = connection.execute(self._claims_of, {"server_id": server_id})
        return frozenset(claim for job_id, token in rows if (claim := _to_claim(job_id, token)) is not None)

    def begin(self, connection: Connection, claims: Sequence[Claim]) -> frozenset[JobId]:
        """Mark runs as begun: those of one claim of the server, which share their token, in one statement."""
        by_token: defaultdict[UUID, set[JobId]] = defaultdict(set)
        for claim in claims:
            by_token[claim.token].add(claim.job_id)
        begun = 0
        for token, ids in by_token.items():
            begun += connection.execute(self._begin, {"token": token, "ids": sorted(ids)}).rowcount
        if begun == sum(map(len, by_token.values())):
            return frozenset(claim.job_id for claim in claims)
        return self.held(connection, claims)

    def append(self, connection: Connection, records: Sequence[RunRecord]) -> frozenset[JobId]:
        """Keep the records whose claims hold."""
        tokens = self._tokens(connection, self._held_locked, [record.claim for record in records])
        kept = [record for record in records if tokens.get(record.claim.job_id) == record.claim.token]
        kept.sort(key=lambda record: record.claim.job_id)
        logs = [_log_values(record.claim.job_id, line) for record in kept for line in record.logs]
        data = [
            {"job_id": record.claim.job_id, "key": key, "value": value}
            for record in kept
            for key, value in sorted(record.data.items())
        ]
        if logs:
            self.dialect.insert_missing(connection, self.dialect.tables.job_logs, logs)
        if data:
            self.dialect.insert_or_replace(connection, self.dialect.tables.job_data, data)
        return frozenset(record.claim.job_id for record in kept)

    def logs(
        self, connection: Connection, job_id: UUID, after: tuple[int, int] | None, limit: int | None
    ) -> tuple[LogLine, ...]:
        """What a job logged, behind a line, and up to so many."""
        statement = self._logs if after is None else self._later_logs
        attempt, seq = after or (0, 0)
        parameters = {"job_id": job_id} if after is None else {"job_id": job_id, "attempt": attempt, "seq": seq}
        return tuple(LogLine(*row) for row in connection.execute(statement.limit(limit), parameters))

    def data(self, connection: Connection, job_id: UUID) -> dict[str, str]:
        """What a job keeps."""
        return {row.key: row.value for row in connection.execute(self._data, {"job_id": job_id})}

    def _tokens(self, connection: Connection, statement: Executable, claims: Sequence[Claim]) -> dict[UUID, UUID | None]:
        rows = connection.execute(statement, {"ids": [claim.job_id for claim in claims]})
        return {row.id: row.claim_token for row in rows}


def _to_claim(job_id: str, token: str | None) -> Claim | None:
    try:
        return None if token is None else Claim(JobId(job_id), UUID(token))
    except ValueError:
        return None


def _log_values(job_id: JobId, line: LogLine) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "attempt": line.attempt,
        "seq": line.seq,
        "at": line.at,
        "level": line.level,
        "message": line.message,
    }
