"""The description of the API in the words of OpenAPI 3.1, made from the operations and their types."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import inspect
from msgspec.structs import FieldInfo, fields

from jobrunr.dashboard.access import Role
from jobrunr.dashboard.api.operation import Operation
from jobrunr.dashboard.api.reading import given_type, number_of_fields
from jobrunr.dashboard.application import LARGEST_BODY
from jobrunr.field_texts import field_texts

ABOUT = f"""Looks at jobs, recurring jobs and servers, and steers them.

Programs send a name and a password with each request (HTTP Basic). A parameter or a field that is not known is refused.
Moments are in UTC. Lists come in pages: `next` of one page is `after` of the page behind it, and null on the last one. A
body is JSON of at most {LARGEST_BODY:,} bytes."""

EVERYWHERE = {
    400: "The body is no JSON.",
    401: "Nobody is signed in.",
    403: "Somebody is signed in who may not do this; or a page asks for it, and its token is missing.",
    408: "The body did not come to an end.",
    413: f"The body has more than {LARGEST_BODY:,} bytes.",
    415: "The body is not of the type application/json.",
    421: "The dashboard does not answer to this host.",
    422: "A parameter or a field of the body is wrong, missing or not known; the answer says which, and what is allowed.",
    429: "There were too many wrong passwords.",
    500: "A fault of the dashboard; its log says more.",
    503: "The storage does not answer.",
}
"""What can happen to many requests."""


class Refused(msgspec.Struct):
    """Why something was not done."""

    error: str
    """A sentence: what is wrong, and what would be right."""
    field: str | msgspec.UnsetType = msgspec.UNSET
    """The parameter, or the field of the body, that it is about."""


def describe(operations: Sequence[Operation], version: str) -> dict[str, Any]:
    """The description as plain data."""
    schemas = _Schemas()
    refused = _content(schemas.of(Refused))
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas, refused)
    return {
        "openapi": "3.1.0",
        "info": {"title": "JobRunr", "version": version, "description": ABOUT},
        "servers": [{"url": "..", "description": "Where the dashboard is."}],
        "tags": [{"name": subject} for subject in dict.fromkeys(operation.subject for operation in operations)],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.components.items())),
            "responses": {str(status): {"description": text} | refused for status, text in EVERYWHERE.items()},
            "securitySchemes": {"password": {"type": "http", "scheme": "basic"}},
        },
    }


def _operation(operation: Operation, schemas: _Schemas, refused: dict[str, Any]) -> dict[str, Any]:
    summary, more = operation.texts
    described: dict[str, Any] = {"operationId": operation.name, "tags": [operation.subject], "summary": summary}
    if more:
        described["description"] = more
    described["security"] = [] if operation.role is Role.ANYBODY else [{"password": []}]
    described["x-role"] = operation.role.name.lower()
    described["parameters"] = list(_parameters(operation, schemas))
    if operation.body is not None:
        is_required = number_of_fields(operation.body)[0] > 0 or any(field.required for field in fields(operation.body))
        described["requestBody"] = {"required": is_required} | _content(schemas.of(operation.body))
    described["responses"] = _responses(operation, schemas, refused)
    return described


def _parameters(operation: Operation, schemas: _Schemas) -> Iterator[dict[str, Any]]:
    in_path = re.findall(r"{(\w+)}", operation.path)
    texts = _texts(operation.asked)
    for field in fields(operation.asked):
        name = field.encode_name
        yield {
            "name": name,
            "in": "path" if name in in_path else "query",
            "required": field.required,
            "description": texts.get(field.name, ""),
            "schema": schemas.of(given_type(field.type)) | _default(field),
        }


def _default(field: FieldInfo) -> dict[str, Any]:
    if field.required or field.default in (None, msgspec.UNSET, msgspec.NODEFAULT):
        return {}
    return {"default": msgspec.to_builtins(field.default)}


def _responses(operation: Operation, schemas: _Schemas, refused: dict[str, Any]) -> dict[str, Any]:
    good: dict[str, Any] = {"description": "Done." if operation.answer is None else "As asked."}
    if operation.answer is not None:
        good |= _content(schemas.of(operation.answer), operation.media_type)
    own = {str(status): {"description": text} | refused for status, text in operation.refusals.items()}
    usual = {str(status): {"$ref": f"#/components/responses/{status}"} for status in _usual(operation)}
    return {str(operation.status): good} | dict(sorted((usual | own).items()))


def _usual(operation: Operation) -> Iterator[int]:
    yield from (421, 422, 500)
    if operation.role is not Role.ANYBODY:
        yield from (401, 403, 429, 503)
    if operation.method in ("POST", "DELETE"):
        yield from (400, 408, 413, 415)


def _content(schema: dict[str, Any], media_type: str = "application/json") -> dict[str, Any]:
    return {"content": {media_type: {"schema": schema}}}


class _Schemas:
    """The types that were met, by name."""

    def __init__(self) -> None:
        self.components: dict[str, Any] = {}

    def of(self, kind: Any) -> dict[str, Any]:
        """The schema of a type."""
        (schema,), components = msgspec.json.schema_components([kind], ref_template="#/components/schemas/{name}")
        for structure in _structures(inspect.type_info(kind)):
            _add_texts(components[structure.__name__], structure)
            _add_numbers(components[structure.__name__], structure)
        self.components |= components
        return schema


def _add_texts(schema: dict[str, Any], structure: type[msgspec.Struct]) -> None:
    texts = _texts(structure)
    for field in fields(structure):
        if field.name in texts:
            schema["properties"][field.encode_name]["description"] = texts[field.name]


def _texts(structure: type[msgspec.Struct]) -> dict[str, str]:
    """The docstrings of fields. Each stands in the class that has the field."""
    classes = [cls for cls in reversed(structure.__mro__) if issubclass(cls, msgspec.Struct) and cls is not msgspec.Struct]
    return {name: text for cls in classes for name, text in field_texts(cls).items()}


def _add_numbers(schema: dict[str, Any], structure: type[msgspec.Struct]) -> None:
    least, most = number_of_fields(structure)
    if least:
        schema["minProperties"] = least
    if most < len(structure.__struct_fields__):
        schema["maxProperties"] = most


def _structures(kind: inspect.Type) -> Iterator[type[msgspec.Struct]]:
    match kind:
        case inspect.Metadata():
            yield from _structures(kind.type)
        case inspect.StructType():
            yield kind.cls
            for field in kind.fields:
                yield from _structures(field.type)
        case inspect.ListType() | inspect.VarTupleType():
            yield from _structures(kind.item_type)
        case inspect.DictType():
            yield from _structures(kind.value_type)
        case inspect.UnionType():
            for each in kind.types:
                yield from _structures(each)
