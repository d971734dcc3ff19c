"""From endpoints to an application."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from inspect import iscoroutinefunction
from itertools import groupby
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from jobrunr.dashboard.access import Role
from jobrunr.dashboard.answers import refused
from jobrunr.dashboard.call import Call
from jobrunr.dashboard.endpoints import Endpoint, Kind
from jobrunr.dashboard.guard import Guard, Visitor
from jobrunr.dashboard.refusal import Refusal, refusal_of
from jobrunr.dashboard.site import Site
from jobrunr.errors import JobRunrError, StorageUnavailableError

_log = logging.getLogger("jobrunr.dashboard")

LARGEST_BODY = 1_048_576
"""Bytes of a request that are read."""
SLOWEST_BODY = 30.0
"""Seconds in which it has to come."""
_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_NOBODY = Visitor(None, "")


def make_application(site: Site, guard: Guard, endpoints: Iterable[Endpoint]) -> Starlette:
    """The application: mounts anywhere."""
    by_path = groupby(sorted(endpoints, key=lambda endpoint: endpoint.path), lambda endpoint: endpoint.path)
    routes = []
    for path, same in by_path:
        methods = {endpoint.method: endpoint for endpoint in same}
        routes.append(Route(path, Door(site, guard, methods), methods=list(methods)))
    routes.sort(key=lambda route: "{" in route.path)  # exact addresses before patterns
    return Starlette(routes=routes, exception_handlers={HTTPException: _Nothing(site, guard)})


class Door:
    """Everything between a request and the endpoint for it.

    Arguments:
        site: the dashboard.
        guard: lets requests in.
        methods: the endpoints of one address.
    """

    def __init__(self, site: Site, guard: Guard, methods: Mapping[str, Endpoint]) -> None:
        self._site = site
        self._guard = guard
        self.methods = methods

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        response = await self.answer(request)
        await response(scope, receive, send)

    async def answer(self, request: Request) -> Response:
        endpoint = self.methods["GET" if request.method == "HEAD" else request.method]
        call = Call(self._site, request, _NOBODY, {}, None)
        try:
            if request.method == "HEAD" and endpoint.kind is Kind.STREAM:
                raise Refusal(405, "A stream has no beginning without its end.")
            self._guard.check(request, is_stream=endpoint.kind is Kind.STREAM)
            if endpoint.role or endpoint.kind in (Kind.PAGE, Kind.ACTION):
                call.visitor = await self._guard.visitor(request, is_api=endpoint.kind is Kind.API)
            self._guard.admit(call.visitor, endpoint.role)
            call.is_welcome = partial(self._is_welcome, endpoint, request)
            if request.method in _CHANGING:
                call.form, call.body = await _body(request)
                self._guard.check_token(call.visitor, _token(call))
            run: Callable[[Call], Any] = endpoint.run
            response: Response = await (run(call) if iscoroutinefunction(run) else run_in_threadpool(run, call))
        except Refusal as refusal:
            response = refused(call, refusal, endpoint.kind)
        except JobRunrError as error:
            response = refused(call, refusal_of(error), endpoint.kind)
        except ClientDisconnect:
            raise
        except Exception:  # noqa: BLE001 - whatever it is, it must not show
            number = uuid4().hex[:12]
            _log.exception("%s %s failed (%s)", request.method, call.inside, number)
            why = f"Something went wrong here. The log of the dashboard says more under {number}."
            response = refused(call, Refusal(500, why), endpoint.kind)
        self._guard.finish(request, response, call.visitor)
        return response

    async def _is_welcome(self, endpoint: Endpoint, request: Request) -> bool:
        """Whether somebody who was let in would be let in again."""
        try:
            self._guard.admit(await self._guard.visitor(request), endpoint.role)
        except Refusal:
            return False
        except StorageUnavailableError:  # then nobody knows, and there is nothing to see either
            return True
        return True


def _token(call: Call) -> str | None:
    return call.request.headers.get("x-csrf-token") or next(iter(call.form.get("token", ())), None)


async def _body(request: Request) -> tuple[dict[str, list[str]], Any]:
    """The form or the JSON that came with a request."""
    raw = await _raw_body(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not raw:
        return {}, None
    if kind == "application/x-www-form-urlencoded":
        return _fields(bytes(raw)), None
    if kind == "application/json":
        try:
            return {}, msgspec.json.decode(bytes(raw))
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise Refusal(400, f"The body is no JSON: {error}") from None
    raise Refusal(415, "Send application/json.")


async def _raw_body(request: Request) -> bytearray:
    raw = bytearray()
    try:
        async with asyncio.timeout(SLOWEST_BODY):
            async for piece in request.stream():
                raw += piece
                if len(raw) > LARGEST_BODY:
                    raise Refusal(413, f"A request can have {LARGEST_BODY:,} bytes.")
    except TimeoutError:
        raise Refusal(408, "The request did not come to an end.") from None
    return raw


def _fields(raw: bytes) -> dict[str, list[str]]:
    try:
        return parse_qs(raw.decode(), keep_blank_values=True, max_num_fields=2000)
    except ValueError as error:
        raise Refusal(400, f"The form cannot be read: {error}") from None


class _Nothing:
    """What is answered where there is no endpoint. Whoever is not signed in does not learn that."""

    def __init__(self, site: Site, guard: Guard) -> None:
        self._site = site
        self._guard = guard

    async def __call__(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        call = Call(self._site, request, _NOBODY, {}, None)
        kind = Kind.API if call.inside.startswith("/api/") else Kind.PAGE
        try:
            self._guard.check(request)
            call.visitor = await self._guard.visitor(request, is_api=kind is Kind.API)
            self._guard.admit(call.visitor, Role.READER)
            raise Refusal(error.status_code, _WORDS.get(error.status_code, error.detail))
        except Refusal as refusal:
            response = refused(call, refusal, kind)
        response.headers.update(error.headers or {})
        self._guard.finish(request, response, call.visitor)
        return response


_WORDS = {404: "There is nothing at this address.", 405: "This address cannot be asked that."}
