"""Who did what, which failures are alike, jobs by label, totals over time, servers that can be paused, and crashes."""

from __future__ import annotations

import sqlalchemy as sa

from jobrunr.storage.sql.column_types import ExactText, Id, UtcTime
from jobrunr.storage.sql.migrations.steps import Steps

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TEXT = r'"([^"\\]|\\(["\\/bfnrt]|u00(0[1-9a-f]|1[0-9a-f])))*"'
"""A text as we write it in JSON."""


def upgrade() -> None:
    steps = Steps.now()
    steps.add_column("jobs", sa.Column("actor", ExactText(255)))
    steps.add_column("jobs", sa.Column("fingerprint", ExactText(16)))
    steps.add_column("jobs", sa.Column("crashes", sa.Integer()))
    steps.add_column("jobs", sa.Column("begun_token", Id()))
    steps.create_index_of_state("jobs_failed", "jobs", "FAILED", ["fingerprint", "state_at", "id"])
    steps.create_index("jobs_of_queue", "jobs", ["queue"], where="queue <> 'default'")
    steps.create_index("jobs_of_server", "jobs", ["server_name"], where="server_name IS NOT NULL")
    _add_to_servers(steps)
    _create_labels(steps)
    steps.create_table(
        "samples",
        sa.Column("minute", UtcTime(), primary_key=True),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("succeeded", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
    )
    steps.create_table(
        "audit",
        sa.Column("id", Id(), primary_key=True),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("actor", ExactText(255), nullable=False),
        sa.Column("action", ExactText(255), nullable=False),
        sa.Column("subject", ExactText(300), nullable=False),
        sa.Column("detail", ExactText(), nullable=False),
    )
    steps.create_index("audit_of_subject", "audit", ["subject", "at", "id"])
    steps.create_index("audit_in_time", "audit", ["at", "id"])


def _add_to_servers(steps: Steps) -> None:
    steps.add_column("background_job_servers", sa.Column("host", ExactText(255)))
    steps.add_column("background_job_servers", sa.Column("tags", ExactText()))
    steps.add_column("background_job_servers", sa.Column("is_paused", sa.Boolean()))
    steps.add_column("background_job_servers", sa.Column("has_presence", sa.Boolean()))


def _create_labels(steps: Steps) -> None:
    """Jobs by label, those that are there already, too. Labels that somebody damaged are left out."""
    steps.create_table(
        "job_labels",
        sa.Column("label", ExactText(100), primary_key=True),
        sa.Column("job_id", Id(), primary_key=True),
    )
    steps.create_index("job_labels_by_job", "job_labels", ["job_id"])
    steps.run(
        postgresql=rf"""
            INSERT INTO {{job_labels}} (label, job_id)
            SELECT left(label, 100), id
            FROM (SELECT id, labels FROM {{jobs}} WHERE labels ~ '^\[{_TEXT}(,{_TEXT})*\]$' OFFSET 0) AS labelled,
                 json_array_elements_text(CAST(labels AS json)) AS label
            ON CONFLICT DO NOTHING
        """,  # noqa: S608 - put together of constants
        sqlite="""
            INSERT OR IGNORE INTO {job_labels} (label, job_id)
            SELECT substr(label.value, 1, 100), job.id
            FROM (SELECT id, labels FROM {jobs} WHERE json_valid(labels)) AS job, json_each(job.labels) AS label
            WHERE label.type = 'text'
        """,
        mysql="""
            INSERT IGNORE INTO {job_labels} (label, job_id)
            SELECT LEFT(label.value, 100), job.id
            FROM {jobs} AS job, JSON_TABLE(
                IF(JSON_VALID(job.labels), job.labels, '[]'), '$[*]' COLUMNS (value LONGTEXT CHARACTER SET utf8mb4 PATH '$')
            ) AS label
            WHERE job.labels IS NOT NULL AND label.value IS NOT NULL
        """,
    )
