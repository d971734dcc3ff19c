"""Text that every database takes: no NUL, no lone surrogates, and not longer than it should be.

What people see in a row of a table is limited in characters; what fills memory and storage, in bytes of UTF-8.
"""

from __future__ import annotations

import re


def storable(text: str, limit: int | None = None) -> str:
    r"""Replace what databases refuse by �, and cut the end off when the text is longer than `limit` characters.

    >>> storable("a\x00b")
    'a�b'
    >>> storable("too long", limit=5)
    'too …'
    """
    if limit is not None and len(text) > limit:
        text = text[: limit - 1] + "…"
    if not text.isascii():
        text = _SURROGATE.sub("�", text)
    return text.replace("\0", "�")


def storable_line(text: str, size: int) -> str:
    """As `storable`, but with its end cut off when it takes more than `size` bytes.

    >>> storable_line("größer", size=7)
    'grö…'
    """
    # No more characters than bytes can stay, so that an endless text is not looked through to its end.
    text = storable(text[: size + 1])
    if _fits(text, size):
        return text
    return _head(text, size - _ELLIPSIS) + "…" if size >= _ELLIPSIS else _head(text, size)


def shortened(text: str, size: int) -> str:
    r"""Text with its middle left out when it takes more than `size` bytes; the ends of a traceback say most.

    >>> shortened("abcdefghij" * 10, 65)
    'abcdefghij\n[... 80 characters left out ...]\nabcdefghij'
    """
    if _fits(text, size):
        return text
    room = size - _NOTE
    if room <= 0:
        return _head(text, size)
    head, tail = _head(text, room - room // 2), _tail(text, room // 2)
    return f"{head}\n[... {len(text) - len(head) - len(tail)} characters left out ...]\n{tail}"


def message_of(error: BaseException) -> str:
    """What an exception says, even when it cannot be asked.

    >>> message_of(ValueError("too late"))
    'too late'
    """
    try:
        return str(error)
    except BaseException as broken:  # noqa: BLE001 - user code: even its SystemExit must not end the worker
        return f"(its message cannot be shown: str() raised {type(broken).__name__})"


_SURROGATE = re.compile("[\ud800-\udfff]")

_NOTE = 45
"""The note about what is left out takes up to so many bytes."""

_ELLIPSIS = len("…".encode())


def _fits(text: str, size: int) -> bool:
    return len(text) <= size and (text.isascii() or len(text.encode()) <= size)


def _head(text: str, size: int) -> str:
    """The beginning, as much as fits; no character is cut into pieces."""
    return text[:size].encode()[:size].decode(errors="ignore")


def _tail(text: str, size: int) -> str:
    return text[len(text) - size :].encode()[-size:].decode(errors="ignore") if size else ""
