"""What goes back."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
from starlette.responses import RedirectResponse, Response

from jobrunr.dashboard.call import Call, link
from jobrunr.dashboard.endpoints import Kind
from jobrunr.dashboard.refusal import Refusal
from jobrunr.dashboard.showing import templates

_STATIC = {"style.css": "text/css", "dashboard.js": "text/javascript", "icon.svg": "image/svg+xml"}
"""The files there are. Nothing else is looked for."""


def page(call: Call, template: str, *, status: int = 200, **values: Any) -> Response:
    """A page made of a template."""
    html = templates.get_template(template).render(
        call=call, site=call.site, token=call.visitor.token, user=call.visitor.user, **values
    )
    return Response(html, status, media_type="text/html")


def go_to(call: Call, path: str, **query: object) -> Response:
    """Lead to another page after a change."""
    return RedirectResponse(call.root + link(path, **query), status_code=303)


def json(value: Any, *, status: int = 200) -> Response:
    """Data."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def nothing() -> Response:
    """Done, and there is nothing to say."""
    return Response(status_code=204)


def refused(call: Call, refusal: Refusal, kind: Kind) -> Response:
    """No, in the form in which the question was asked."""
    response = _refused(call, refusal, kind)
    response.headers.update(refusal.headers)
    return response


def _refused(call: Call, refusal: Refusal, kind: Kind) -> Response:
    if kind is Kind.FILE or refusal.status == 421:
        return Response(refusal.message, refusal.status, media_type="text/plain")
    if kind in (Kind.API, Kind.STREAM):
        said = {"error": refusal.message} | ({"field": refusal.field} if refusal.field else {})
        return json(said, status=refusal.status)
    if refusal.status == 401:
        return go_to(call, "sign-in", next=_address(call))
    return page(call, "refusal.html", status=refusal.status, refusal=refusal)


def _address(call: Call) -> str:
    """What somebody wanted to see, to lead there later."""
    if call.request.method not in ("GET", "HEAD"):
        return ""
    query = call.request.url.query
    return call.inside.lstrip("/") + (f"?{query}" if query else "")


def static_file(call: Call) -> Response:
    """One of our own files."""
    kind = _STATIC.get(call.path["name"])
    if kind is None:
        raise Refusal(404, "There is nothing at this address.")
    return Response(_content(call.path["name"]), media_type=kind, headers={"Cache-Control": "max-age=3600"})


@cache
def _content(name: str) -> bytes:
    return (files("jobrunr.dashboard") / "static" / name).read_bytes()
