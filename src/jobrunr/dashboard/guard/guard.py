"""What every request has to pass."""

from __future__ import annotations

import logging
import time
from base64 import b64decode
from collections.abc import Callable
from inspect import isawaitable, iscoroutinefunction
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from jobrunr.dashboard.access import Role, User
from jobrunr.dashboard.guard.attempts import Attempts
from jobrunr.dashboard.guard.cookies import Cookies
from jobrunr.dashboard.guard.headers import HEADERS
from jobrunr.dashboard.guard.hosts import AllowedHosts, Host, host_of, is_own_address
from jobrunr.dashboard.guard.openid import OpenId
from jobrunr.dashboard.guard.origins import is_from_here
from jobrunr.dashboard.guard.revocations import Revocations
from jobrunr.dashboard.guard.sessions import Session, Sessions
from jobrunr.dashboard.guard.signing import Signing, is_equal, random_text
from jobrunr.dashboard.guard.users import Users
from jobrunr.dashboard.refusal import Refusal
from jobrunr.errors import DashboardAccessError
from jobrunr.settings import Settings
from jobrunr.storage.contract import StorageProvider

Authorize = Callable[[Request], Any]
"""Says who sends a request: a `User`, a `Role`, ``"reader"``, ``"operator"``, or None for nobody. May be a coroutine
function."""

LARGEST_HEAD = 16_384
"""Bytes of an address and its headers."""
_log = logging.getLogger("jobrunr.dashboard")
_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_LOCAL = User("local", Role.OPERATOR)


class Visitor(msgspec.Struct, frozen=True):
    """Who sent a request.

    Arguments:
        user: None while nobody is signed in.
        token: what every change that comes from a page of ours brings along.
        session: how the user is known, if by that.
        needs_token: whether a browser may have sent this by itself.
        new_browser: the id that a browser gets which has none.
    """

    user: User | None
    token: str
    session: Session | None = None
    needs_token: bool = True
    new_browser: str | None = None


class Guard:
    """Lets requests in.

    Arguments:
        settings: hosts, users, secret, OpenID.
        storage: where the secret is kept, and which sessions were ended.
        authorize: says who sends a request, in place of signing in.
        insecure: everybody may do everything.
        now: seconds since 1970.

    Raises:
        DashboardAccessError: nobody said who may use it.
    """

    def __init__(
        self,
        settings: Settings,
        storage: Callable[[], StorageProvider],
        *,
        authorize: Authorize | None = None,
        insecure: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._hosts = AllowedHosts(settings.dashboard_hosts)
        self._authorize = authorize
        self.users = Users(settings.dashboard_users)
        signing = Signing(settings.dashboard_secret, storage)
        revocations = Revocations(storage, now)
        self.openid = OpenId.of(settings, signing, revocations, now)
        self.signs_in = authorize is None and bool(self.users or self.openid)
        """Whether there is a page to sign in."""
        if authorize is None and not self.signs_in and not insecure:
            raise DashboardAccessError
        self.attempts = Attempts()
        self._signing = signing
        self.cookies = Cookies(signing)
        self._sessions = Sessions(signing, revocations, self._ground, now)
        self._recent: set[str] = set()

    # -- for every request

    def check(self, request: Request, *, is_stream: bool = False) -> None:
        """Refuse what was not meant for us: other hosts, and what another site asks for besides looking at a page.

        Raises:
            Refusal: it is not for us.
        """
        host = self.host(request)
        if sum(len(name) + len(value) for name, value in request.headers.raw) + len(request.url.path) > LARGEST_HEAD:
            raise Refusal(431, "The headers of this request are too long.")
        if (is_stream or request.method in _CHANGING) and not is_from_here(request, host):
            raise Refusal(403, "Another site asked for this. Open the dashboard, and do it there.")

    def host(self, request: Request) -> Host:
        """The host that a request is meant for.

        Raises:
            Refusal: it is none of ours.
        """
        host = host_of(request)
        if host is None or not (self._hosts.allow(host) or is_own_address(request, host)):
            raise Refusal(
                421, "This dashboard does not answer to that host. Should it? Add it to the setting dashboard_hosts."
            )
        return host

    async def visitor(self, request: Request, *, is_api: bool = False) -> Visitor:
        """Who sent a request.

        Raises:
            Refusal: somebody guesses passwords.
        """
        user = None if self._authorize is None else await self._authorized(self._authorize, request)
        return await run_in_threadpool(self._visitor, request, user, is_api)

    def admit(self, visitor: Visitor, role: Role) -> None:
        """Refuse those who may do less.

        Raises:
            Refusal: nobody is signed in, or somebody who may not.
        """
        if role is Role.ANYBODY:
            return
        if visitor.user is None:
            raise Refusal(401, "Sign in first.") if self.signs_in else Refusal(403, "You may not use this dashboard.")
        if visitor.user.role < role:
            raise Refusal(403, f"{visitor.user.name} may look, but not change anything.")

    def check_token(self, visitor: Visitor, given: str | None) -> None:
        """Refuse a change that did not come from a page of ours.

        Raises:
            Refusal: the token is another.
        """
        if visitor.needs_token and not (visitor.token and is_equal(given or "", visitor.token)):
            why = "This page is too old: you signed in or out since. Load it again, and repeat what you did."
            raise Refusal(403, why, "token")

    def finish(self, request: Request, response: Response, visitor: Visitor) -> None:
        """Add cookies and headers to an answer."""
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if visitor.new_browser and response.headers.get("content-type", "").startswith("text/html"):
            self.cookies.set_browser(request, response, visitor.new_browser)
        if response.status_code == 401 and self.users and "sec-fetch-site" not in request.headers:
            response.headers["WWW-Authenticate"] = 'Basic realm="JobRunr", charset="UTF-8"'

    # -- signing in and out

    def sign_in(self, request: Request, response: Response, way: str, user: User, visitor: Visitor) -> None:
        """Begin a session. One that there was ends."""
        self.sign_out(request, response, visitor)
        self.cookies.set_session(request, response, self._sessions.begin(way, user))
        _log.info("%r signed in from %s", user.name, address_of(request))

    def sign_out(self, request: Request, response: Response, visitor: Visitor) -> None:
        """End the session, if there is one."""
        if visitor.session is not None:
            self._sessions.end(visitor.session)
            self.cookies.remove_session(request, response)

    def check_password(self, request: Request, name: str, password: str) -> User | None:
        """The user of this name, if the password is right.

        Raises:
            Refusal: there were too many wrong ones.
        """
        address = address_of(request)
        self.attempts.begin(name, address)
        user = self.users.check(name, password)
        if user is None:
            _log.warning("a wrong name or password for %r from %s", name[:100], address)
        else:
            self.attempts.succeeded(name, address)
        return user

    # -- who it is

    @staticmethod
    async def _authorized(authorize: Authorize, request: Request) -> User | None:
        found = authorize(request) if iscoroutinefunction(authorize) else await run_in_threadpool(authorize, request)
        return _user_of(await found if isawaitable(found) else found)

    def _visitor(self, request: Request, authorized: User | None, is_api: bool) -> Visitor:
        session = self._session(request)
        if session is not None:
            return Visitor(session.user, self._signing.code("token", session.id), session)
        user, has_sent_password = authorized, False
        if self._authorize is None and not self.signs_in:
            user = _LOCAL
        elif is_api and self.signs_in and self.users:
            user = self._by_password(request)
            has_sent_password = user is not None and not request.cookies
        known = self.cookies.browser(request)
        browser = known or random_text()
        token = self._signing.code("token", f"browser\0{browser}\0{user.name if user else ''}")
        return Visitor(user, token, None, not has_sent_password, None if known else browser)

    def _session(self, request: Request) -> Session | None:
        cookie = self.cookies.session(request) if self.signs_in else None
        return None if cookie is None else self._sessions.find(cookie)

    def _by_password(self, request: Request) -> User | None:
        """Who sent name and password along, as programs do. Passwords are slow to check; those that were right are known."""
        kind, _, encoded = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "basic":
            return None
        try:
            name, _, password = b64decode(encoded.strip(), validate=True).decode().partition(":")
        except ValueError:
            return None
        seen = self._signing.code("basic", f"{self.users.line(name)}\0{password}")
        if seen in self._recent:
            return self.users.find(name)
        user = self.check_password(request, name, password)
        if user is not None:
            self._recent = {*self._recent, seen} if len(self._recent) < _MOST_RECENT else {seen}
        return user

    def _ground(self, way: str, name: str) -> str | None:
        """On what the session of somebody stands: it ends when this changes."""
        if way == "password":
            return self.users.line(name)
        return self.openid.ground if self.openid else None


_MOST_RECENT = 100


def address_of(request: Request) -> str | None:
    """Where a request comes from; behind a proxy, what the server knows of that."""
    return request.client.host if request.client else None


def _user_of(said: object) -> User | None:
    """What `authorize` means."""
    match said:
        case None | User():
            return said
        case Role() if said is not Role.ANYBODY:
            return User(said.name.lower(), said)
        case "reader" | "operator":
            return User(str(said), Role[str(said).upper()])
    raise TypeError(f"authorize returned {said!r}. It returns None, a User, a Role, 'reader' or 'operator'.")
