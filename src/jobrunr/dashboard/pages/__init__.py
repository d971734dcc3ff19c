"""The pages for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from jobrunr.dashboard.access import Role
from jobrunr.dashboard.endpoints import Endpoint, Kind
from jobrunr.dashboard.live import Fragments
from jobrunr.dashboard.pages import audit, changes, failures, job, jobs, overview, preferences, recurring, servers
from jobrunr.dashboard.site import Site

PAGES = (
    Endpoint("GET", "/", Role.READER, Kind.PAGE, overview.overview),
    Endpoint("GET", "/jobs", Role.READER, Kind.PAGE, jobs.jobs),
    Endpoint("GET", "/jobs/confirm", Role.OPERATOR, Kind.PAGE, changes.confirm),
    Endpoint("POST", "/changes", Role.OPERATOR, Kind.ACTION, changes.begin),
    Endpoint("GET", "/changes/{id}", Role.READER, Kind.PAGE, changes.change),
    Endpoint("POST", "/changes/{id}/stop", Role.OPERATOR, Kind.ACTION, changes.stop),
    Endpoint("GET", "/failures", Role.READER, Kind.PAGE, failures.failures),
    Endpoint("GET", "/jobs/{id}", Role.READER, Kind.PAGE, job.job),
    Endpoint("GET", "/jobs/{id}/log", Role.READER, Kind.PAGE, job.log),
    Endpoint("POST", "/jobs/{id}/requeue", Role.OPERATOR, Kind.ACTION, job.requeue),
    Endpoint("POST", "/jobs/{id}/run", Role.OPERATOR, Kind.ACTION, job.run_now),
    Endpoint("POST", "/jobs/{id}/delete", Role.OPERATOR, Kind.ACTION, job.delete),
    Endpoint("GET", "/recurring", Role.READER, Kind.PAGE, recurring.recurring),
    Endpoint("GET", "/recurring/job", Role.READER, Kind.PAGE, recurring.recurring_job),
    Endpoint("POST", "/recurring/confirm", Role.OPERATOR, Kind.PAGE, recurring.confirm),
    Endpoint("POST", "/recurring/change", Role.OPERATOR, Kind.ACTION, recurring.change),
    Endpoint("GET", "/servers", Role.READER, Kind.PAGE, servers.servers),
    Endpoint("POST", "/servers/change", Role.OPERATOR, Kind.ACTION, servers.change),
    Endpoint("GET", "/audit", Role.READER, Kind.PAGE, audit.audit),
    Endpoint("GET", "/preferences", Role.READER, Kind.PAGE, preferences.preferences),
    Endpoint("POST", "/preferences", Role.READER, Kind.ACTION, preferences.save),
)

TOPICS: Mapping[str, Callable[[Site, str], Fragments]] = {
    "counts": overview.counts_topic,
    "overview": overview.overview_topic,
    "tabs": jobs.tabs_topic,
    "job": job.job_topic,
    "change": changes.change_topic,
    "recurring": recurring.recurring_topic,
    "recurring-job": recurring.recurring_job_topic,
    "servers": servers.servers_topic,
}
"""What can be watched; see `jobrunr.dashboard.live.Hub`."""
