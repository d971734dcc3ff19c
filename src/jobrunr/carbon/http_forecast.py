"""A forecast over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

import msgspec

from jobrunr.carbon.forecast import Forecast, ForecastSlot
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
        timeout: for the connection and for each wait for an answer.

    Raises:
        WrongSettingError: the URL is none of http or https.
    """

    def __init__(
        self, url: str, area: str | None = None, provider: str | None = None, timeout: timedelta = timedelta(seconds=3)
    ) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise WrongSettingError("carbon_forecast_url", url, "the settings", "a URL that begins with http:// or https://")
        asked = {name: value for name, value in (("area", area), ("provider", provider)) if value}
        separator = "&" if "?" in url else "?"
        self.url = f"{url}{separator}{urlencode(asked)}" if asked else url
        self._timeout = timeout.total_seconds()

    def fetch(self) -> Forecast:
        """The forecast of now.

        Raises:
            ForecastError: the service does not answer, or not with a forecast.
        """
        headers = {"Accept": "application/json", "User-Agent": f"jobrunr-python/{VERSION}"}
        try:
            with urlopen(Request(self.url, headers=headers), timeout=self._timeout) as answer:  # noqa: S310 - see above
                body = answer.read(LARGEST + 1)
        except (URLError, HTTPException, OSError) as error:
            raise ForecastError(f"{self.url} gives no forecast: {error}") from error
        if len(body) > LARGEST:
            raise ForecastError(f"{self.url} answers with more than {LARGEST:,} bytes, which is no forecast.")
        try:
            return _read(msgspec.json.decode(body, type=dict[str, Any]))
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
            raise ForecastError(f"{self.url} answers with something that is no forecast: {error!r}.") from error


def _read(answer: dict[str, Any]) -> Forecast:
    interval = answer.get("interval", answer.get("forecastInterval", "PT1H"))
    next_at = answer.get("next", answer.get("nextForecastAvailableAt"))
    rows = answer["forecast"] if "forecast" in answer else answer["intensityForecast"]
    slots = [
        ForecastSlot(_moment(row.get("start", row.get("periodStartAt"))), float(row.get("intensity", row.get("rank"))))
        for row in rows
    ]
    return Forecast(
        slots=tuple(sorted(slots, key=lambda slot: slot.start)),
        interval=msgspec.convert(interval, timedelta),
        next_at=None if next_at is None else _moment(next_at),
    )


def _moment(text: Any) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment.astimezone(UTC)
