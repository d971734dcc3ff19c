"""The kinds of values that settings have: how each is read from text, TOML or code, and what people are told it may be."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import msgspec

from jobrunr.durations import DURATIONS, format_duration, parse_duration

N = TypeVar("N", int, float, timedelta)


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """What the value of a setting may be."""

    type: str
    """A word for the documentation: ``duration``, ``text``."""
    allowed: str
    """Ends the sentence *Allowed: …*"""
    read: Callable[[object], Any]
    """Turns what was written into the value; raises a ValueError when it is not allowed."""
    show: Callable[[Any], str] = str
    """Turns the value into what a person would write."""
    is_secret: bool = False
    """Whether it is shown to nobody."""


def text(pattern: str, allowed: str) -> Kind:
    """A text that a regular expression matches as a whole."""

    def read(given: object) -> str:
        if not isinstance(given, str) or not re.fullmatch(pattern, given):
            raise ValueError(given)
        return given

    return Kind(type="text", allowed=allowed, read=read)


def pattern() -> Kind:
    """A regular expression."""

    def read(given: object) -> str:
        if not isinstance(given, str):
            raise ValueError(given)
        try:
            re.compile(given)
        except re.error:
            raise ValueError(given) from None
        return given

    return Kind(type="text", allowed="a regular expression", read=read)


def secret(kind: Kind) -> Kind:
    """A kind that is shown to nobody."""
    return msgspec.structs.replace(kind, is_secret=True)


def choice(*words: str) -> Kind:
    """One of some words in capitals; written in any case."""

    def read(given: object) -> str:
        if not isinstance(given, str) or given.upper() not in words:
            raise ValueError(given)
        return given.upper()

    return Kind(type="text", allowed=", ".join(words), read=read)


def flag() -> Kind:
    """True or false."""

    def read(given: object) -> bool:
        word = str(given).lower() if isinstance(given, bool | str) else ""
        if word not in ("true", "false"):
            raise ValueError(given)
        return word == "true"

    return Kind(type="true or false", allowed="true or false", read=read, show=lambda value: str(value).lower())


def whole(low: int, high: int) -> Kind:
    """A whole number."""
    return Kind(
        type="whole number", allowed=f"a whole number from {low:,} to {high:,}", read=_within(low, high, _read_whole)
    )


def number(low: float, high: float) -> Kind:
    """A number."""

    def read(given: object) -> float:
        if isinstance(given, bool) or not isinstance(given, int | float | str):
            raise ValueError(given)
        return float(given)

    return Kind(
        type="number", allowed=f"a number from {low:,} to {high:,}", read=_within(low, high, read), show="{:g}".format
    )


def size(low: int, high: int) -> Kind:
    """A number of bytes."""

    def read(given: object) -> int:
        match = isinstance(given, str) and re.fullmatch(r"(\d+)\s*([kmg]?i?b)", given.strip(), re.IGNORECASE)
        return int(match[1]) * _SIZES[match[2].lower()] if match else _read_whole(given)

    allowed = f'a number of bytes from {low} to {format_size(high)} (65536, "64KiB", "1MiB", "1GiB")'
    return Kind(type="size", allowed=allowed, read=_within(low, high, read), show=format_size)


def duration(low: timedelta, high: timedelta) -> Kind:
    """A length of time."""

    def read(given: object) -> timedelta:
        if not isinstance(given, str | int | float | timedelta):
            raise ValueError(given)
        return parse_duration(given)

    allowed = f"a duration from {format_duration(low)} to {format_duration(high)} ({DURATIONS})"
    return Kind(type="duration", allowed=allowed, read=_within(low, high, read), show=format_duration)


def listed(kind: Kind, at_least: int = 0) -> Kind:
    """Several values of a kind: a list, or one text with commas in between."""

    def read(given: object) -> tuple[Any, ...]:
        if isinstance(given, str):
            given = [item.strip() for item in given.split(",")] if given.strip() else []
        if not isinstance(given, list | tuple) or len(given) < at_least:
            raise ValueError(given)
        return tuple(kind.read(item) for item in given)

    allowed = f"a list, or a text with commas; each of it {kind.allowed}"
    return Kind(
        type=f"list of {kind.type}s",
        allowed=allowed,
        read=read,
        show=lambda values: ", ".join(map(kind.show, values)) or "empty",
    )


def or_none(kind: Kind, word: str = "none") -> Kind:
    """A kind, or nothing: None in code, and where only texts can be written, "none" or "never".

    Arguments:
        word: which of the two people are told.
    """

    def read(given: object) -> Any:
        nothing = given is None or (isinstance(given, str) and given.lower() in ("none", "never"))
        return None if nothing else kind.read(given)

    return Kind(
        type=f"{kind.type} or {word}",
        allowed=f'{kind.allowed}, or "{word}"',
        read=read,
        show=lambda value: word if value is None else kind.show(value),
    )


_SIZES = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


def format_size(size: int) -> str:
    """Bytes in the largest binary unit that needs no fraction.

    >>> format_size(65536), format_size(1000)
    ('64 KiB', '1000 bytes')
    """
    for unit, bytes_ in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size and size % bytes_ == 0:
            return f"{size // bytes_} {unit}"
    return f"{size} bytes"


def _read_whole(given: object) -> int:
    if isinstance(given, bool) or not isinstance(given, int | str):
        raise ValueError(given)
    return int(given)


def _within(low: N, high: N, read: Callable[[object], N]) -> Callable[[object], N]:
    def read_within(given: object) -> N:
        value = read(given)
        if not low <= value <= high:
            raise ValueError(given)
        return value

    return read_within
