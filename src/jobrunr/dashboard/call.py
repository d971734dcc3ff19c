"""One request, as pages and the API see it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request

from jobrunr.dashboard.access import Role, User
from jobrunr.dashboard.guard import Visitor
from jobrunr.dashboard.refusal import Refusal
from jobrunr.dashboard.site import Site


def link(path: str = "", **query: object) -> str:
    """The address of a page as it stands on pages: below the root.

    Arguments:
        path: such as ``"jobs/failed"``.
        query: parameters; those that are None or empty are left out.

    >>> link("jobs", state="FAILED", after=None)
    'jobs?state=FAILED'
    """
    wanted = urlencode({name: value for name, value in query.items() if value not in (None, "")}, doseq=True)
    return (path or "./") + (f"?{wanted}" if wanted else "")


class Call:
    """What somebody asks for. Its body was read, its token was checked.

    Arguments:
        site: the dashboard.
        request: Starlette's.
        visitor: who sent it.
        form: the fields of a form; empty without one. Several values of a name are a list.
        body: what JSON said, None without any.
    """

    def __init__(self, site: Site, request: Request, visitor: Visitor, form: Mapping[str, list[str]], body: Any) -> None:
        self.site = site
        self.request = request
        self.visitor = visitor
        self.form = form
        self.body = body
        self.is_welcome: Callable[[], Awaitable[bool]]
        """Whether whoever asked would still be let in: for what goes on for long."""
        self.path: Mapping[str, str] = request.path_params
        self.query = request.query_params
        inside = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        self.inside = inside or "/"
        """The path below the place where the dashboard is mounted."""
        self.root = "../" * (self.inside.count("/") - 1) or "./"
        """From here to the root: right wherever the dashboard is mounted, and behind any proxy. It is the base of all
        links on a page."""

    @property
    def user(self) -> User:
        """Who asks."""
        assert self.visitor.user is not None, "the route lets anybody in"
        return self.visitor.user

    @property
    def may_change(self) -> bool:
        """Whether buttons are shown."""
        return self.visitor.user is not None and self.visitor.user.role >= Role.OPERATOR

    def field(self, name: str) -> str:
        """A field of the form.

        Raises:
            Refusal: it is missing.
        """
        values = self.form.get(name)
        if not values:
            raise Refusal(422, f"The field {name} is missing.", name)
        return values[0]
