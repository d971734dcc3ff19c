"""Signing in and out."""

from __future__ import annotations

import re
from urllib.parse import unquote

from starlette.responses import RedirectResponse, Response

from jobrunr.dashboard.access import Role
from jobrunr.dashboard.answers import go_to, page
from jobrunr.dashboard.call import Call
from jobrunr.dashboard.endpoints import Endpoint, Kind
from jobrunr.dashboard.guard.guard import Guard
from jobrunr.dashboard.guard.openid import OpenId
from jobrunr.dashboard.refusal import Refusal

_INSIDE = re.compile(r"[\w.~%&=+,!$'()*?-][\w.~%&=+,!$'()*/?:-]*", re.ASCII)
BACK = "sign-in/openid/back"
"""Where the provider sends people."""


def safe_page(wanted: str) -> str:
    """A page of ours; the overview, if somebody wants to send people elsewhere.

    >>> safe_page("jobs?state=FAILED"), safe_page("//evil.com"), safe_page("../admin")
    ('jobs?state=FAILED', '', '')
    """
    path = unquote(unquote(wanted.partition("?")[0]))
    is_ours = _INSIDE.fullmatch(wanted) and not re.search(r"\.\.|//|\\|[\x00-\x20\x7f]", path) and path[:1] != "/"
    return wanted if is_ours else ""


class Entrance:
    """The pages to sign in and out.

    Arguments:
        guard: knows who may.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """None, where nobody signs in."""
        if not self._guard.signs_in:
            return ()
        found = [
            Endpoint("GET", "/sign-in", Role.ANYBODY, Kind.PAGE, self.show),
            Endpoint("POST", "/sign-out", Role.ANYBODY, Kind.ACTION, self.sign_out),
        ]
        if self._guard.users:
            found.append(Endpoint("POST", "/sign-in", Role.ANYBODY, Kind.ACTION, self.sign_in))
        if self._guard.openid is not None:
            found.append(Endpoint("GET", "/sign-in/openid", Role.ANYBODY, Kind.ACTION, self.leave))
            found.append(Endpoint("GET", f"/{BACK}", Role.ANYBODY, Kind.ACTION, self.come_back))
        return tuple(found)

    def show(self, call: Call) -> Response:
        """The page to sign in."""
        then = safe_page(call.query.get("next", ""))
        return go_to(call, then) if call.visitor.user is not None else self._page(call, then)

    def sign_in(self, call: Call) -> Response:
        """With name and password."""
        name, then = call.field("name"), safe_page(next(iter(call.form.get("next", ())), ""))
        try:
            user = self._guard.check_password(call.request, name, call.field("password"))
            if user is None:
                raise Refusal(401, "Name or password is wrong.")
        except Refusal as refusal:
            response = self._page(call, then, refusal, name)
            response.headers.update(refusal.headers)
            return response
        response = go_to(call, then)
        self._guard.sign_in(call.request, response, "password", user, call.visitor)
        return response

    def sign_out(self, call: Call) -> Response:
        """End the session."""
        response = go_to(call, "sign-in")
        self._guard.sign_out(call.request, response, call.visitor)
        return response

    def leave(self, call: Call) -> Response:
        """Go to the provider."""
        host = self._guard.host(call.request)
        port = "" if host.port is None else f":{host.port}"
        mounted = call.request.scope.get("root_path", "")
        redirect_uri = f"{call.request.url.scheme}://{host.name}{port}{mounted}/{BACK}"
        url, sealed = self._openid.leave(redirect_uri, safe_page(call.query.get("next", "")))
        response = RedirectResponse(url, status_code=303)
        self._guard.cookies.set_openid(call.request, response, sealed)
        return response

    def come_back(self, call: Call) -> Response:
        """Come from the provider."""
        user, then = self._openid.come_back(call.query, self._guard.cookies.openid(call.request))
        response = go_to(call, then)
        self._guard.cookies.remove_openid(call.request, response)
        self._guard.sign_in(call.request, response, "openid", user, call.visitor)
        return response

    @property
    def _openid(self) -> OpenId:
        assert self._guard.openid is not None
        return self._guard.openid

    def _page(self, call: Call, then: str, refusal: Refusal | None = None, name: str = "") -> Response:
        return page(
            call,
            "sign-in.html",
            status=refusal.status if refusal else 200,
            refusal=refusal,
            name=name,
            then=then,
            with_password=bool(self._guard.users),
            with_openid=self._guard.openid is not None,
        )
