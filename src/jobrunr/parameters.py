"""The parameters of a function as its arguments are stored: names, kinds, and types that JSON can be decoded to."""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Callable
from inspect import Parameter, Signature
from types import FunctionType
from typing import Any

import msgspec

from jobrunr.json_values import decoder_of

VAR_POSITIONAL, VAR_KEYWORD = "*", "**"
"""The keys under which ``*args`` and ``**kwargs`` are stored; no parameter can be called so."""


class StoredParameter(msgspec.Struct, frozen=True):
    """One parameter of a function."""

    key: str
    """Its name, or one of the two above."""
    kind: Any
    """As in `inspect.Parameter`."""
    is_required: bool
    type: Any
    """What its value is decoded to; `typing.Any` when nothing (usable) is said."""
    annotation: str
    """The annotation as people wrote it; empty when there is none."""
    plain_types: frozenset[type]
    """Types of values that need no round trip to be sure that they come back the same."""
    is_lenient: bool
    """Whether the annotation asks for an abstract collection, so that a list may stand in for a tuple."""
    trouble: str | None = None
    """Why the annotation is not used."""


def signature_of(function: Callable[..., Any]) -> Signature:
    """The signature of a function; of one that has none to read (written in C, say), that it takes anything."""
    try:
        return _signature(function)
    except (TypeError, ValueError):
        return Signature([Parameter("args", Parameter.VAR_POSITIONAL), Parameter("kwargs", Parameter.VAR_KEYWORD)])


def key_of(parameter: Parameter) -> str:
    """Under which key the value of a parameter is stored."""
    if parameter.kind is Parameter.VAR_POSITIONAL:
        return VAR_POSITIONAL
    return VAR_KEYWORD if parameter.kind is Parameter.VAR_KEYWORD else parameter.name


def parameters_of(function: Callable[..., Any], signature: Signature) -> list[StoredParameter]:
    """The parameters, with their annotations resolved as far as that goes.

    A name that exists only for type checkers counts as `typing.Any`, and hurts no other parameter.
    """
    source = _annotated(function)
    try:
        hints = typing.get_type_hints(source, include_extras=True)
    except Exception:  # noqa: BLE001 - evaluating annotations can raise anything; then each is tried by itself
        hints = {}
    return [_parameter(parameter, hints, source) for parameter in signature.parameters.values()]


def type_of(parameter: Parameter, function: Callable[..., Any]) -> Any:
    """What the annotation of a parameter says; None when it says nothing, or nothing that can be found."""
    return _hints_alone(parameter, _annotated(function)).get(parameter.name)


def _parameter(parameter: Parameter, hints: dict[str, Any], source: Any) -> StoredParameter:
    annotation, trouble = _usable(parameter, hints, source)
    key = key_of(parameter)
    stored: dict[str, Any] = {VAR_POSITIONAL: list[annotation], VAR_KEYWORD: dict[str, annotation]}  # type: ignore[valid-type]
    is_variable = key in stored
    return StoredParameter(
        key=key,
        kind=parameter.kind,
        is_required=parameter.default is Parameter.empty and not is_variable,
        type=stored.get(key, annotation),
        annotation="" if parameter.annotation is Parameter.empty else _as_written(parameter.annotation),
        plain_types=frozenset() if is_variable else _plain_types(annotation),
        is_lenient=_asks_for_abstract_collection(annotation),
        trouble=trouble,
    )


def _usable(parameter: Parameter, hints: dict[str, Any], source: Any) -> tuple[Any, str | None]:
    """The annotation as a type that JSON can be decoded to; or `typing.Any`, and why."""
    if parameter.annotation is Parameter.empty:
        return Any, None
    if parameter.name not in hints:
        hints = _hints_alone(parameter, source)
    if parameter.name not in hints:
        return Any, "it cannot be resolved while the program runs (is it imported for type checkers only?)"
    try:
        decoder_of(hints[parameter.name])
    except Exception as error:  # noqa: BLE001 - msgspec, and the application's classes, can raise anything
        return Any, str(error)
    return hints[parameter.name], None


def _annotated(function: Callable[..., Any]) -> Any:
    """Where the annotations stand: the function behind decorators, a bound method or an object with ``__call__``."""
    innermost: Any = inspect.unwrap(function)
    innermost = getattr(innermost, "__func__", innermost)
    return innermost if isinstance(innermost, FunctionType) else type(innermost).__call__


def _hints_alone(parameter: Parameter, source: Any) -> dict[str, Any]:
    def carrier() -> None: ...

    carrier.__annotations__ = {parameter.name: parameter.annotation}
    try:
        return typing.get_type_hints(carrier, getattr(source, "__globals__", {}), include_extras=True)
    except Exception:  # noqa: BLE001 - as above
        return {}


def _as_written(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


if sys.version_info >= (3, 14):
    import annotationlib

    def _signature(function: Callable[..., Any]) -> Signature:
        return inspect.signature(function, annotation_format=annotationlib.Format.FORWARDREF)
else:

    def _signature(function: Callable[..., Any]) -> Signature:
        return inspect.signature(function)


def _plain_types(annotation: Any) -> frozenset[type]:
    """Which exact types of values fulfil an annotation and are the same after a round trip, whatever the value."""
    if annotation is Any or annotation is object:
        return frozenset({str, int, float, bool, types.NoneType})
    if annotation in (str, int, float, bool, types.NoneType):
        return frozenset({annotation})
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return frozenset().union(*map(_plain_types, typing.get_args(annotation)))
    if isinstance(annotation, typing.NewType):
        return _plain_types(annotation.__supertype__)
    return frozenset()


def _asks_for_abstract_collection(annotation: Any) -> bool:
    origin = typing.get_origin(annotation) or annotation
    if isinstance(origin, type) and origin.__module__ == "collections.abc":
        return True
    return any(map(_asks_for_abstract_collection, typing.get_args(annotation)))
