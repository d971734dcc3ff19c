"""Recurring jobs, what became of their runs, and which jobs are theirs."""

from __future__ import annotations

import sqlalchemy as sa

from jobrunr.storage.sql.column_types import ExactText, Id, UtcTime
from jobrunr.storage.sql.migrations.steps import Steps

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps = Steps.now()
    steps.create_table(
        "recurring_jobs",
        sa.Column("id", ExactText(255), primary_key=True),
        sa.Column("schedule", ExactText(), nullable=False),
        sa.Column("zone", ExactText(100), nullable=False),
        sa.Column("template", ExactText(), nullable=False),
        sa.Column("misfire", ExactText(20), nullable=False),
        sa.Column("max_concurrent", sa.Integer(), nullable=False),
        sa.Column("until", UtcTime()),
        sa.Column("anchor", UtcTime(), nullable=False),
        sa.Column("next_run_at", UtcTime()),
        sa.Column("look_at", UtcTime()),
        sa.Column("last_run_at", UtcTime()),
        sa.Column("skips", ExactText()),
        sa.Column("paused_at", UtcTime()),
        sa.Column("pause_reason", ExactText()),
        sa.Column("problem", ExactText()),
        sa.Column("declared_at", UtcTime()),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("changed_at", UtcTime(), nullable=False),
    )
    steps.create_index("recurring_jobs_due", "recurring_jobs", ["look_at", "id"])
    steps.create_table(
        "recurring_runs",
        sa.Column("recurring_job_id", ExactText(255), primary_key=True),
        sa.Column("run_at", UtcTime(), primary_key=True),
        sa.Column("job_id", Id()),
        sa.Column("skips", ExactText()),
        sa.Column("noted_at", UtcTime(), nullable=False),
    )
    steps.create_index("recurring_runs_by_job", "recurring_runs", ["job_id"])
    steps.create_index("recurring_runs_noted", "recurring_runs", ["noted_at"])
    steps.create_index_of_state("jobs_awaiting", "jobs", "AWAITING", ["run_at", "id"])
    of_recurring = "recurring_job_id IS NOT NULL"
    steps.create_index("jobs_of_recurring", "jobs", ["recurring_job_id", "state"], where=of_recurring)
