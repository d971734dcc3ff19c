"""Jobs, their logs and data, the counts, servers and metadata."""

from __future__ import annotations

import sqlalchemy as sa

from jobrunr.storage.sql.column_types import ExactText, Id, UtcTime
from jobrunr.storage.sql.migrations.steps import Steps

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps = Steps.now()
    _create_jobs(steps)
    _create_what_belongs_to_jobs(steps)
    _create_what_belongs_to_the_cluster(steps)


def _create_jobs(steps: Steps) -> None:
    steps.create_table(
        "jobs",
        sa.Column("id", Id(), primary_key=True),
        sa.Column("state", ExactText(20), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("claim_token", Id()),
        sa.Column("target", ExactText(), nullable=False),
        sa.Column("arguments", ExactText(), nullable=False),
        sa.Column("name", ExactText(), nullable=False),
        sa.Column("queue", ExactText(100), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("labels", ExactText()),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("state_at", UtcTime(), nullable=False),
        sa.Column("scheduled_at", UtcTime()),
        sa.Column("run_at", UtcTime()),
        sa.Column("enqueued_at", UtcTime()),
        sa.Column("started_at", UtcTime()),
        sa.Column("finished_at", UtcTime()),
        sa.Column("reason", ExactText()),
        sa.Column("server_id", Id()),
        sa.Column("server_name", ExactText(255)),
        sa.Column("recurring_job_id", ExactText(255)),
        sa.Column("result", ExactText()),
        sa.Column("expires_at", UtcTime()),
        sa.Column("extras", ExactText()),
        sa.Column("past", ExactText(), nullable=False),
    )
    in_line = ["priority DESC", "state_at", "id"]
    steps.create_index_of_state("jobs_enqueued", "jobs", "ENQUEUED", in_line)
    steps.create_index_of_state("jobs_enqueued_by_queue", "jobs", "ENQUEUED", ["queue", *in_line])
    steps.create_index_of_state("jobs_scheduled", "jobs", "SCHEDULED", ["run_at", "id"])
    steps.create_index_of_state("jobs_processing", "jobs", "PROCESSING", ["server_id"])
    by_state = ["state", "state_at", "id"]
    steps.create_index("jobs_by_state", "jobs", by_state, where="state_at IS NOT NULL", on={"sqlite"})
    steps.create_index("jobs_by_creation", "jobs", ["created_at", "id"])
    steps.create_index("jobs_expiring", "jobs", ["expires_at"], where="expires_at IS NOT NULL")


def _create_what_belongs_to_jobs(steps: Steps) -> None:
    steps.create_table(
        "job_logs",
        sa.Column("job_id", Id(), primary_key=True),
        sa.Column("attempt", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("message", ExactText(), nullable=False),
    )
    steps.create_table(
        "job_data",
        sa.Column("job_id", Id(), primary_key=True),
        sa.Column("key", ExactText(200), primary_key=True),
        sa.Column("value", ExactText(), nullable=False),
    )
    steps.create_table(
        "job_counts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(), primary_key=True),
        sa.Column("state", ExactText(20), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
    )


def _create_what_belongs_to_the_cluster(steps: Steps) -> None:
    steps.create_table(
        "background_job_servers",
        sa.Column("id", Id(), primary_key=True),
        sa.Column("name", ExactText(255), nullable=False),
        sa.Column("workers", sa.Integer(), nullable=False),
        sa.Column("busy", sa.Integer(), nullable=False),
        sa.Column("queues", ExactText(), nullable=False),
        sa.Column("version", ExactText(100), nullable=False),
        sa.Column("pid", sa.BigInteger(), nullable=False),
        sa.Column("memory", sa.BigInteger(), nullable=False),
        sa.Column("cpu", sa.Double(), nullable=False),
        sa.Column("first_heartbeat", UtcTime(), nullable=False),
        sa.Column("last_heartbeat", UtcTime(), nullable=False),
    )
    steps.create_table(
        "metadata",
        sa.Column("name", ExactText(100), primary_key=True),
        sa.Column("owner", ExactText(100), primary_key=True),
        sa.Column("value", ExactText(), nullable=False),
    )
