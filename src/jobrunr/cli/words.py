"""From the words of a command line to the arguments of a call."""

from __future__ import annotations

import re
import typing
from collections.abc import Sequence
from inspect import Parameter
from typing import Any

import msgspec

from jobrunr.errors import ArgumentError
from jobrunr.json_values import decoder_of
from jobrunr.parameters import StoredParameter, parameters_of
from jobrunr.registry import Runnable

_BY_NAME = re.compile(r"([^\W\d]\w*)=(.*)", re.DOTALL)


def read_words(runnable: Runnable, words: Sequence[str]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments that words stand for: ``name=value`` by name, everything else by position.

    A word is JSON for the type of its parameter, or else the text itself as JSON for it, so that ``42`` is a number for an
    ``int`` and a text for a ``str``, and ``2026-11-24`` a date for a ``date``.

    Raises:
        ArgumentError: a word fits neither way, or there is no such parameter.
    """
    parameters = parameters_of(runnable.call or runnable.function, runnable.codec.signature)
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for word in words:
        named = _BY_NAME.fullmatch(word)
        if named is None:
            args.append(_value(runnable, _at(runnable, parameters, len(args)), word))
        else:
            kwargs[named[1]] = _value(runnable, _called(runnable, parameters, named[1]), named[2], named[1])
    return args, kwargs


def _at(runnable: Runnable, parameters: list[StoredParameter], position: int) -> StoredParameter:
    """The parameter at a position."""
    positional = [p for p in parameters if p.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)]
    if position < len(positional):
        return positional[position]
    rest = next((p for p in parameters if p.kind is Parameter.VAR_POSITIONAL), None)
    if rest is None:
        raise ArgumentError(
            runnable.target, f"too many arguments. Its parameters are {runnable.codec.signature}; put quotes around spaces."
        )
    return rest


def _called(runnable: Runnable, parameters: list[StoredParameter], name: str) -> StoredParameter:
    """The parameter of a name."""
    for parameter in parameters:
        if parameter.key == name and parameter.kind is not Parameter.POSITIONAL_ONLY:
            return parameter
    rest = next((p for p in parameters if p.kind is Parameter.VAR_KEYWORD), None)
    if rest is None:
        raise ArgumentError(
            runnable.target,
            f"there is no parameter {name!r} to pass by name. Its parameters are {runnable.codec.signature}; "
            f"a text with = in it is written as JSON, '\"{name}=…\"'.",
        )
    return rest


def _value(runnable: Runnable, parameter: StoredParameter, word: str, name: str | None = None) -> Any:
    decoder = decoder_of(_type_of_one(parameter))
    for as_json in (str.encode, msgspec.json.encode):
        try:
            return decoder.decode(as_json(word))
        except (msgspec.MsgspecError, UnicodeError, ValueError):
            continue
    wanted = parameter.annotation or "its parameter"
    raise ArgumentError(
        runnable.target, f"{word!r} is neither JSON for {wanted} (parameter {name or parameter.key!r}) nor a text for it."
    )


def _type_of_one(parameter: StoredParameter) -> Any:
    """The type of one value; of ``*args`` and ``**kwargs``, of one of them."""
    if parameter.kind is Parameter.VAR_POSITIONAL:
        return typing.get_args(parameter.type)[0]
    if parameter.kind is Parameter.VAR_KEYWORD:
        return typing.get_args(parameter.type)[1]
    return parameter.type
