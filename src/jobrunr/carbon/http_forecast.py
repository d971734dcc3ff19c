"""A forecast over HTTP."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit, urlunsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

import msgspec

from jobrunr.carbon.checking import checked
from jobrunr.carbon.forecast import Forecast, ForecastSlot
from jobrunr.durations import format_duration
from jobrunr.errors import ForecastError, WrongSettingError
from jobrunr.version import VERSION

LARGEST = 2**20
"""Bytes of an answer that are read."""


class HttpForecast:
    """Asks a service that answers with JSON.

    The answer is ``{"interval": "PT1H", "forecast": [{"start": "2026-03-02T00:00:00Z", "intensity": 210.5}, …]}``, with
    ``"next": "2026-03-02T18:00:00Z"`` if it knows when there will be a newer one. The names that JobRunr's own service uses
    (``intensityForecast``, ``periodStartAt``, ``rank``, ``forecastInterval``, ``nextForecastAvailableAt``) will do, too.

    Arguments:
        url: of the service, with http or https.
        area: for which area, as the service calls it.
        provider: from which source of figures, if the service has several.
        timeout: for all of it, from the look-up of the name to the last byte of the answer.

    Raises:
        WrongSettingError: the URL is none of http or https.
    """

    def __init__(
        self, url: str, area: str | None = None, provider: str | None = None, timeout: timedelta = timedelta(seconds=3)
    ) -> None:
        if not _is_of_the_web(url):
            raise WrongSettingError("carbon_forecast_url", url, "the settings", "a URL that begins with http:// or https://")
        asked = {name: value for name, value in (("area", area), ("provider", provider)) if value}
        separator = "&" if "?" in url else "?"
        self.url = f"{url}{separator}{urlencode(asked)}" if asked else url
        self._timeout = timeout
        self._shown = _without_secrets(url)

    def fetch(self) -> Forecast:
        """The forecast of now.

        Raises:
            ForecastError: the service does not answer, or not in time, or not with a forecast.
        """
        try:
            body = _Question(self.url, self._timeout).answer()
        except (HTTPException, OSError, ValueError) as error:
            why = error.reason if type(error) is URLError else error
            raise ForecastError(f"{self._shown} gives no forecast: {why or type(why).__name__}.") from error
        if len(body) > LARGEST:
            raise ForecastError(f"{self._shown} answers with more than {LARGEST:,} bytes, which is no forecast.")
        try:
            return checked(_read(msgspec.json.decode(body, type=dict[str, Any])))
        except ForecastError as error:
            raise ForecastError(f"{self._shown} answers with something that is no forecast. {error}") from None
        except (
            msgspec.MsgspecError,
            LookupError,
            TypeError,
            ValueError,
            AttributeError,
            ArithmeticError,
            RecursionError,
        ) as e:
            raise ForecastError(f"{self._shown} answers with something that is no forecast: {e!r:.200}.") from e


class _Question:
    """A question to a service that is broken off when its time is over: a time-out of sockets is one for each read."""

    def __init__(self, url: str, timeout: timedelta) -> None:
        self._url = url
        self._timeout = timeout
        self._body = b""
        self._error: Exception | None = None
        self._open: list[socket.socket] = []

    def answer(self) -> bytes:
        """What came, cut off where it is too much.

        Raises:
            TimeoutError: it did not come in time.
            HTTPException, OSError, ValueError: it did not come at all.
        """
        asking = threading.Thread(target=self._ask, name="jobrunr-forecast-http", daemon=True)
        asking.start()
        asking.join(self._timeout.total_seconds())
        if asking.is_alive():
            self._break_off()
            raise TimeoutError(f"timed out after {format_duration(self._timeout)}")
        if self._error is not None:
            raise self._error
        return self._body

    def _ask(self) -> None:
        seconds = self._timeout.total_seconds()
        headers = {"Accept": "application/json", "User-Agent": f"jobrunr-python/{VERSION}"}
        try:
            with _opener(self._open).open(Request(self._url, headers=headers), timeout=seconds) as answer:  # noqa: S310
                self._body = answer.read(LARGEST + 1)
        except (HTTPException, OSError, ValueError) as error:
            if isinstance(error, HTTPError):
                error.close()  # it is an open answer, too
            self._error = error

    def _break_off(self) -> None:
        for each in self._open:
            with suppress(OSError):  # it is closed already
                each.shutdown(socket.SHUT_RDWR)


def _opener(opened: list[socket.socket]) -> OpenerDirector:
    """Speaks HTTP and nothing else, wherever it is sent on to, and tells which connections it opens."""

    class Plain(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            opened.append(self.sock)

    class Secure(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            opened.append(self.sock)

    class OverHttp(HTTPHandler):
        def http_open(self, req: Request) -> Any:
            return self.do_open(Plain, req)

    class OverHttps(HTTPSHandler):
        def https_open(self, req: Request) -> Any:
            return self.do_open(Secure, req)

    opener = OpenerDirector()
    for handler in (
        ProxyHandler(),
        UnknownHandler(),
        OverHttp(),
        OverHttps(),
        HTTPDefaultErrorHandler(),
        HTTPRedirectHandler(),
        HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _is_of_the_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _without_secrets(url: str) -> str:
    """For people to see: keys stand in front of the host, or in the query."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _read(answer: dict[str, Any]) -> Forecast:
    interval = answer.get("interval", answer.get("forecastInterval", "PT1H"))
    next_at = answer.get("next", answer.get("nextForecastAvailableAt"))
    rows = answer["forecast"] if "forecast" in answer else answer["intensityForecast"]
    slots = [
        ForecastSlot(_moment(row.get("start", row.get("periodStartAt"))), float(row.get("intensity", row.get("rank"))))
        for row in rows
    ]
    return Forecast(
        slots=tuple(slots),
        interval=msgspec.convert(interval, timedelta),
        next_at=None if next_at is None else _moment(next_at),
    )


def _moment(text: Any) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment.astimezone(UTC)
