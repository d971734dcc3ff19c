"""What a database says about how it would run the statements of a call."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from sqlalchemy import Connection, Engine, event, text

from jobrunr.states import JobState
from jobrunr.storage.sql import SqlStorageProvider
from jobrunr.testing.factories import a_job, announced

JOBS = {JobState.SUCCEEDED: 44_000, JobState.DELETED: 2_000, JobState.ENQUEUED: 2_000, JobState.SCHEDULED: 1_500}
JOBS |= {JobState.PROCESSING: 300, JobState.FAILED: 200}
"""A table of 50 000 jobs, most of them finished, as a table of jobs is."""

COLUMNS = """
    id, state, version, target, arguments, name, queue, priority, retries, attempts, failures,
    created_at, state_at, run_at, enqueued_at, server_id, expires_at, past
"""
VALUES = """
    '{state}', 1, 'shop.mail:send', '{{}}', 'send', {queue}, n % 3, 10, 0, 0, at, at, at, at,
    CASE WHEN '{state}' = 'PROCESSING' THEN {id} END, CASE n % 50 WHEN 0 THEN at END, ''
"""


@dataclass
class Plan:
    """What a plan does with the table of jobs."""

    indexes: set[str] = field(default_factory=set)
    """What it finds jobs by, without our prefix."""
    goes_through_the_table: bool = False
    sorts_many: bool = False
    """As far as the database expects."""
    sorts_jobs: bool = False
    """However few it expects."""


class Plans(ABC):
    """A storage full of jobs, and how it is searched."""

    numbered: ClassVar[str]
    """The numbers 1 to {count} as ``n``, and moments around the present as ``at``."""
    new_id: ClassVar[str]
    queue: ClassVar[str] = "'queue-' || (n % 5)"
    analyzes: ClassVar[bool]
    """Whether the database collects statistics on its own."""

    def __init__(self, storage: SqlStorageProvider) -> None:
        self.storage = storage
        self._sent: list[tuple[str, Any]] = []
        self.fill()
        event.listen(self.engine, "before_cursor_execute", self._note)

    def fill(self) -> None:
        """Make the jobs, and let the database look at them."""
        self.insert(JOBS)
        if self.analyzes:
            self.do("ANALYZE")

    def insert(self, jobs: dict[JobState, int]) -> None:
        """Make so many of each state."""
        for state, count in jobs.items():
            values = VALUES.format(state=state, id=self.new_id, queue=self.queue)
            numbered = self.numbered.format(count=count)
            self.do(f"INSERT INTO jobrunr_jobs ({COLUMNS}) SELECT {self.new_id}, {values} FROM {numbered}")

    def do(self, statement: str) -> None:
        """Run a statement of ours."""
        dialect = self.storage._dialect
        with dialect.writing(dialect.engine) as connection:
            connection.execute(text(statement))

    def _note(self, connection: object, cursor: object, statement: str, parameters: Any, *rest: object) -> None:
        if "jobrunr_jobs" in statement and not statement.startswith("EXPLAIN"):
            self._sent.append((statement, parameters))

    def of(self, call: Callable[[SqlStorageProvider], object]) -> Plan:
        """What all statements about jobs that a call sends do, taken together."""
        self._sent.clear()
        call(self.caller)
        sent, plan = list(self._sent), Plan()
        with self.storage._dialect.reading(self.engine) as connection:
            for statement, parameters in sent:
                self.explain(connection, statement, parameters, plan)
        return plan

    @property
    def caller(self) -> SqlStorageProvider:
        """Who calls."""
        return self.storage

    @property
    def engine(self) -> Engine:
        """Whose connections are watched, and asked."""
        return self.storage._dialect.engine

    @abstractmethod
    def explain(self, connection: Connection, statement: str, parameters: Any, plan: Plan) -> None:
        """Add what a statement does to a plan."""


class OnPostgresql(Plans):
    analyzes = True
    new_id = "gen_random_uuid()"
    numbered = """
        (SELECT n, now() + (n - {count} / 2) * interval '1 second' AS at FROM generate_series(1, {count}) AS n) AS numbered
    """

    def explain(self, connection: Connection, statement: str, parameters: Any, plan: Plan) -> None:
        explained = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).scalar_one()
        for node in _nodes(explained[0]["Plan"]):
            if "Index Name" in node and "jobs" in node["Index Name"]:
                plan.indexes.add(node["Index Name"].removeprefix("jobrunr_"))
            plan.goes_through_the_table |= node["Node Type"] == "Seq Scan" and node["Relation Name"] == "jobrunr_jobs"
            plan.goes_through_the_table |= node.get("Index Name") == "jobrunr_jobs_pkey" and "Index Cond" not in node
            plan.sorts_many |= node["Node Type"] == "Sort" and node["Plan Rows"] > 1000
            plan.sorts_jobs |= node["Node Type"] == "Sort" and _reads_jobs(node)


_PREPARED = "SELECT name, cardinality(parameter_types) FROM pg_prepared_statements WHERE statement LIKE %(text)s"


class OnPostgresqlInABurst(OnPostgresql):
    """Servers ask it. Plans and what the database knows of the jobs are from a time when none was waiting."""

    done = 30_000
    """Jobs that the database knows of."""

    def fill(self) -> None:
        self.do("ALTER TABLE jobrunr_jobs SET (autovacuum_enabled = off)")
        if self.done:
            self.insert({JobState.SUCCEEDED: self.done})
            self.do("ANALYZE")
        server = announced(self.storage)
        for queues in ((), ("default", "other")):
            self.storage.insert([a_job(), a_job(state=JobState.SCHEDULED, run_at=self.storage.now())])
            assert self.caller.promote(10).count == 1
            assert len(self.caller.claim(server.id, server.name, 10, queues)) == 2
        self.insert({JobState.ENQUEUED: 20_000, JobState.SCHEDULED: 10_000})

    @property
    def caller(self) -> SqlStorageProvider:
        for_servers = self.storage.for_servers()
        assert isinstance(for_servers, SqlStorageProvider)
        return for_servers

    @property
    def engine(self) -> Engine:
        return self.storage._dialect.claim_engine

    def explain(self, connection: Connection, statement: str, parameters: Any, plan: Plan) -> None:
        prepared = connection.exec_driver_sql(_PREPARED, {"text": re.sub(r"%\(.*?\)s", "$%", statement)})
        ((name, count),) = prepared.all()
        values = ", ".join(["NULL"] * count)  # one plan is for all of them
        super().explain(connection, f"EXECUTE {name} ({values})" if count else f"EXECUTE {name}", (), plan)


class OnPostgresqlInTheFirstBurst(OnPostgresqlInABurst):
    done = 0


class OnSqlite(Plans):
    analyzes = False
    new_id = """
        lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-8'
              || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))
    """
    numbered = """
        (WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})
         SELECT n, strftime('%Y-%m-%d %H:%M:%f000', 'now', (n - {count} / 2) || ' seconds') AS at FROM numbers)
    """

    def explain(self, connection: Connection, statement: str, parameters: Any, plan: Plan) -> None:
        for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters):
            step = row[-1]
            index = re.search(r"jobrunr_jobs USING (?:COVERING )?INDEX (\S+)", step)
            if index is not None:
                plan.indexes.add(index[1].replace("sqlite_autoindex_jobrunr_jobs_1", "jobs_pkey").removeprefix("jobrunr_"))
            plan.goes_through_the_table |= re.search(r"SCAN jobrunr_jobs(?! USING)", step) is not None
            plan.sorts_many |= "USE TEMP B-TREE FOR ORDER BY" in step


class OnMariadb(Plans):
    analyzes = False
    new_id = "uuid()"
    queue = "concat('queue-', n % 5)"
    numbered = """
        (SELECT n, utc_timestamp(6) + INTERVAL n - {count} / 2 SECOND AS at
         FROM JSON_TABLE(concat('[0', repeat(',0', {count} - 1), ']'), '$[*]' COLUMNS (n FOR ORDINALITY)) AS numbers)
        AS numbered
    """

    def fill(self) -> None:
        self.insert({JobState.SUCCEEDED: 30_000, JobState.ENQUEUED: 2_000})
        self.do("ANALYZE TABLE jobrunr_jobs")

    def explain(self, connection: Connection, statement: str, parameters: Any, plan: Plan) -> None:
        for row in connection.exec_driver_sql(f"EXPLAIN FORMAT = TRADITIONAL {statement}", parameters).mappings():
            if row["table"] in {"job", "jobrunr_jobs"}:
                plan.indexes.add(str(row["key"]).replace("PRIMARY", "jobs_pkey").removeprefix("jobrunr_"))
                plan.goes_through_the_table |= row["type"] in {"ALL", "index"}


def _reads_jobs(node: dict[str, Any]) -> bool:
    """Whether what comes into a node is read from the table of jobs, and not from another part of the statement."""
    while inner := [below for below in node.get("Plans", ()) if below["Parent Relationship"] == "Outer"]:
        (node,) = inner
    return node.get("Relation Name") == "jobrunr_jobs"


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from _nodes(below)
