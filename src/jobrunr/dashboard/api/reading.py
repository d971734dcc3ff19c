"""From what was sent to values with types, or a sentence about what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import NoneType
from typing import Any, TypeVar, get_args

import msgspec
from msgspec import inspect
from msgspec.structs import FieldInfo, fields

from jobrunr.dashboard.refusal import Refusal

T = TypeVar("T", bound=msgspec.Struct)

_WHOLE = re.compile(r"-?[0-9]{1,18}")
_NOTHING = frozenset({NoneType, msgspec.UnsetType})
_LOST_PLUS = re.compile(r" ([0-9]{2}:?[0-9]{2})$")
"""A plus sign that was not written as %2B means a space."""
_WORDS = {"true": True, "false": False}


def read_parameters(kind: type[T], path: Mapping[str, str], query: Iterable[tuple[str, str]]) -> T:
    """The parameters of an address.

    Arguments:
        kind: a structure; its fields are the parameters that there are.
        path: those that stand in the path.
        query: those behind the question mark.

    Raises:
        Refusal: one is wrong, missing, not known, or given twice.
    """
    kinds = {field.encode_name: inspect.type_info(field.type) for field in fields(kind)}
    given: dict[str, Any] = {}
    for name, text in [*path.items(), *query]:
        if name in given:
            raise Refusal(422, f"{name} is given twice.", name)
        given[name] = _of_text(text, kinds.get(name))
    return _read(kind, given, "parameter", "")


def read_body(kind: type[T], body: Any) -> T:
    """The body of a request.

    Raises:
        Refusal: it is no object, or a field is wrong, missing or not known.
    """
    given = {} if body is None else body
    if not isinstance(given, dict):
        raise Refusal(422, f"The body is {_shown(body)}; it has to be a JSON object.")
    return _read(kind, given, "field", "")


def _of_text(text: str, kind: inspect.Type | None) -> Any:
    """A text as the JSON value that it stands for; as it is when it stands for none."""
    kinds = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    if any(isinstance(each, inspect.IntType) for each in kinds) and _WHOLE.fullmatch(text):
        return int(text)
    if any(isinstance(each, inspect.BoolType) for each in kinds):
        return _WORDS.get(text, text)
    if any(isinstance(each, inspect.DateTimeType) for each in kinds):
        return _LOST_PLUS.sub(r"+\1", text)
    return text


def _read(kind: type[T], given: Mapping[str, Any], what: str, prefix: str) -> T:
    known = {field.encode_name: field for field in fields(kind)}
    for name in given:
        if name not in known:
            there_are = f"There are: {', '.join(prefix + each for each in known)}." if known else "There is none."
            raise Refusal(422, f"There is no {what} {prefix + name}. {there_are}", prefix + name)
    values = {field.name: _value(field, given[name], what, prefix + name) for name, field in known.items() if name in given}
    for name, field in known.items():
        if field.required and name not in given:
            raise Refusal(422, f"{prefix + name} is missing. Allowed: {allowed(field.type)}.", prefix + name)
    _check_number(kind, given, what, prefix)
    return kind(**values)


def _check_number(kind: type[msgspec.Struct], given: Mapping[str, Any], what: str, prefix: str) -> None:
    least, most = number_of_fields(kind)
    if not least <= len(given) <= most:
        names = " or ".join(prefix + name for name in kind.__struct_encode_fields__)
        where = prefix.removesuffix(".") or kind.__struct_encode_fields__[0]
        raise Refusal(422, f"Say {names}, {'one of them' if most == 1 else 'at least one of them'}.", where)


def number_of_fields(kind: type[msgspec.Struct]) -> tuple[int, int]:
    """How many fields have to be given, and how many can be."""
    return getattr(kind, "LEAST", 0), getattr(kind, "MOST", len(kind.__struct_fields__))


def _value(field: FieldInfo, given: Any, what: str, name: str) -> Any:
    nested = next((each for each in (field.type, *get_args(field.type)) if _is_structure(each)), None)
    if nested is not None and isinstance(given, dict):
        return _read(nested, given, what, f"{name}.")
    try:
        value = _in_utc(msgspec.convert(given, field.type))
    except (msgspec.ValidationError, OverflowError):
        raise Refusal(422, f"{name} cannot be {_shown(given)}. Allowed: {allowed(field.type)}.", name) from None
    if any("\0" in text for text in _texts(value)):
        raise Refusal(422, f"{name} cannot have a NUL character in it.", name)
    return value


def _is_structure(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _in_utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _texts(value: Any) -> Iterable[str]:
    return (each for each in (value if isinstance(value, list | tuple) else (value,)) if isinstance(each, str))


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= 100 else f"{text[:100]}…"


def allowed(kind: Any) -> str:
    """What a value of a type may be, as the end of the sentence that begins with "Allowed:".

    >>> allowed(bool | None)
    'true, false'
    """
    return _allowed(inspect.type_info(given_type(kind)))


def given_type(kind: Any) -> Any:
    """The type of what is given, if anything is."""
    there = [each for each in get_args(kind) if each not in _NOTHING]
    return there[0] if len(there) == 1 and not _NOTHING.isdisjoint(get_args(kind)) else kind


def _allowed(kind: inspect.Type) -> str:
    match kind:
        case inspect.Metadata():
            words = _allowed(kind.type)
        case inspect.IntType():
            words = f"a whole number from {kind.ge:,} to {kind.le:,}"
        case inspect.FloatType():
            words = f"a number from {kind.ge:,} to {kind.le:,}"
        case inspect.LiteralType():
            words = ", ".join(map(str, kind.values))
        case inspect.StrType():
            words = f"a text of {kind.min_length or 0:,} to {kind.max_length:,} characters" if kind.max_length else "a text"
        case inspect.EnumType():
            words = ", ".join(each.value for each in kind.cls)
        case inspect.ListType() | inspect.VarTupleType():
            words = f"a list of {kind.min_length or 0:,} to {kind.max_length:,}, each of them {_allowed(kind.item_type)}"
        case _:
            words = _ALLOWED.get(type(kind), "a JSON object")
    return words if not isinstance(kind, inspect.StrType) or kind.pattern is None else f"{words} that match {kind.pattern}"


_ALLOWED = {
    inspect.BoolType: "true, false",
    inspect.DateTimeType: "a moment with its distance from UTC, such as 2026-11-26T02:00:00Z",
    inspect.UUIDType: "an id, such as 01940c1e-8f00-7000-8000-000000000001",
}
