"""A formatted traceback, taken apart for reading: frames of the application stand out, those of libraries fold away."""

from __future__ import annotations

import re
import sysconfig
from collections.abc import Iterator
from itertools import groupby

import msgspec

_FRAME = re.compile(r'[ |+]*File "(?P<path>[^"\n]*)", line \d+(, in .*)?')
_LINK = re.compile(r"[ |]*(The above exception was the direct cause|During handling of the above exception)")
_LIBRARIES = ("/site-packages/", "/dist-packages/", "<frozen ", f"{sysconfig.get_path('stdlib')}/", "/lib/python3.")


class Piece(msgspec.Struct, frozen=True):
    """Some lines of a traceback that belong together."""

    kind: str
    """"application", "library" (frames of either), "link" (between an exception and its cause), or "text"."""
    text: str
    frames: int = 0


def pieces_of(traceback: str) -> list[Piece]:
    r"""Take a traceback apart. Nothing is lost: the pieces, one below the other, are all of it.

    >>> [piece.kind for piece in pieces_of(
    ...     'Traceback (most recent call last):\n'
    ...     '  File "/usr/lib/python3.13/json/decoder.py", line 1, in decode\n    return f()\n'
    ...     '  File "/srv/shop/mail.py", line 7, in send\n    g()\n'
    ...     'ValueError: no'
    ... )]
    ['text', 'library', 'application', 'text']
    """
    pieces = []
    for kind, group in groupby(_lines(traceback), key=lambda kind_and_line: kind_and_line[0]):
        lines = [line for _, line in group]
        pieces.append(Piece(kind, "\n".join(lines), sum(1 for line in lines if _FRAME.match(line))))
    if all(piece.kind != "application" for piece in pieces):  # then what there is stays open
        return [msgspec.structs.replace(piece, kind="application" if piece.frames else piece.kind) for piece in pieces]
    return pieces


def _lines(traceback: str) -> Iterator[tuple[str, str]]:
    """Each line with its kind. What is indented deeper than a frame belongs to it."""
    frame, depth = "text", 0
    for line in traceback.rstrip("\n").split("\n"):
        indent = len(line) - len(line.lstrip(" |"))
        if found := _FRAME.match(line):
            frame, depth = ("library" if _is_library(found["path"]) else "application"), indent
        elif indent <= depth and not line.lstrip(" |").startswith("[Previous line repeated"):
            frame, depth = ("link" if _LINK.match(line) else "text"), 0
        yield frame, line


def _is_library(path: str) -> bool:
    return any(part in path for part in _LIBRARIES)
