"""Where a request comes from."""

from __future__ import annotations

import re

from starlette.requests import Request

from jobrunr.dashboard.guard.hosts import Host, read_host

_ORIGIN = re.compile(r"(https?)://([^/?#@]+)")
_PORTS = {"http": 80, "https": 443}


def is_from_here(request: Request, host: Host) -> bool:
    """Whether no page of another origin sent this. Programs that are no browser do not say where they come from; a browser
    always does, in at least one of these headers, when it changes something for a page."""
    sites = request.headers.getlist("sec-fetch-site")
    if any(site not in ("same-origin", "none") for site in sites):
        return False
    return all(_is_same(origin, host) for origin in request.headers.getlist("origin"))


def _is_same(origin: str, host: Host) -> bool:
    match = _ORIGIN.fullmatch(origin)
    other = read_host(match[2]) if match else None
    if match is None or other is None:
        return False
    usual = _PORTS[match[1]]
    return (other.name, other.port or usual) == (host.name, host.port or usual)
