"""The overview: how it goes, what is wrong, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from starlette.responses import Response

from jobrunr.dashboard.answers import page
from jobrunr.dashboard.call import Call
from jobrunr.dashboard.live import Fragments
from jobrunr.dashboard.problems import Problem, is_silent, look, outage, problems
from jobrunr.dashboard.showing import templates
from jobrunr.dashboard.showing.chart import chart
from jobrunr.dashboard.site import Site
from jobrunr.dashboard.throughput import WINDOWS, finished_in, flow
from jobrunr.errors import StorageError
from jobrunr.states import JobState


def overview(call: Call) -> Response:
    """The page. It is there, too, when the storage is not."""
    try:
        figures = read_figures(call.site)
    except StorageError as error:
        return page(call, "overview.html", status=503, figures=None, problems=[outage(error)])
    return page(call, "overview.html", figures=figures, problems=figures["problems"])


def overview_topic(site: Site, argument: str) -> Fragments:
    """What moves on the page."""
    try:
        figures = read_figures(site)
    except StorageError as error:
        return {"problems": _problems([outage(error)])}
    moving = {"problems": _problems(figures["problems"])}
    moving |= {"figures": templates.get_template("parts/figures.html").render(figures=figures)}
    part = templates.get_template("parts/chart.html")
    return moving | {f"flow-{chart.flow.window.id}": part.render(chart=chart) for chart in figures["charts"]}


def counts_topic(site: Site, argument: str) -> Fragments:
    """The counts, as they change."""
    return {"counts": templates.get_template("parts/counts.html").render(counts=_shown(site.storage.counts()))}


def read_figures(site: Site) -> dict[str, Any]:
    """What the overview shows.

    Raises:
        StorageError: the storage does not answer.
    """
    storage = site.storage
    counts, servers, points = storage.counts(), storage.servers(), site.pulse.feel(storage)
    facts = look(site, counts, servers)
    living = [server for server in servers if not is_silent(server, facts.now, facts.server_timeout)]
    at_work = [server for server in living if not server.is_paused]
    flows = [flow(points, window) for window in WINDOWS]
    oldest = storage.oldest_enqueued_at()
    return {
        "counts": _shown(counts),
        "problems": problems(facts),
        "backlog": counts.get(JobState.ENQUEUED, 0),
        "oldest": None if oldest is None else _whole_seconds(max(facts.now - oldest, timedelta())),
        "finished_in": finished_in(counts, flows[0], at_work),
        "busy": sum(server.busy for server in living),
        "free": sum(max(server.workers - server.busy, 0) for server in at_work),
        "workers": sum(server.workers for server in living),
        "servers": len(servers),
        "charts": [chart(each) for each in flows],
    }


def _shown(counts: Mapping[JobState, int]) -> list[tuple[JobState, int]]:
    return [(state, count) for state, count in counts.items() if state is not JobState.PROCESSED or count]


def _problems(found: Sequence[Problem]) -> str:
    return templates.get_template("parts/problems.html").render(problems=found)


def _whole_seconds(duration: timedelta) -> timedelta:
    return timedelta(seconds=int(duration.total_seconds()))
