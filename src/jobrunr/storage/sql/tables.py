"""The tables as they are now. The revisions in `migrations` lead to exactly these; a test compares the two."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Identity,
    Index,
    Integer,
    MetaData,
    Select,
    SmallInteger,
    Table,
    func,
    literal_column,
    select,
    type_coerce,
)
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import NullType

from jobrunr.jobs import DEFAULT_QUEUE, MAX_LABEL_LENGTH, MAX_QUEUE_LENGTH
from jobrunr.states import JobState
from jobrunr.storage.overview import MAX_NAME_LENGTH, MAX_SUBJECT_LENGTH
from jobrunr.storage.sql.column_types import TABLE_OPTIONS, ExactText, Id, UtcTime
from jobrunr.storage.sql.names import check_schema, check_table_prefix

DEFAULT_PREFIX = "jobrunr_"


class Tables:
    """Our tables under a prefix, in a schema.

    Arguments:
        prefix: begins the name of every table and index.
        schema: where they are; None for the schema that the connection has.
        partial_indexes: whether this database has indexes over some of the rows. Where it has not, an index over all
            rows that begins with the state takes their place.

    Raises:
        StorageSetupError: the prefix or the schema is not acceptable.
    """

    def __init__(self, prefix: str = DEFAULT_PREFIX, schema: str | None = None, *, partial_indexes: bool = True) -> None:
        self.prefix = check_table_prefix(prefix)
        self.schema = check_schema(schema)
        self.partial_indexes = partial_indexes
        self.metadata = MetaData(schema=schema)
        self.jobs = self._jobs()
        self._add_indexes()
        self.job_logs = self._table(
            "job_logs",
            Column("job_id", Id, primary_key=True),
            Column("attempt", Integer, primary_key=True, autoincrement=False),
            Column("seq", Integer, primary_key=True, autoincrement=False),
            Column("at", UtcTime, nullable=False),
            Column("level", SmallInteger, nullable=False),
            Column("message", ExactText(), nullable=False),
        )
        self.job_data = self._table(
            "job_data",
            Column("job_id", Id, primary_key=True),
            Column("key", ExactText(200), primary_key=True),
            Column("value", ExactText(), nullable=False),
        )
        self.job_labels = self._job_labels()
        self.job_counts = self._table(
            "job_counts",
            Column("id", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
            Column("state", ExactText(20), nullable=False),
            Column("amount", BigInteger, nullable=False),
        )
        self.recurring_jobs = self._recurring_jobs()
        self.recurring_runs = self._recurring_runs()
        self.samples = self._table(
            "samples",
            Column("minute", UtcTime, primary_key=True),
            Column("at", UtcTime, nullable=False),
            Column("succeeded", BigInteger, nullable=False),
            Column("failed", BigInteger, nullable=False),
        )
        self.audit = self._audit()
        self.servers = self._servers()
        self.notes = self._table(
            "metadata",
            Column("name", ExactText(100), primary_key=True),
            Column("owner", ExactText(100), primary_key=True),
            Column("value", ExactText(), nullable=False),
        )

    def _servers(self) -> Table:
        # The order of the columns is the order in which `rows.to_server` takes them.
        return self._table(
            "background_job_servers",
            Column("id", Id, primary_key=True),
            Column("name", ExactText(255), nullable=False),
            Column("workers", Integer, nullable=False),
            Column("busy", Integer, nullable=False),
            Column("queues", ExactText(), nullable=False),
            Column("version", ExactText(100), nullable=False),
            Column("pid", BigInteger, nullable=False),
            Column("memory", BigInteger, nullable=False),
            Column("cpu", Double, nullable=False),
            Column("first_heartbeat", UtcTime, nullable=False),
            Column("last_heartbeat", UtcTime, nullable=False),
            # Servers of an older version know nothing of these.
            Column("host", ExactText(255)),
            Column("tags", ExactText()),
            Column("is_paused", Boolean),
            Column("has_presence", Boolean),
        )

    def _job_labels(self) -> Table:
        table = self._table(
            "job_labels",
            Column("label", ExactText(MAX_LABEL_LENGTH), primary_key=True),
            Column("job_id", Id, primary_key=True),
        )
        Index(self.name("job_labels_by_job"), table.c.job_id)
        return table

    def _audit(self) -> Table:
        # The order of the columns is the order in which `auditing` takes them.
        table = self._table(
            "audit",
            Column("id", Id, primary_key=True),
            Column("at", UtcTime, nullable=False),
            Column("actor", ExactText(MAX_NAME_LENGTH), nullable=False),
            Column("action", ExactText(MAX_NAME_LENGTH), nullable=False),
            Column("subject", ExactText(MAX_SUBJECT_LENGTH), nullable=False),
            Column("detail", ExactText(), nullable=False),
        )
        Index(self.name("audit_of_subject"), table.c.subject, table.c.at, table.c.id)
        Index(self.name("audit_in_time"), table.c.at, table.c.id)
        return table

    def in_state(self, state: JobState) -> ColumnElement[bool]:
        """Whether a job is in a state.

        The state is part of the text of the statement, not a parameter: only then can a database that plans before it
        sees the parameters (SQLite always, PostgreSQL sometimes) know that a partial index holds all jobs in question.
        """
        return self.jobs.c.state == literal_column(f"'{state}'")

    def any_enqueued(self) -> Select[*tuple[Any, ...]]:
        """A job that is ready to run, if there is one."""
        jobs = self.jobs.c
        # Without an order a planner may hope to meet one soon, and go through all the finished jobs first.
        in_line = (jobs.priority.desc(), jobs.state_at, jobs.id)
        return select(jobs.id).where(self.in_state(JobState.ENQUEUED)).order_by(*in_line).limit(1)

    def any_enqueued_and_earliest(self) -> Select[*tuple[Any, ...]]:
        """The id of a job that is ready to run, if there is one, and the times of `earliest`."""
        return select(self.any_enqueued().scalar_subquery(), *self.earliest().selected_columns)

    def name(self, noun: str) -> str:
        """The full name of a table or an index of ours, without the schema."""
        return self.prefix + noun

    def _table(self, noun: str, *columns: Column[Any]) -> Table:
        return Table(self.name(noun), self.metadata, *columns, **TABLE_OPTIONS)

    def _jobs(self) -> Table:
        # The order of the columns is the order in which `rows.job_of_typed` takes them.
        return self._table(
            "jobs",
            Column("id", Id, primary_key=True),
            Column("state", ExactText(20), nullable=False),
            Column("version", Integer, nullable=False),
            Column("claim_token", Id),
            Column("target", ExactText(), nullable=False),
            Column("arguments", ExactText(), nullable=False),
            Column("name", ExactText(), nullable=False),
            Column("queue", ExactText(MAX_QUEUE_LENGTH), nullable=False),
            Column("priority", SmallInteger, nullable=False),
            Column("labels", ExactText()),
            Column("retries", Integer, nullable=False),
            Column("attempts", Integer, nullable=False),
            Column("failures", Integer, nullable=False),
            Column("created_at", UtcTime, nullable=False),
            Column("state_at", UtcTime, nullable=False),
            Column("scheduled_at", UtcTime),
            Column("run_at", UtcTime),
            Column("enqueued_at", UtcTime),
            Column("started_at", UtcTime),
            Column("finished_at", UtcTime),
            Column("reason", ExactText()),
            Column("server_id", Id),
            Column("server_name", ExactText(255)),
            Column("recurring_job_id", ExactText(255)),
            Column("result", ExactText()),
            Column("expires_at", UtcTime),
            Column("extras", ExactText()),
            Column("past", ExactText(), nullable=False),
            Column("actor", ExactText(MAX_NAME_LENGTH)),
            Column("fingerprint", ExactText(16)),
            Column("crashes", Integer),
            Column("begun_token", Id),
        )

    def _recurring_jobs(self) -> Table:
        # The order of the columns is the order in which `recurring` takes them.
        table = self._table(
            "recurring_jobs",
            Column("id", ExactText(255), primary_key=True),
            Column("schedule", ExactText(), nullable=False),
            Column("zone", ExactText(100), nullable=False),
            Column("template", ExactText(), nullable=False),
            Column("misfire", ExactText(20), nullable=False),
            Column("max_concurrent", Integer, nullable=False),
            Column("until", UtcTime),
            Column("anchor", UtcTime, nullable=False),
            Column("next_run_at", UtcTime),
            Column("look_at", UtcTime),
            Column("last_run_at", UtcTime),
            Column("skips", ExactText()),
            Column("paused_at", UtcTime),
            Column("pause_reason", ExactText()),
            Column("problem", ExactText()),
            Column("declared_at", UtcTime),
            Column("version", Integer, nullable=False),
            Column("created_at", UtcTime, nullable=False),
            Column("changed_at", UtcTime, nullable=False),
        )
        Index(self.name("recurring_jobs_due"), table.c.look_at, table.c.id)
        return table

    def _recurring_runs(self) -> Table:
        table = self._table(
            "recurring_runs",
            Column("recurring_job_id", ExactText(255), primary_key=True),
            Column("run_at", UtcTime, primary_key=True),
            Column("job_id", Id),
            Column("skips", ExactText()),
            Column("noted_at", UtcTime, nullable=False),
        )
        Index(self.name("recurring_runs_by_job"), table.c.job_id)
        Index(self.name("recurring_runs_noted"), table.c.noted_at)
        return table

    def earliest(self) -> Select[*tuple[Any, ...]]:
        """The times of the first job and of the first recurring job that have one, as the driver gives them."""
        jobs, recurring = self.jobs.c, self.recurring_jobs.c
        first_job = select(type_coerce(func.min(jobs.run_at), NullType)).where(self.in_state(JobState.SCHEDULED))
        first_look = select(type_coerce(func.min(recurring.look_at), NullType))
        return select(first_job.scalar_subquery(), first_look.scalar_subquery())

    def _add_indexes(self) -> None:
        jobs = self.jobs.c
        in_line = (jobs.priority.desc(), jobs.state_at, jobs.id)
        self._index_of_state(JobState.ENQUEUED, "enqueued", *in_line)
        self._index_of_state(JobState.ENQUEUED, "enqueued_by_queue", jobs.queue, *in_line)
        self._index_of_state(JobState.SCHEDULED, "scheduled", jobs.run_at, jobs.id)
        self._index_of_state(JobState.AWAITING, "awaiting", jobs.run_at, jobs.id)
        self._index_of_state(JobState.PROCESSING, "processing", jobs.server_id)
        self._index_of_state(JobState.FAILED, "failed", jobs.fingerprint, jobs.state_at, jobs.id)
        # On SQLite this holds all jobs too, but is for those alone who say that `state_at` is not NULL. A planner without
        # statistics would otherwise prefer it to the indexes above, and sort everything that is ENQUEUED at every claim.
        Index(self.name("jobs_by_state"), jobs.state, jobs.state_at, jobs.id, sqlite_where=jobs.state_at.is_not(None))
        of_recurring = jobs.recurring_job_id.is_not(None) if self.partial_indexes else None
        Index(
            self.name("jobs_of_recurring"),
            jobs.recurring_job_id,
            jobs.state,
            postgresql_where=of_recurring,
            sqlite_where=of_recurring,
        )
        Index(self.name("jobs_by_creation"), jobs.created_at, jobs.id)
        # Most jobs are of the default queue: whoever looks for those meets them everywhere.
        other_queue = jobs.queue != literal_column(f"'{DEFAULT_QUEUE}'") if self.partial_indexes else None
        Index(self.name("jobs_of_queue"), jobs.queue, postgresql_where=other_queue, sqlite_where=other_queue)
        has_server = jobs.server_name.is_not(None) if self.partial_indexes else None
        Index(self.name("jobs_of_server"), jobs.server_name, postgresql_where=has_server, sqlite_where=has_server)
        has_expiry = jobs.expires_at.is_not(None) if self.partial_indexes else None
        Index(self.name("jobs_expiring"), jobs.expires_at, postgresql_where=has_expiry, sqlite_where=has_expiry)

    def _index_of_state(self, state: JobState, noun: str, *order: ColumnElement[Any]) -> None:
        """An index over the jobs in one state, in the order in which they are taken."""
        name = self.name(f"jobs_{noun}")
        if self.partial_indexes:
            in_state = self.in_state(state)
            Index(name, *order, postgresql_where=in_state, sqlite_where=in_state)
        else:
            Index(name, self.jobs.c.state, *order)
