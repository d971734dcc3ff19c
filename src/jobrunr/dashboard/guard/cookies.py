"""Our cookies. Their names differ from one dashboard to another: several can stand on one host."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from jobrunr.dashboard.guard.sessions import LONGEST
from jobrunr.dashboard.guard.signing import Signing

_OPENID_LASTS = 600
_YEAR = 365 * 86_400


class Cookies:
    """Reads and writes them.

    Arguments:
        signing: knows which dashboard this is.
    """

    def __init__(self, signing: Signing) -> None:
        self._signing = signing

    def session(self, request: Request) -> str | None:
        """The session, sealed."""
        return request.cookies.get(self._name("session"))

    def set_session(self, request: Request, response: Response, sealed: str) -> None:
        """Keep a session."""
        self._set(request, response, "session", sealed, int(LONGEST))

    def remove_session(self, request: Request, response: Response) -> None:
        """Forget the session."""
        self._set(request, response, "session", "", 0)

    def browser(self, request: Request) -> str | None:
        """What tells a browser from others as long as nobody has signed in."""
        return request.cookies.get(self._name("browser"))

    def set_browser(self, request: Request, response: Response, id: str) -> None:
        """Know this browser again."""
        self._set(request, response, "browser", id, _YEAR)

    def openid(self, request: Request) -> str | None:
        """A sign-in at the provider that was begun, sealed."""
        return request.cookies.get(self._name("openid"))

    def set_openid(self, request: Request, response: Response, sealed: str) -> None:
        """Keep it until the provider sends the browser back."""
        self._set(request, response, "openid", sealed, _OPENID_LASTS)

    def remove_openid(self, request: Request, response: Response) -> None:
        """It has come to an end."""
        self._set(request, response, "openid", "", 0)

    def _name(self, what: str) -> str:
        return f"jobrunr_{what}_{self._signing.code('cookie', what)[:8]}"

    @staticmethod
    def _is_https(request: Request) -> bool:
        return request.url.scheme == "https"

    def _set(self, request: Request, response: Response, what: str, value: str, seconds: int) -> None:
        response.set_cookie(
            self._name(what),
            value,
            max_age=seconds,
            path="/",
            secure=self._is_https(request),
            httponly=True,
            samesite="lax",
        )
