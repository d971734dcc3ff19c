"""Dashboards with users, browsers that have signed in, and all routes that an application has."""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Route

from jobrunr import JobRunr
from jobrunr.dashboard.access import Role
from jobrunr.dashboard.application import Door
from jobrunr.dashboard.endpoints import Endpoint, Kind
from tests.dashboard.browsers import Browser

PASSWORD = "correct horse"


def quick_hash(password: str = PASSWORD) -> str:
    """As `hash_password` makes them, but compared in no time: hundreds of tests sign in."""
    key = hashlib.scrypt(password.encode(), salt=b"salt", n=2, r=1, p=1, dklen=32)
    return f"scrypt.2.1.1.c2FsdA.{urlsafe_b64encode(key).decode().rstrip('=')}"


USERS = [f"olga:operator:{quick_hash()}", f"rita:reader:{quick_hash()}"]
OPENID = {
    "dashboard_openid_url": "http://localhost:1",  # nobody answers there
    "dashboard_openid_client_id": "jobs",
    "dashboard_openid_roles": ["staff=reader"],
}
CHANGING = ("POST", "PUT", "PATCH", "DELETE")
SAMPLES = {"name": "style.css"}
"""What stands for a parameter of a path; for others, the id of a job that is not there."""


def a_jobrunr(**settings: Any) -> JobRunr:
    return JobRunr("memory://", application="tests", **({"dashboard_users": USERS} | settings))


def browser(application: Any, host: str = "localhost", scheme: str = "http", **options: Any) -> Browser:
    """One that follows no redirects."""
    return Browser(application, base_url=f"{scheme}://{host}", follow_redirects=False, **options)


def token_on(page: str) -> str:
    found = re.search(r'name="token" value="([^"]+)"', page)
    assert found is not None, page
    return found[1]


def sign_in(client: Browser, name: str = "olga", password: str = PASSWORD, **form: str) -> Any:
    """Fill in the form. The answer."""
    token = token_on(client.get("/sign-in").text)
    return client.post("/sign-in", data={"token": token, "name": name, "password": password} | form)


def signed_in(application: Any, name: str = "olga", **options: Any) -> Browser:
    client = browser(application, **options)
    assert sign_in(client, name).status_code == 303
    return client


def token_of(client: Browser) -> str:
    """What changes of this browser have to bring along."""
    return token_on(client.get("/").text)


@dataclass(frozen=True)
class Way:
    """One method of one address."""

    endpoint: Endpoint

    @property
    def path(self) -> str:
        return re.sub(
            r"\{(\w+)(:\w+)?\}",
            lambda match: SAMPLES.get(match[1], "0198e5a0-7b7a-7000-8000-000000000000"),
            self.endpoint.path,
        )

    @property
    def is_open(self) -> bool:
        return self.endpoint.role is Role.ANYBODY

    def __str__(self) -> str:
        return f"{self.endpoint.method} {self.endpoint.path}"


def ways(application: Starlette) -> Iterator[Way]:
    """All there are, read from the application."""
    for route in application.routes:
        assert isinstance(route, Route) and isinstance(route.endpoint, Door), f"{route} has no door"
        yield from map(Way, route.endpoint.methods.values())


EVERY_WAY = list(ways(a_jobrunr(**OPENID).dashboard()))
SHOWING = [way for way in EVERY_WAY if way.endpoint.method == "GET"]
CHANGES = [way for way in EVERY_WAY if way.endpoint.method != "GET"]
FOR_PEOPLE = (Kind.PAGE, Kind.ACTION)
