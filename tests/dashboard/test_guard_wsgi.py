"""The dashboard under WSGI, on a real server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import httpx2
import pytest

from jobrunr import JobRunr
from tests.dashboard.doors import PASSWORD, USERS, token_on


class ThreadingServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    """A browser that sees a host with the dashboard at /team/jobs, as Flask and Django mount it."""
    dashboard = JobRunr("memory://", dashboard_users=USERS).dashboard_wsgi()

    def host(environ: dict[str, Any], start_response: Any) -> Any:
        assert environ["PATH_INFO"].startswith("/team/jobs")
        environ["SCRIPT_NAME"], environ["PATH_INFO"] = "/team/jobs", environ["PATH_INFO"].removeprefix("/team/jobs")
        return dashboard(environ, start_response)

    with make_server("127.0.0.1", 0, host, ThreadingServer, Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        with httpx2.Client(base_url=f"http://127.0.0.1:{server.server_port}/team/jobs/") as client:
            yield client
        server.shutdown()
        thread.join()


def sign_in(client: httpx2.Client) -> httpx2.Response:
    form = {"token": token_on(client.get("sign-in").text), "name": "olga", "password": PASSWORD, "next": ""}
    return client.post("sign-in", data=form, follow_redirects=True)


def test_pages_and_forms_work(client: httpx2.Client) -> None:
    assert client.get("").headers["location"] == "./sign-in"
    answer = sign_in(client)

    assert answer.status_code == 200 and ">olga<" in answer.text
    assert client.get("static/style.css").headers["content-type"].startswith("text/css")
    assert client.head("").status_code == 200
    assert client.post("sign-out", data={"token": token_on(answer.text)}).status_code == 303
    assert client.get("").status_code == 303


def test_pages_move_by_asking_again(client: httpx2.Client) -> None:
    sign_in(client)
    for _ in range(3):
        answer = client.get("live?topic=counts")  # it has an end
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.text.startswith("retry: 2000\nevent: change\ndata: {")


def test_the_guard_is_there_too(client: httpx2.Client) -> None:
    assert client.get("", headers={"Host": "evil.com"}).status_code == 421
    assert client.get("", headers={"Host": "127.0.0.1, 127.0.0.1"}).status_code == 421
    assert client.get("live?topic=counts").status_code == 401
    sign_in(client)
    assert client.post("sign-out").status_code == 403
    assert client.post("sign-out", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_attempts_are_counted_by_the_address_of_the_host(client: httpx2.Client) -> None:
    token = token_on(client.get("sign-in").text)
    form = {"token": token, "password": "wrong", "next": ""}
    answers = [client.post("sign-in", data=form | {"name": f"name {number}"}).status_code for number in range(11)]

    assert answers == [401] * 10 + [429]


def test_many_at_once_get_their_answers(client: httpx2.Client) -> None:
    sign_in(client)
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(client.get("").status_code)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert statuses == [200] * 20
