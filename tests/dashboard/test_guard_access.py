"""Who may use a dashboard that is mounted, one for programs, and one for everybody."""

from __future__ import annotations

import asyncio
import base64
import sys
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount

from jobrunr import JobRunr
from jobrunr.dashboard.access import Role, User
from jobrunr.dashboard.answers import json
from jobrunr.dashboard.application import make_application
from jobrunr.dashboard.call import Call
from jobrunr.dashboard.endpoints import Endpoint, Kind
from jobrunr.dashboard.guard import Guard
from jobrunr.dashboard.live.hub import HEARTBEAT
from jobrunr.dashboard.live.stream import RECHECK
from jobrunr.dashboard.site import Site
from jobrunr.errors import DashboardAccessError, JobRunrError
from jobrunr.run_figures import RunFigures
from tests.dashboard.doors import PASSWORD, a_jobrunr, browser, signed_in, token_of


def who(call: Call) -> Response:
    return json(call.user.name)


def for_programs(**settings: Any) -> Any:
    """A dashboard with one question, one change and one page."""
    jobrunr = a_jobrunr(**settings)
    site = Site(
        lambda: jobrunr.storage, jobrunr.scheduler, jobrunr.registry, jobrunr.settings, "1", run_figures=RunFigures()
    )
    guard = Guard(jobrunr.settings, lambda: jobrunr.storage)
    endpoints = [
        Endpoint("GET", "/api/who", Role.READER, Kind.API, who),
        Endpoint("POST", "/api/change", Role.OPERATOR, Kind.API, who),
        Endpoint("GET", "/page", Role.READER, Kind.PAGE, who),
    ]
    return make_application(site, guard, endpoints)


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


# -- nobody said who


def test_without_a_word_there_is_no_dashboard() -> None:
    with pytest.raises(DashboardAccessError, match=r"authorize=.*dashboard_users.*dashboard-user.*insecure=True"):
        JobRunr("memory://").dashboard()
    assert issubclass(DashboardAccessError, JobRunrError)


def test_insecure_is_for_everybody_who_reaches_it() -> None:
    client = browser(JobRunr("memory://").dashboard(insecure=True))

    assert client.get("/").status_code == 200
    assert client.get("/sign-in").status_code == 404
    assert client.get("/", headers={"Host": "evil.com"}).status_code == 421


def test_insecure_does_not_weaken_a_dashboard_that_has_users() -> None:
    assert browser(a_jobrunr().dashboard(insecure=True)).get("/").status_code == 303


# -- the application says who


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("reader", 200),
        ("operator", 200),
        (Role.READER, 200),
        (Role.OPERATOR, 200),
        (User("ada", Role.READER), 200),
        (None, 403),
        (False, 500),
        (True, 500),
        ("", 500),
        ("admin", 500),
        (1, 500),
        (Role.ANYBODY, 500),
    ],
)
def test_the_application_says_who_somebody_is(said: Any, status: int) -> None:
    async def later(request: Request) -> Any:
        await asyncio.sleep(0)
        return said

    for authorize in (lambda request: said, later):
        assert browser(a_jobrunr().dashboard(authorize=authorize)).get("/").status_code == status


def test_an_application_that_fails_lets_nobody_in() -> None:
    def authorize(request: Request) -> str:
        raise LookupError("CANARY")

    answer = browser(a_jobrunr().dashboard(authorize=authorize)).get("/")
    assert answer.status_code == 500
    assert "CANARY" not in answer.text


def test_the_application_sees_the_request() -> None:
    jobrunr = a_jobrunr()

    def authorize(request: Request) -> User | None:
        name = request.cookies.get("session")
        return User(name, Role.READER) if name else None

    client = browser(Starlette(routes=[Mount("/jobs", jobrunr.dashboard(authorize=authorize))]))
    assert client.get("/jobs/").status_code == 403
    client.cookies["session"] = "ada"
    assert ">ada<" in client.get("/jobs/").text


def test_a_session_of_the_settings_is_nothing_beside_the_word_of_the_application() -> None:
    jobrunr = a_jobrunr(dashboard_secret="s" * 40)
    client = signed_in(jobrunr.dashboard())

    assert (
        browser(jobrunr.dashboard(authorize=lambda request: None), cookies=dict(client.cookies)).get("/").status_code == 403
    )


def test_a_token_is_for_one_person_in_one_browser() -> None:
    jobrunr = a_jobrunr()
    guard = Guard(jobrunr.settings, lambda: jobrunr.storage, authorize=lambda request: request.headers["who"])

    def token(who: str, cookie: str) -> str:
        headers = [(b"host", b"localhost"), (b"who", who.encode()), (b"cookie", cookie.encode())]
        scope = {"type": "http", "method": "POST", "path": "/", "headers": headers, "query_string": b""}
        return asyncio.run(guard.visitor(Request(scope))).token

    name = guard.cookies._name("browser")
    same = token("operator", f"{name}=a")
    assert same == token("operator", f"{name}=a")
    assert len({same, token("reader", f"{name}=a"), token("operator", f"{name}=b"), token("operator", "")}) == 4
    assert token("operator", "") != token("operator", "")


def test_a_dashboard_answers_to_its_own_hosts() -> None:
    jobrunr = JobRunr("memory://", dashboard_hosts=["jobs.example.org"])
    client = browser(jobrunr.dashboard(insecure=True, hosts=["shop.example.org:8443"]))
    hosts = ("jobs.example.org", "jobs.example.org:8000", "shop.example.org:8443", "shop.example.org", "other.example.org")

    assert [client.get("/", headers={"Host": host}).status_code for host in hosts] == [200, 200, 200, 421, 421]


# -- programs


def test_a_program_brings_name_and_password_along() -> None:
    client = browser(for_programs())

    assert client.get("/api/who", headers=basic("rita", PASSWORD)).json() == "rita"
    assert client.post("/api/change", headers=basic("olga", PASSWORD)).json() == "olga"
    assert client.post("/api/change", headers=basic("rita", PASSWORD)).status_code == 403


def test_pages_are_not_for_programs() -> None:
    assert browser(for_programs()).get("/page", headers=basic("rita", PASSWORD)).status_code == 303


@pytest.mark.parametrize(
    "sent", ["Basic", "Basic ", "Basic !!!", "Basic cml0YQ==", "Bearer cml0YTpj", "Basic /zr+", "Digest username=rita"]
)
def test_what_is_no_password_is_none(sent: str) -> None:
    answer = browser(for_programs()).get("/api/who", headers={"Authorization": sent})

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic")


def test_a_browser_is_not_asked_for_a_password_by_itself() -> None:
    answer = browser(for_programs()).get("/api/who", headers={"Sec-Fetch-Site": "same-origin"})

    assert answer.status_code == 401
    assert "www-authenticate" not in answer.headers


def test_programs_guess_no_more_often_than_people() -> None:
    client = browser(for_programs())
    assert [client.get("/api/who", headers=basic("rita", "wrong")).status_code for _ in range(10)] == [401] * 10

    assert client.get("/api/who", headers=basic("rita", PASSWORD)).status_code == 429


def test_a_password_that_was_right_is_not_worked_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    client = browser(for_programs())
    assert client.get("/api/who", headers=basic("rita", PASSWORD)).status_code == 200
    monkeypatch.setattr("jobrunr.dashboard.guard.users.is_password", lambda password, kept: False)

    assert client.get("/api/who", headers=basic("rita", PASSWORD)).status_code == 200
    assert client.get("/api/who", headers=basic("olga", PASSWORD)).status_code == 401
    assert client.get("/api/who", headers=basic("rita", PASSWORD + "x")).status_code == 401


def test_a_password_that_a_browser_sends_along_by_itself_needs_a_token() -> None:
    """A browser that was once asked for a password repeats it, and so does one that has any cookie of ours."""
    client = browser(for_programs(), cookies={"anything": "x"})

    assert client.post("/api/change", headers=basic("olga", PASSWORD)).status_code == 403
    cross = basic("olga", PASSWORD) | {"Sec-Fetch-Site": "cross-site"}
    assert browser(for_programs()).post("/api/change", headers=cross).status_code == 403


# -- streams


class Browser:
    """Asks for a stream, and reads what comes."""

    def __init__(self, cookies: dict[str, str], headers: dict[str, str] | None = None) -> None:
        sent = {"host": "localhost", "cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
        sent |= headers or {}
        self.scope: dict[str, Any] = {
            "type": "http",
            "method": "GET",
            "path": "/live",
            "root_path": "",
            "scheme": "http",
            "query_string": b"topic=counts",
            "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
            "client": ("127.0.0.1", 1),
        }
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.event = asyncio.Event()

    async def ask(self, application: Any) -> None:
        await application(self.scope, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status.set_result(message["status"])
        elif message["body"]:
            self.event.set()


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://evil.com"}], ids=str
)
def test_another_site_gets_no_stream(headers: dict[str, str]) -> None:
    client = signed_in(a_jobrunr().dashboard())

    assert client.get("/live?topic=counts", headers=headers).status_code == 403


def test_a_stream_ends_after_signing_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["jobrunr.dashboard.live.stream"], "RECHECK", 0.05)
    monkeypatch.setattr("jobrunr.dashboard.live.hub.HEARTBEAT", 0.05)
    dashboard = a_jobrunr().dashboard()
    client = signed_in(dashboard)

    async def watch() -> None:
        watching = Browser(dict(client.cookies))
        asked = asyncio.create_task(watching.ask(dashboard))
        assert await watching.status == 200
        await watching.event.wait()
        assert not asked.done()
        await asyncio.to_thread(lambda: client.post("/sign-out", data={"token": token_of(client)}))
        await asyncio.wait_for(asked, 10)

    asyncio.run(watch())


def test_whoever_watches_is_looked_at_twice_a_minute() -> None:
    assert HEARTBEAT + RECHECK < 60
