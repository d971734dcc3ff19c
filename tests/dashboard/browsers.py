"""Browsers that look at an application in this process."""

from __future__ import annotations

import asyncio
import atexit
from functools import cache
from typing import Any

import httpx2
from starlette.testclient import TestClient


class Browser(TestClient):
    """A `TestClient` that calls the application in this thread, on a loop that stays: thousands of tests ask something, and
    most of the time of the original goes into threads. It knows neither lifespans nor answers without an end."""

    def __init__(self, application: Any, base_url: str = "http://localhost", **options: Any) -> None:
        super().__init__(application, base_url=base_url, **options)
        self._transport = _Here(application)


class _Here(httpx2.BaseTransport):
    def __init__(self, application: Any) -> None:
        self._within = httpx2.ASGITransport(application, client=("testclient", 50000))

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return _loop().run_until_complete(self._answer(request))

    async def _answer(self, request: httpx2.Request) -> httpx2.Response:
        request.stream = httpx2.ByteStream(request.read())
        answer = await self._within.handle_async_request(request)
        body = await answer.aread()
        return httpx2.Response(answer.status_code, headers=answer.headers, stream=httpx2.ByteStream(body), request=request)


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    atexit.register(loop.close)
    return loop
