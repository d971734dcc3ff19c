"""A dashboard that listens, and what comes over the wire."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from jobrunr import JobRunr
from jobrunr.dashboard.running import DashboardServer
from jobrunr.errors import DashboardAddressError
from tests.dashboard.doors import USERS

Serve = Callable[..., DashboardServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers = []

    def serve(authorize: Any = None, settings: dict[str, Any] | None = None, **options: Any) -> DashboardServer:
        dashboard = JobRunr("memory://", **(settings or {})).dashboard(authorize=authorize, insecure=True)
        servers.append(DashboardServer(dashboard, "127.0.0.1", 0, **options).start())
        return servers[-1]

    yield serve
    for server in servers:
        server.stop()


def port_of(server: DashboardServer) -> int:
    port = urlsplit(server.address).port
    assert port is not None
    return port


def over_the_wire(server: DashboardServer, request: bytes) -> bytes:
    """Everything that comes back until the connection is closed."""
    with socket.create_connection(("127.0.0.1", port_of(server)), timeout=20) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_it_answers_and_does_not_say_what_it_is_made_of(serve: Serve) -> None:
    answer = httpx2.get(serve().address)

    assert answer.status_code == 200
    assert "server" not in answer.headers


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n", 200),
        (b"GET / HTTP/1.1\r\nHost: evil.com\r\n", 421),
        (b"GET http://evil.com/ HTTP/1.1\r\nHost: localhost\r\n", 421),
        (b"GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n", 421),
        (b"GET http://localhost/ HTTP/1.1\r\nHost: evil.com\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.com\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Host: evil.com\r\n", 200),
        (b"GET / HTTP/1.1\r\nHost: evil.com\r\nX-Forwarded-Host: localhost\r\n", 421),
        (b"GET / HTTP/1.1\r\n", 400),
        (b"GET / HTTP/1.0\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 20_000 + b"\r\n", 431),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n", 431),
        (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n", 421),
    ],
)
def test_what_comes_over_the_wire_is_judged(serve: Serve, head: bytes, status: int) -> None:
    assert status_of(over_the_wire(serve(), head + b"Connection: close\r\n\r\n")) == status


def test_headers_that_do_not_come_to_an_end_are_not_waited_for(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobrunr.dashboard.slow_headers.SLOWEST", 0.2)
    server = serve()

    assert over_the_wire(server, b"") == b""
    assert over_the_wire(server, b"GET / HTTP/1.1\r\nHost: local") == b""
    answer = over_the_wire(server, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\n")
    assert answer.count(b"HTTP/1.1 200") == 1


def test_a_body_that_does_not_come_to_an_end_is_not_waited_for(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobrunr.dashboard.application.SLOWEST_BODY", 0.2)
    server = serve(settings={"dashboard_users": USERS})
    request = b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 10\r\n\r\nname"

    assert status_of(over_the_wire(server, request)) == 408


def test_a_large_body_is_not_read_to_its_end(serve: Serve) -> None:
    server = serve(settings={"dashboard_users": USERS})
    address = f"{server.address}sign-in"

    assert httpx2.post(address, content=b"x" * 1_048_577, headers={"Content-Type": "application/json"}).status_code == 413


@pytest.mark.parametrize(("proxies", "believed"), [(None, False), ("10.0.0.1", False), ("127.0.0.1", True)])
def test_a_proxy_is_believed_only_if_it_was_named(serve: Serve, proxies: str | None, believed: bool) -> None:
    seen: list[Any] = []

    def authorize(request: Any) -> str:
        seen.append((request.client.host, request.url.scheme))
        return "reader"

    forwarded = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
    answer = httpx2.get(serve(authorize, proxies=proxies).address, headers=forwarded)

    assert seen == [("203.0.113.7", "https") if believed else ("127.0.0.1", "http")]
    assert ("Secure" in answer.headers["set-cookie"]) is believed


def test_below_a_path_that_a_proxy_takes_off_pages_lead_to_each_other(serve: Serve) -> None:
    answer = httpx2.get(f"{serve(root_path='/team/jobs').address}static/style.css")

    assert answer.status_code == 200


def test_it_stops_at_once_although_somebody_watches(serve: Serve) -> None:
    server = serve()
    came, ended = threading.Event(), threading.Event()

    def watch() -> None:
        with httpx2.stream("GET", f"{server.address}live?topic=counts", timeout=30) as answer:
            for _ in answer.iter_lines():
                came.set()
        ended.set()

    threading.Thread(target=watch, daemon=True).start()
    assert came.wait(20)
    began = time.monotonic()
    server.stop()

    assert ended.wait(5)
    assert time.monotonic() - began < 1.5


def test_a_port_that_is_taken_is_told(serve: Serve) -> None:
    port = port_of(serve())

    with pytest.raises(DashboardAddressError, match=f"cannot listen on 127.0.0.1, port {port}: .*Choose another"):
        DashboardServer(JobRunr("memory://").dashboard(insecure=True), "127.0.0.1", port)
