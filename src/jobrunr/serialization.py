"""Arguments and results as strict JSON.

The arguments of a call are one JSON object by parameter name. Which types they have is said by the signature of the
function: nothing in a stored row can make us import or build a class that the function did not name.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Collection, Mapping, Sequence
from inspect import Parameter
from itertools import islice
from typing import Any

import msgspec

from jobrunr.errors import (
    ArgumentError,
    ArgumentsMisfitError,
    ArgumentsUnreadableError,
    ResultNotStorableError,
    TooLargeError,
)
from jobrunr.json_values import NotStorableError, decoder_of, find_difference, may_hide_trouble, to_json, to_strict_json
from jobrunr.parameters import VAR_KEYWORD, VAR_POSITIONAL, StoredParameter, key_of, parameters_of, signature_of
from jobrunr.session_parameter import session_parameter_of

DEFAULT_MAX_SIZE = 1024 * 1024
"""Bytes of JSON that arguments, and a result, may take unless the settings say otherwise."""


class ArgumentCodec:
    """Turns the arguments of one function into text and back. Made once from its signature.

    ``send(to, subject="", *files, **headers)``, called with ``("ada", "hi", "a.txt", urgent=True)``, is stored as
    ``{"to": "ada", "subject": "hi", "*": ["a.txt"], "**": {"urgent": true}}``. Defaults that were not passed are not stored:
    a job runs with those of its day.

    Arguments:
        target: what the function is called in messages.
        function: whose parameters count.
        is_method: its first parameter is the instance, and no argument.

    >>> def send(email: str, copies: int = 1) -> None: ...
    >>> codec = ArgumentCodec("shop.jobs:send", send)
    >>> codec.encode(("ada@example.org",), {})
    '{"email":"ada@example.org"}'
    >>> codec.decode('{"email":"ada@example.org","copies":2}')
    (['ada@example.org', 2], {})
    """

    def __init__(self, target: str, function: Callable[..., Any], *, is_method: bool = False) -> None:
        self._target = target
        signature = signature_of(function)
        parameters = list(signature.parameters.values())
        if is_method and parameters and parameters[0].kind in _POSITIONAL:
            signature = signature.replace(parameters=parameters[1:])
        self.session = session_parameter_of(function, signature)
        """The parameter in which the function gets the session of the job's own transaction, if there is one."""
        if self.session is not None:
            others = [parameter for name, parameter in signature.parameters.items() if name != self.session.name]
            signature = signature.replace(parameters=others)
        self.signature = signature
        """Of the call: without the instance and the session, where there are any."""
        self._parameters = parameters_of(function, signature)
        self._decoder = _decoder_of(self._parameters)
        self._plain_types = {parameter.key: parameter.plain_types for parameter in self._parameters}
        self._positional = tuple(p.key for p in self._parameters if p.kind in _POSITIONAL)
        self._by_name = frozenset(p.key for p in self._parameters if p.kind in _BY_NAME)
        self._no_others = self._by_name if self.session is None else self._by_name | {self.session.name}
        """Names that cannot be among the ``**kwargs``."""
        self.positional_only = frozenset(p.key for p in self._parameters if p.kind is Parameter.POSITIONAL_ONLY)
        """Parameters that cannot be passed by name."""
        self._required = frozenset(p.key for p in self._parameters if p.is_required)
        self._is_simple = all(p.is_required and p.kind in _POSITIONAL for p in self._parameters)

    # -- to text

    def encode(self, args: Sequence[Any], kwargs: Mapping[str, Any], limit: int = DEFAULT_MAX_SIZE) -> str:
        """The arguments of a call as they are stored.

        Arguments:
            args: passed by position.
            kwargs: passed by name.
            limit: how many bytes they may take.

        Raises:
            ArgumentError: they do not fit the signature, or would come back different.
            TooLargeError: they would take more than `limit`.
        """
        call = self._bind(args, kwargs)
        encoded = self._write(call)
        if len(encoded) > limit:
            raise TooLargeError(f"The arguments of {self._target}", len(encoded), limit, "max_arguments_size")
        for key, value in call.items():
            kind = type(value)
            if kind not in self._plain_types[key] or (kind in _NUMBERS and not -_LARGE < value < _LARGE):
                self._check_round_trip(call, encoded)
                break
        return encoded.decode()

    def _bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        call = dict(zip(self._positional, args, strict=False))
        call.update(kwargs)
        if len(call) == len(args) + len(kwargs) and self._required <= call.keys() and kwargs.keys() <= self._by_name:
            return call
        if self.session is not None and self.session.name in kwargs:
            raise ArgumentError(self._target, f"nobody passes {self.session.name!r}: the job gets it when it runs.")
        try:  # something is wrong, or there are *args and **kwargs
            bound = self.signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            unclear = [p for p in self._parameters if p.trouble and p.is_required and p.key not in call]
            advice = "".join(f" Parameter {p.key!r}: {_advice(p)}" for p in unclear)
            raise ArgumentError(self._target, f"{error}. Its parameters are {self.signature}.{advice}") from None
        stored = {key_of(self.signature.parameters[name]): value for name, value in bound.items()}
        if VAR_POSITIONAL in stored:
            stored[VAR_POSITIONAL] = list(stored[VAR_POSITIONAL])
        return stored

    def _write(self, call: dict[str, Any]) -> bytes:
        try:
            return to_json(call)
        except NotStorableError as error:
            for key, value in call.items():
                self._check_storable(key, value)
            raise ArgumentError(self._target, f"{error}.") from None

    def _check_storable(self, key: str, value: Any) -> None:
        try:
            to_strict_json(value)
        except NotStorableError as error:
            advice = "Pass plain data or a dataclass; of an object that lives elsewhere, pass the key."
            raise ArgumentError(self._target, f"parameter {key!r}: {error}. {advice}") from None

    def _check_round_trip(self, call: dict[str, Any], encoded: bytes) -> None:
        if may_hide_trouble(encoded):
            for key, value in call.items():
                self._check_storable(key, value)
        try:
            values = msgspec.structs.astuple(self._decoder.decode(encoded))
        except Exception as error:
            raise ArgumentError(self._target, f"{_explain(error)}. Pass what the annotation says, or correct it.") from error
        for parameter, back in zip(self._parameters, values, strict=True):
            if parameter.key in call:
                difference = find_difference(call[parameter.key], back, parameter.is_lenient)
                if difference:
                    raise ArgumentError(self._target, f"parameter {parameter.key!r}: {difference}. {_advice(parameter)}")

    # -- from text

    def decode(self, arguments: str) -> tuple[list[Any], dict[str, Any]]:
        """Stored arguments, ready to call the function with: those by position, and those by name.

        Raises:
            ArgumentsMisfitError: they do not fit the function; the message names the cause.
            ArgumentsUnreadableError: they fit no function at all: they are not JSON, or reading them raises.
        """
        try:
            values = msgspec.structs.astuple(self._decoder.decode(arguments))
        except msgspec.ValidationError as error:
            raise ArgumentsMisfitError(self._target, _explain(error)) from None
        except msgspec.MsgspecError as error:
            raise ArgumentsUnreadableError(self._target, _explain(error)) from None
        except Exception as error:
            raise ArgumentsUnreadableError(self._target, _explain(error)) from error
        return (list(values), {}) if self._is_simple else self._arrange(values)

    def _arrange(self, values: tuple[Any, ...]) -> tuple[list[Any], dict[str, Any]]:
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        left_out: str | None = None  # behind the first one that was left out, nothing can be passed by position any more
        for parameter, value in zip(self._parameters, values, strict=True):
            if value is msgspec.UNSET:
                left_out = left_out or (parameter.key if parameter.kind in _POSITIONAL else None)
            elif parameter.kind is Parameter.KEYWORD_ONLY or (
                left_out and parameter.kind is Parameter.POSITIONAL_OR_KEYWORD
            ):
                kwargs[parameter.key] = value
            elif parameter.kind is Parameter.VAR_KEYWORD:
                self._refuse_twice(value.keys() & self._no_others)
                kwargs.update(value)
            elif left_out:
                raise ArgumentsMisfitError(self._target, f"parameter {left_out!r} is missing before {parameter.key!r}")
            elif parameter.kind is Parameter.VAR_POSITIONAL:
                args.extend(value)
            else:
                args.append(value)
        return args, kwargs

    def _refuse_twice(self, names: set[str]) -> None:
        if names:
            raise ArgumentsMisfitError(self._target, f"{', '.join(sorted(names))} stand among the **kwargs")


_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_BY_NAME = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
_NUMBERS = (int, float)
_LARGE = 2**62
"""Numbers up to here are the same in every JSON; for larger ones, infinity and NaN the round trip is tried."""


def _decoder_of(parameters: list[StoredParameter]) -> msgspec.json.Decoder[Any]:
    """A decoder for the whole object. The fields have names of our own: a parameter may be called as no field can be."""
    fields: list[Any] = [
        (f"p{index}", parameter.type, *([] if parameter.is_required else [msgspec.UNSET]))
        for index, parameter in enumerate(parameters)
    ]
    keys = {f"p{index}": parameter.key for index, parameter in enumerate(parameters)}
    return decoder_of(msgspec.defstruct("Arguments", fields, rename=keys, forbid_unknown_fields=True, kw_only=True))


def _advice(parameter: StoredParameter) -> str:
    if parameter.trouble:
        return f"Its annotation {parameter.annotation} is of no use: {parameter.trouble}."
    if not parameter.annotation:
        return "Annotate the parameter with its type, or pass plain data."
    return f"Pass what its annotation says ({parameter.annotation}), or correct it."


_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `([^`]*)`")
_AT = re.compile(r"(.*) - at (`key` in )?`\$\.([^.\[`]+)(.*)`", re.DOTALL)


def _explain(error: Exception) -> str:
    """What is wrong with arguments, in terms of parameters."""
    text = str(error)
    if isinstance(error, msgspec.ValidationError):
        return _explain_misfit(text)
    if isinstance(error, UnicodeError | msgspec.DecodeError):
        return f"they are not JSON ({text})"
    if isinstance(error, RecursionError):
        return "they are nested too deeply"
    return f"{type(error).__name__}: {text}"


def _explain_misfit(text: str) -> str:
    if found := _UNKNOWN.fullmatch(text):
        return f"there is no parameter {found[1][:100]!r}"
    if found := _MISSING.fullmatch(text):
        return f"parameter {found[1]!r} is missing"
    if found := _AT.fullmatch(text):
        what, in_key, name, path = found.groups()
        where = ", ".join(filter(None, [in_key and "one of its keys", path]))
        return f"parameter {name!r}: {what}" + (f" (at {where})" if where else "")
    return text


# -- results


def encode_result(target: str, value: Any, limit: int = DEFAULT_MAX_SIZE) -> str | None:
    """What a job returned, as it is stored: strict JSON, None for None.

    A result is for people and other programs to read, so here a tuple may become a list. One that is too large is left out,
    because the job has done its work; what is stored then is ``{"left_out": "the result took ... bytes, ..."}``.

    Arguments:
        target: what the function is called in messages.
        limit: how many bytes it may take.

    Raises:
        ResultNotStorableError: JSON cannot hold it.

    >>> encode_result("shop.jobs:count", {"orders": 3})
    '{"orders":3}'
    """
    if value is None:
        return None
    try:
        encoded = to_strict_json(value)
    except NotStorableError as error:
        raise ResultNotStorableError(target, str(error)) from None
    if len(encoded) > limit:
        note = f"the result took {len(encoded):,} bytes, the limit is {limit:,} (setting max_result_size)"
        return to_json({"left_out": note}).decode()
    return encoded.decode()


# -- for people


def describe_call(target: str, arguments: str, limit: int = 120, nameless: Collection[str] = ()) -> str:
    """A call as people like to read it. Needs only what is stored, and copes with whatever that is.

    A lone argument goes without its name. What is longer than `limit` characters is cut.

    Arguments:
        nameless: parameters that cannot be passed by name, where the function is at hand.

    >>> describe_call("shop.mail:MailService.send", '{"user_id":42}')
    'MailService.send(42)'
    >>> describe_call("shop.jobs:send_welcome", '{"email":"ada@example.org","copies":2}')
    "jobs.send_welcome(email='ada@example.org', copies=2)"
    """
    module, _, name = target.partition(":")
    if "." not in name:
        name = f"{module.rpartition('.')[2]}.{name}"
    text = f"{name}({_describe_arguments(arguments, nameless)})"
    return text if len(text) <= limit else f"{text[: limit - 2]}…)"


def _describe_arguments(arguments: str, nameless: Collection[str]) -> str:
    try:
        call = _as_read.decode(arguments)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return "…"
    parts: list[str] = []
    for key, value in call.items():
        if key == VAR_POSITIONAL and isinstance(value, list):
            parts.extend(map(_short, value[: _SHOWN + 1]))
        elif key == VAR_KEYWORD and isinstance(value, dict):
            parts.extend(f"{_name(name)}={_short(item)}" for name, item in islice(value.items(), _SHOWN + 1))
        else:
            parts.append(_short(value) if len(call) == 1 or key in nameless else f"{_name(key)}={_short(value)}")
    return ", ".join(parts if len(parts) <= _SHOWN else [*parts[:_SHOWN], "…"])


def _name(key: str) -> str:
    return key if key.isidentifier() else repr(key)


_as_read = msgspec.json.Decoder(dict[str, Any])
_SHOWN = 20
_reprs = reprlib.Repr()
_reprs.maxstring = _reprs.maxother = _reprs.maxlong = 40
_reprs.maxlevel = 2


def _short(value: Any) -> str:
    """A value as Python shows it, with what is long left out."""
    if type(value) is int or (type(value) is str and len(value) < _reprs.maxstring):
        text = repr(value)  # which is all of it, usually; `reprlib` takes several times as long to find out
        if len(text) <= _reprs.maxstring:
            return text
    return _reprs.repr(value)
