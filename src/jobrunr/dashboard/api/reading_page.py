"""The description of the API as a page for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from starlette.responses import Response

from jobrunr.dashboard.answers import page
from jobrunr.dashboard.call import Call


class Piece(NamedTuple):
    """A piece of the words for a type."""

    text: str
    type_name: str | None = None
    """The type that it names, if it names one."""


class Field(NamedTuple):
    """A parameter, or a field of a type."""

    name: str
    type: list[Piece]
    text: str
    note: str


class Outcome(NamedTuple):
    """An answer."""

    status: str
    text: str
    type: list[Piece]


class Shown(NamedTuple):
    """An operation."""

    method: str
    path: str
    name: str
    summary: str
    text: str
    role: str
    parameters: list[Field]
    body: list[Piece]
    outcomes: list[Outcome]


class ShownType(NamedTuple):
    """A type of bodies and answers."""

    name: str
    text: str
    fields: list[Field]
    words: list[Piece]


def show(call: Call, description: dict[str, Any]) -> Response:
    """The page."""
    subjects = {
        tag["name"]: [
            _operation(path, method, operation)
            for path, methods in description["paths"].items()
            for method, operation in methods.items()
            if tag["name"] in operation["tags"]
        ]
        for tag in description["tags"]
    }
    usual = [Outcome(status, answer["description"], []) for status, answer in description["components"]["responses"].items()]
    types = [_type(name, schema) for name, schema in description["components"]["schemas"].items()]
    about = description["info"]["description"].split("\n\n")
    return page(call, "api.html", subjects=subjects, usual=usual, types=types, about=about)


def _operation(path: str, method: str, operation: dict[str, Any]) -> Shown:
    return Shown(
        method=method.upper(),
        path=path,
        name=operation["operationId"],
        summary=operation["summary"],
        text=operation.get("description", ""),
        role=operation["x-role"],
        parameters=[_parameter(parameter) for parameter in operation["parameters"]],
        body=list(_in(operation.get("requestBody", {}))),
        outcomes=[
            Outcome(status, answer["description"], list(_in(answer)) if status < "400" else [])
            for status, answer in operation["responses"].items()
            if "description" in answer
        ],
    )


def _parameter(parameter: dict[str, Any]) -> Field:
    default = parameter["schema"].get("default")
    note = "required" if parameter["required"] else "" if default is None else f"default {default}"
    return Field(parameter["name"], list(_words(parameter["schema"])), parameter["description"], note)


def _in(content: dict[str, Any]) -> Iterator[Piece]:
    for media_type, inner in content.get("content", {}).items():
        yield from _words(inner["schema"]) if media_type == "application/json" else [Piece(media_type)]


def _type(name: str, schema: dict[str, Any]) -> ShownType:
    required = schema.get("required", ())
    fields = [
        Field(field, list(_words(inner)), inner.get("description", ""), "" if field in required else "may be left out")
        for field, inner in schema.get("properties", {}).items()
    ]
    return ShownType(name, schema.get("description", ""), fields, [] if fields else list(_words(schema)))


def _words(schema: dict[str, Any]) -> Iterator[Piece]:
    """What a schema allows."""
    match schema:
        case {"$ref": ref}:
            name = ref.rpartition("/")[2]
            yield Piece(name, name)
        case {"anyOf": [first, *others]}:
            yield from _words(first)
            for other in others:
                yield Piece(" or ")
                yield from _words(other)
        case {"enum": values}:
            yield Piece(", ".join(map(str, values)))
        case {"type": "array", **more}:
            yield Piece(f"list{_bounds(more, 'minItems', 'maxItems')} of ")
            yield from _words(more.get("items", {}))
        case {"type": kind, "format": form}:
            yield Piece({"date-time": "moment", "uuid": "id"}.get(form, f"{kind} ({form})"))
        case {"type": "integer" | "number" as kind, **more}:
            yield Piece(kind + _bounds(more, "minimum", "maximum"))
        case {"type": kind, **more}:
            yield Piece(kind + _bounds(more, "minLength", "maxLength"))
        case _:
            yield Piece("any JSON")


def _bounds(schema: dict[str, Any], low: str, high: str) -> str:
    if high not in schema:
        return ""
    return f" ({schema.get(low, 0):,} to {schema[high]:,})"
