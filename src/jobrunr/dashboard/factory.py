"""Puts a dashboard together."""

from __future__ import annotations

from functools import partial

from starlette.applications import Starlette
from starlette.responses import Response

from jobrunr.dashboard.access import Role
from jobrunr.dashboard.answers import static_file
from jobrunr.dashboard.api import endpoints_for
from jobrunr.dashboard.application import make_application
from jobrunr.dashboard.call import Call
from jobrunr.dashboard.endpoints import Endpoint, Kind
from jobrunr.dashboard.guard import Guard
from jobrunr.dashboard.live import Hub, glance, stream
from jobrunr.dashboard.pages import PAGES, TOPICS
from jobrunr.dashboard.pages.entrance import Entrance
from jobrunr.dashboard.site import Site


def make_dashboard(site: Site, guard: Guard, *, streams: bool = True) -> Starlette:
    """The application with everything in it.

    Arguments:
        streams: whether a connection may stay open. If not, browsers ask again and again.
    """
    hub = Hub({name: partial(read, site) for name, read in TOPICS.items()})

    async def live(call: Call) -> Response:
        return stream(hub, call)

    watching = Endpoint("GET", "/live", Role.READER, Kind.STREAM, live if streams else partial(glance, hub))
    files = Endpoint("GET", "/static/{name}", Role.ANYBODY, Kind.FILE, static_file)
    application = make_application(site, guard, [*PAGES, *Entrance(guard).endpoints, *endpoints_for(site), watching, files])
    application.state.hub = hub
    return application
