"""Text that every database takes: no NUL, no lone surrogates, and not longer than it should be."""

from __future__ import annotations


def storable(text: str, limit: int | None = None) -> str:
    """Replace what databases refuse by �, and cut the end off when the text is longer than `limit` characters.

    >>> storable("a\\x00b")
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
    """Text with its middle left out when it is longer than `limit` characters; the ends of a traceback say most.

    >>> shortened("abcdefghij" * 10, 60)
    'abcdefghijabcd\\n[... 71 characters left out ...]\\ngabcdefghij'
    """
    if len(text) <= limit:
        return text
    note = f"\n[... {len(text) - limit + 31} characters left out ...]\n"
    room = max(limit - len(note), 0)
    head = room - room // 2
    return text[:head] + note + text[len(text) - room // 2 :]
