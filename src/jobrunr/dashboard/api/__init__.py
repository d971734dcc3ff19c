"""The same for programs: JSON, described in the words of OpenAPI."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from jobrunr.dashboard.access import Role
from jobrunr.dashboard.api import audit, bulk, enqueuing, failures, health, jobs, metrics, overview, recurring, servers
from jobrunr.dashboard.api.description import describe
from jobrunr.dashboard.api.operation import Operation
from jobrunr.dashboard.api.reading_page import show
from jobrunr.dashboard.call import Call
from jobrunr.dashboard.endpoints import Endpoint, Kind
from jobrunr.dashboard.site import Site
from jobrunr.settings import Settings


def operations_for(settings: Settings) -> tuple[Operation, ...]:
    """Everything that programs can ask for."""
    return (
        *jobs.OPERATIONS,
        *(enqueuing.OPERATIONS if settings.dashboard_enqueue else ()),
        *bulk.OPERATIONS,
        *failures.OPERATIONS,
        *recurring.OPERATIONS,
        *servers.OPERATIONS,
        *overview.OPERATIONS,
        *audit.OPERATIONS,
        *health.OPERATIONS,
        metrics.operation(is_open=settings.dashboard_metrics_open),
    )


def endpoints_for(site: Site) -> Sequence[Endpoint]:
    """The operations, and their description for programs and for people."""

    def get_description(call: Call) -> dict[str, Any]:
        """Get this description."""
        return description()

    @cache
    def description() -> dict[str, Any]:
        return describe(operations, site.version)

    operations = (*operations_for(site.settings), Operation("GET", "/api/openapi.json", get_description, subject="Health"))
    page = Endpoint("GET", "/api", Role.READER, Kind.PAGE, lambda call: show(call, description()))
    return (*(operation.endpoint() for operation in operations), page)
