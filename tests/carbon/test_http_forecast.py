"""A forecast from a service, and what becomes of it when the service does not do what it should."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from jobrunr.carbon import Forecast, ForecastSlot
from jobrunr.carbon.http_forecast import HttpForecast
from jobrunr.errors import ForecastError, WrongSettingError

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
OURS = {
    "interval": "PT30M",
    "next": "2026-03-02T18:00:00Z",
    "forecast": [
        {"start": "2026-03-02T00:30:00Z", "intensity": 210.5},
        {"start": "2026-03-02T01:00:00+01:00", "intensity": 300},
    ],
}
THEIRS = {
    "forecastInterval": "PT1H",
    "nextForecastAvailableAt": "2026-03-02T18:00:00Z",
    "intensityForecast": [{"periodStartAt": "2026-03-02T00:00:00Z", "rank": 3}],
}


class Service:
    """A web service on this machine that answers as it is told."""

    def __init__(self) -> None:
        self.answer: bytes = json.dumps(OURS).encode()
        self.status = 200
        self.location: str | None = None
        self.asked: list[str] = []
        self.released = threading.Event()
        self.released.set()
        service = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.asked.append(self.path)
                service.released.wait(10)
                self.send_response(service.status)
                if service.location:
                    self.send_header("Location", service.location)
                self.end_headers()
                self.wfile.write(service.answer)

            def log_message(self, *arguments: Any) -> None: ...

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None: ...  # whoever asked has gone

        self._server = Server(("127.0.0.1", 0), Answers)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/forecast"

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.close()


def test_the_answer_becomes_a_forecast_in_the_order_of_time(service: Service) -> None:
    assert HttpForecast(service.url).fetch() == Forecast(
        slots=(ForecastSlot(MIDNIGHT, 300), ForecastSlot(MIDNIGHT + timedelta(minutes=30), 210.5)),
        interval=timedelta(minutes=30),
        next_at=MIDNIGHT + timedelta(hours=18),
    )


def test_the_names_of_jobrunrs_service_are_understood(service: Service) -> None:
    service.answer = json.dumps(THEIRS).encode()
    assert HttpForecast(service.url).fetch().slots == (ForecastSlot(MIDNIGHT, 3),)


def test_area_and_provider_are_asked_for(service: Service) -> None:
    HttpForecast(service.url, area="BE & NL", provider="ENTSO-E").fetch()
    HttpForecast(f"{service.url}?key=1", area="BE").fetch()
    HttpForecast(service.url).fetch()
    assert service.asked == ["/forecast?area=BE+%26+NL&provider=ENTSO-E", "/forecast?key=1&area=BE", "/forecast"]


def an_answer(**changes: Any) -> bytes:
    return json.dumps(OURS | changes).encode()


def with_a_slot(**changes: Any) -> bytes:
    return an_answer(forecast=[OURS["forecast"][0] | changes])  # type: ignore[index]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"forecast": 3}',
        b'{"forecast": [{}]}',
        b'{"forecast": [3]}',
        b'{"forecast": [{"start": "2026-03-02T00:00"}]}',
        with_a_slot(intensity="low"),
        with_a_slot(intensity="NaN"),
        with_a_slot(intensity="inf"),
        with_a_slot(intensity=10**400),
        with_a_slot(intensity="1e999"),
        with_a_slot(start="0001-01-01T00:00:00+14:00"),
        with_a_slot(start="9999-12-31T23:00:00Z"),
        with_a_slot(start=5),
        an_answer(interval="-PT1H"),
        an_answer(interval="PT0S"),
        an_answer(interval="P400D"),
        an_answer(interval=5),
        an_answer(next="9999-12-31T23:00:00Z"),
        an_answer(next="2026-03-02T18:00:00"),
        b'"' + b"x" * 2**20 + b'"',
    ],
)
def test_an_answer_that_is_no_forecast_is_an_error_that_names_the_service(service: Service, answer: bytes) -> None:
    service.answer = answer
    with pytest.raises(ForecastError, match=r"127\.0\.0\.1:\d+/forecast answers with .* no forecast"):
        HttpForecast(service.url).fetch()


def test_what_is_secret_in_the_url_is_not_told(service: Service) -> None:
    service.answer = b"{}"
    with pytest.raises(ForecastError) as caught:
        HttpForecast(f"{service.url}?token=s3cret", area="BE").fetch()
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("status", [404, 500])
def test_a_refusal_is_an_error(service: Service, status: int) -> None:
    service.status = status
    with pytest.raises(ForecastError, match=str(status)):
        HttpForecast(service.url).fetch()


def test_an_answer_that_does_not_come_in_time_is_an_error(service: Service) -> None:
    service.released.clear()
    with pytest.raises(ForecastError, match="timed out"):
        HttpForecast(service.url, timeout=timedelta(milliseconds=100)).fetch()


@pytest.mark.parametrize("head", [b"", b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.0 200 OK\r\nX: "])
def test_one_that_drips_is_given_no_more_time_than_one_that_is_silent(head: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        gone = threading.Event()

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                try:
                    connection.sendall(head)
                    while not gone.wait(0.02):
                        connection.sendall(b" ")
                except OSError:  # it was broken off
                    gone.set()

        dripping = threading.Thread(target=drip, daemon=True)
        dripping.start()
        began = time.monotonic()
        with pytest.raises(ForecastError, match="timed out after 300 ms"):
            HttpForecast(f"http://127.0.0.1:{server.getsockname()[1]}", timeout=timedelta(milliseconds=300)).fetch()
        assert time.monotonic() - began < 2
        assert gone.wait(10), "the connection stays open"
        dripping.join()


def test_nobody_there_is_an_error(service: Service) -> None:
    service.close()
    with pytest.raises(ForecastError, match="refused"):
        HttpForecast(service.url).fetch()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/y", "data:,x", "http://", "http://["])
def test_only_the_web_is_asked(url: str) -> None:
    with pytest.raises(WrongSettingError, match="http"):
        HttpForecast(url)


def test_nobody_is_sent_on_to_something_else(service: Service) -> None:
    service.status, service.location = 302, "ftp://127.0.0.1/forecast"
    with pytest.raises(ForecastError, match="ftp"):
        HttpForecast(service.url).fetch()
