"""Text that every database takes: no NUL, no lone surrogates, and not longer than it should be."""

from __future__ import annotations


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
        text = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return text.replace("\0", "�")


def shortened(text: str, limit: int) -> str:
    r"""Text with its middle left out when it is longer than `limit` characters; the ends of a traceback say most.

    >>> shortened("abcdefghij" * 10, 60)
    'abcdefghij\n[... 80 characters left out ...]\nabcdefghij'
    """
    if len(text) <= limit:
        return text
    room = max(limit - _NOTE_LENGTH, 0)
    note = f"\n[... {len(text) - room} characters left out ...]\n"
    return text[: room - room // 2] + note + text[len(text) - room // 2 :]


_NOTE_LENGTH = 40
"""The note about what is left out takes up to so many characters."""
