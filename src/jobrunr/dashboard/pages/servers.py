"""The servers, and whether they take jobs."""

from __future__ import annotations

from uuid import UUID

from starlette.responses import Response

from jobrunr.dashboard.answers import go_to, page
from jobrunr.dashboard.call import Call
from jobrunr.dashboard.live import Fragments
from jobrunr.dashboard.operations import pause_all_servers, pause_server
from jobrunr.dashboard.refusal import Refusal
from jobrunr.dashboard.showing import templates
from jobrunr.dashboard.showing.machines import read_machines
from jobrunr.dashboard.site import Site


def servers(call: Call) -> Response:
    """The page."""
    return page(call, "servers.html", machines=read_machines(call.site))


def change(call: Call) -> Response:
    """Pause or resume one server, or all that there are."""
    verb = call.field("verb")
    if verb not in {"pause", "resume"}:
        raise Refusal(422, "Servers can be changed by pause or resume.", "verb")
    which = call.field("server")
    if which == "all":
        pause_all_servers(call.site, call.user, paused=verb == "pause")
    else:
        pause_server(call.site, call.user, _id(which), paused=verb == "pause")
    return go_to(call, "servers")


def servers_topic(site: Site, argument: str) -> Fragments:
    """What moves on the page."""
    found = read_machines(site)
    parts = templates.get_template("parts/servers.html").make_module({})
    fragments = {"servers-sum": str(parts.sum(found))}  # type: ignore[attr-defined]
    fragments |= {f"server-{machine.server.id}": str(parts.machine(machine)) for machine in found}  # type: ignore[attr-defined]
    return fragments | {"server-ids": " ".join(f"server-{machine.server.id}" for machine in found)}


def _id(given: str) -> UUID:
    try:
        return UUID(given)
    except ValueError:
        raise Refusal(422, f"{given[:50]!r} is no id of a server.", "server") from None
