"""One thing that programs can ask for. Its signature says what it takes and gives; the description is made from it, too."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cached_property
from http import HTTPStatus
from typing import Any, get_type_hints
from uuid import UUID

import msgspec
from starlette.responses import Response

from jobrunr.dashboard.access import Role
from jobrunr.dashboard.answers import json, nothing
from jobrunr.dashboard.api.reading import read_body, read_parameters
from jobrunr.dashboard.call import Call
from jobrunr.dashboard.endpoints import Endpoint, Kind
from jobrunr.dashboard.refusal import Refusal


class NoParameters(msgspec.Struct):
    """Of an address that takes none."""


class Operation:
    """One method of one address.

    Arguments:
        method: of HTTP.
        path: below the root; what stands in braces is a parameter.
        run: takes the call and, if it wants any, `asked` (a structure of parameters, those of the path among them) and
            `body` (a structure). What it returns is the answer; None is answered by nothing at all. Its docstring describes
            it.
        subject: the heading below which it is described.
        role: who may; by default, readers may look and operators may change.
        status: of HTTP, when all is well.
        refusals: what else can happen, by status, besides what can happen everywhere.
        media_type: of the answer.
    """

    def __init__(
        self,
        method: str,
        path: str,
        run: Callable[..., Any],
        *,
        subject: str,
        role: Role | None = None,
        status: HTTPStatus = HTTPStatus.OK,
        refusals: Mapping[int, str] | None = None,
        media_type: str = "application/json",
    ) -> None:
        self.method = method
        self.path = path
        self.run = run
        self.subject = subject
        self.role = (Role.READER if method == "GET" else Role.OPERATOR) if role is None else role
        self.refusals = refusals or {}
        self.media_type = media_type
        self._status = status

    @cached_property
    def _hints(self) -> dict[str, Any]:
        return get_type_hints(self.run, include_extras=True)

    @property
    def asked(self) -> type[msgspec.Struct]:
        """The parameters."""
        kind: type[msgspec.Struct] = self._hints.get("asked", NoParameters)
        return kind

    @property
    def body(self) -> type[msgspec.Struct] | None:
        """What is sent along, if anything is."""
        return self._hints.get("body")

    @property
    def answer(self) -> Any:
        """The type of the answer; None when there is none."""
        kind = self._hints["return"]
        return None if kind is type(None) else kind

    @property
    def status(self) -> int:
        """Of HTTP, when all is well."""
        return self._status if self.answer is not None else HTTPStatus.NO_CONTENT

    @property
    def name(self) -> str:
        """Unique, for programs that make functions of a description."""
        return self.run.__name__

    @property
    def texts(self) -> tuple[str, str]:
        """What it does, in a sentence, and what else there is to know."""
        first, _, more = inspect.cleandoc(self.run.__doc__ or "").partition("\n\n")
        return " ".join(first.split()), more

    def endpoint(self) -> Endpoint:
        """The way to it."""
        has_id = any(field.name == "id" and field.type is UUID for field in msgspec.structs.fields(self.asked))
        path = self.path.replace("{id}", "{id:uuid}") if has_id else self.path  # `/jobs/requeue` is no job
        return Endpoint(self.method, path, self.role, Kind.API, self._answer)

    def _answer(self, call: Call) -> Response:
        facts: dict[str, Any] = {}
        asked = read_parameters(self.asked, call.path, call.query.multi_items())
        if self.asked is not NoParameters:
            facts["asked"] = asked
        if call.form:
            raise Refusal(415, "Send application/json.")
        if self.body is not None:
            facts["body"] = read_body(self.body, call.body)
        elif call.body is not None:
            raise Refusal(422, "Nothing is to be sent here besides the address.")
        answer = self.run(call, **facts)
        if answer is None:
            return nothing()
        if isinstance(answer, str):
            return Response(answer, self.status, media_type=self.media_type)
        return json(answer, status=self.status)
