"""Values as strict JSON, both ways: `msgspec`, with hooks for a few types that it lacks.

Strict means: no NaN, no infinity, no NUL, no lone surrogates, no cycles, and no deeper nesting than databases and other
readers bear. Which types are built when reading is said by the caller alone, never by what is read.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import operator
import re
import sys
import typing
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Any
from uuid import UUID

import msgspec

from jobrunr.ids import JobId

MAX_DEPTH = 100


class NotStorableError(ValueError):
    """A value has no place in strict JSON; the message is a part of a sentence. Always translated."""


def to_json(value: object) -> bytes:
    """Encode a value. NaN and infinity come out as null: see `to_strict_json`.

    Raises:
        NotStorableError: JSON cannot hold it.
    """
    try:
        encoded = _encoder.encode(value)
    except RecursionError:
        raise NotStorableError("it contains itself, or is nested too deeply") from None
    except UnicodeEncodeError:
        raise NotStorableError("it holds half of a surrogate pair, which is no text") from None
    except Exception as error:  # noqa: BLE001 - models, keys and hooks of the application can raise anything
        raise NotStorableError(str(error) or repr(error)) from None
    if b"\\u0000" in encoded and _NUL.search(encoded):
        raise NotStorableError("it holds a NUL character, which databases refuse")
    return encoded


def check_numbers_and_depth(value: object) -> None:
    """Look for what the encoder lets pass.

    Raises:
        NotStorableError: a number is NaN or infinite, or the value is nested too deeply.
    """
    _check(msgspec.to_builtins(value, builtin_types=_KEPT, enc_hook=_encode_hook), 0)


def to_strict_json(value: object) -> bytes:
    """Encode a value, and look for what the encoder lets pass.

    Raises:
        NotStorableError: strict JSON cannot hold it.
    """
    encoded = to_json(value)
    if may_hide_trouble(encoded):
        check_numbers_and_depth(value)
    return encoded


def may_hide_trouble(encoded: bytes) -> bool:
    """Whether `check_numbers_and_depth` could find something in the value that was encoded to this."""
    return b"null" in encoded or encoded.count(b"[") + encoded.count(b"{") > MAX_DEPTH


def decoder_of(type: Any) -> msgspec.json.Decoder[Any]:
    """A decoder for values of a type.

    Raises:
        Exception: any kind; it comes from the type, which no JSON can be decoded to.
    """
    return msgspec.json.Decoder(type, dec_hook=_decode_hook)


def find_difference(sent: Any, back: Any, lenient: bool = False) -> str | None:
    """What is not the same about a value that went to JSON and came back: values must be equal, and of the same types.

    Three pairs of types stand in for each other: an int for a float of the same value, one kind of UUID for another, and,
    when `lenient`, a list for a tuple and a set for a frozenset. A time zone comes back as its offset from UTC.

    Returns:
        a sentence about the first difference, or None.

    >>> find_difference([1, ("a",)], [1, ["a"]])
    'in item 1: a tuple would come back as a list'
    """
    kind, other = type(sent), type(back)
    if isinstance(sent, list | tuple) and (kind is other or (lenient and other is list)):
        return _difference_in_sequence(sent, back, lenient)
    if isinstance(sent, set | frozenset) and (kind is other or (lenient and other is set)):
        return _difference_in_set(sent, back, lenient)
    if kind is not other and not _stands_in(other, kind):
        return f"{_a(kind)} would come back as {_a(other)}"
    if isinstance(sent, dict):
        return _difference_in_dict(sent, back, lenient)
    fields = _fields_of(kind)  # type: ignore[arg-type] # mypy: a class is hashable
    if fields is not None:
        differences = ((name, find_difference(getattr(sent, name), getattr(back, name), lenient)) for name in fields)
        return next((f"in field {name!r}: {difference}" for name, difference in differences if difference), None)
    return None if _are_equal(sent, back) else f"{_a(kind)} would come back with another value"


def _difference_in_sequence(sent: Any, back: Any, lenient: bool) -> str | None:
    if len(sent) != len(back):
        return f"{len(sent)} items would come back as {len(back)}"
    kinds = list(map(type, sent))
    if _SCALARS.issuperset(kinds) and kinds == list(map(type, back)) and all(map(operator.eq, sent, back)):
        return None  # long lists of plain values are compared without a call for each
    for index, (item, item_back) in enumerate(zip(sent, back, strict=True)):
        difference = find_difference(item, item_back, lenient)
        if difference:
            return f"in item {index}: {difference}"
    return None


def _difference_in_set(sent: AbstractSet[Any], back: AbstractSet[Any], lenient: bool) -> str | None:
    by_value = {member: member for member in back}
    if sent != by_value.keys():
        return "its members would come back different"
    differences = (find_difference(member, by_value[member], lenient) for member in sent)
    return next(filter(None, differences), None)


def _difference_in_dict(sent: dict[Any, Any], back: dict[Any, Any], lenient: bool) -> str | None:
    if len(sent) != len(back):
        return f"{len(sent)} keys would come back as {len(back)}"
    for (key, item), (key_back, item_back) in zip(sent.items(), back.items(), strict=True):
        if type(key) is not type(key_back) or key != key_back:
            return f"the key {key!r} would come back as {key_back!r}"
        difference = find_difference(item, item_back, lenient)
        if difference:
            return f"under key {key!r}: {difference}"
    return None


def _stands_in(back: type, sent: type) -> bool:
    return (sent is int and back is float) or (issubclass(sent, UUID) and issubclass(back, UUID))


@functools.lru_cache(maxsize=1000)
def _fields_of(kind: type) -> tuple[str, ...] | None:
    """The fields of a structure, which say more than its own idea of equality, if it has one."""
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_fields__
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    attributes = getattr(kind, "__attrs_attrs__", None)
    return None if attributes is None else tuple(attribute.name for attribute in attributes)


def _are_equal(sent: Any, back: Any) -> bool:
    if isinstance(sent, datetime) and sent.tzinfo is not None and back.tzinfo is not None:
        # In the hour that comes twice when summer time ends, Python calls times of different zones unequal, always.
        sent, back = sent.astimezone(UTC), back.astimezone(UTC)
    try:
        return bool(sent == back)
    except Exception:  # noqa: BLE001 - the comparison is the application's own
        return False


def _check(value: object, depth: int) -> None:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise NotStorableError(f"it holds {value}, which is no number to JSON")
    elif isinstance(value, dict | list | tuple):
        if depth >= MAX_DEPTH:
            raise NotStorableError(f"it is nested more than {MAX_DEPTH} levels deep")
        for item in value.values() if isinstance(value, dict) else value:
            _check(item, depth + 1)


def _encode_hook(value: Any) -> Any:
    if isinstance(value, PurePath):
        return str(value)
    if _is_model(type(value)):
        return value.model_dump(mode="json", by_alias=True, round_trip=True)
    raise NotStorableError(f"{_a(type(value))} has no form in JSON")


def _decode_hook(kind: Any, value: Any) -> Any:
    """Build what the function names and msgspec does not know. An annotation that plain data fulfils is left at that."""
    if isinstance(kind, type):
        if issubclass(kind, JobId) and isinstance(value, str):
            return JobId.of(value)
        if issubclass(kind, PurePath) and isinstance(value, str):
            return kind(value)
        if _is_model(kind):
            return kind.model_validate_json(msgspec.json.encode(value))  # type: ignore[attr-defined]
    if isinstance(value, typing.get_origin(kind) or kind):
        return value
    raise TypeError(f"{_a(type(value))} is no {getattr(kind, '__name__', kind)}")


def _is_model(kind: type) -> bool:
    """Whether a class is a model of pydantic, which nobody has to have installed."""
    base = getattr(sys.modules.get("pydantic.main"), "BaseModel", None)
    return base is not None and issubclass(kind, base)


def _a(kind: type) -> str:
    return f"{'an' if kind.__name__[:1] in 'aeiouAEIO' else 'a'} {kind.__name__}"


_encoder = msgspec.json.Encoder(enc_hook=_encode_hook)
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_KEPT = (bytes, bytearray, memoryview, datetime, date, time, timedelta, Decimal, UUID)
_SCALARS = frozenset({str, int, float, bool, type(None)})
