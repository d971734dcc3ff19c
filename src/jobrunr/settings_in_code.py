"""The settings as arguments, for type checkers: those of an application, and those that one of its servers can have anew.

What each means stands in `jobrunr.settings`; a test holds the names here to those there.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal, TypedDict

Duration = timedelta | float | str
Size = int | str
Level = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


class ServerSettings(TypedDict, total=False):
    """What can be different from server to server."""

    misfire_grace: Duration
    misfire_limit: int
    retries_count_as_live: bool
    forget_declared_after: Duration
    job_timeout: Duration | None
    job_processes: int | None
    max_stuck_threads: int | None
    max_result_size: Size
    max_traceback_size: Size
    max_log_lines: int
    max_log_line_size: Size
    log_level: Level
    workers: int | None
    queues: Sequence[str]
    server_name: str | None
    server_tags: Sequence[str]
    heartbeat_interval: Duration
    server_timeout: Duration
    poll_interval: Duration
    shutdown_grace: Duration
    delete_succeeded_after: Duration | None
    delete_failed_after: Duration | None
    purge_deleted_after: Duration | None


class ApplicationSettings(ServerSettings, total=False):
    """Everything that can be set."""

    url: str
    app: str | None
    table_prefix: str
    schema: str | None
    migrate: bool
    storage_timeout: Duration
    retries: int
    retry_base: float
    retry_factor: float
    retry_maximum: Duration | None
    retry_jitter: float
    retry_delays: Sequence[Duration] | str | None
    max_crashes: int
    unknown_job_grace: Duration
    queue: str
    allowed_targets: Sequence[str]
    zone: str
    carbon_forecast_url: str | None
    carbon_area: str | None
    carbon_provider: str | None
    carbon_timeout: Duration
    max_arguments_size: Size
    hang_timeout: Duration
    dashboard_users: Sequence[str]
    dashboard_hosts: Sequence[str]
    dashboard_secret: str | None
    dashboard_hidden_keys: str
    dashboard_openid_url: str | None
    dashboard_openid_client_id: str | None
    dashboard_openid_client_secret: str | None
    dashboard_openid_scope: str
    dashboard_openid_claim: str
    dashboard_openid_roles: Sequence[str]
    dashboard_enqueue: Sequence[str]
    dashboard_metrics_open: bool
