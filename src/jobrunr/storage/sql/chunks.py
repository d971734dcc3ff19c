"""Long lists in pieces that a database takes in one statement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar
from uuid import UUID

T = TypeVar("T")

MAX_ITEMS = 1000
MAX_SIZE = 2 * 2**20
"""Characters. Escaped twice they may be four times as many bytes, and MariaDB takes 16 MiB in a statement."""


def first_of_each(items: Iterable[T], id_of: Callable[[T], UUID]) -> list[T]:
    """The first item with each id, in the order of the ids.

    All who lock or insert several rows go in this order: two who want the same ones can then not wait for each other.
    """
    found: dict[int, T] = {}  # whole numbers are hashed and compared much faster than UUIDs, and sort alike
    for item in items:
        found.setdefault(id_of(item).int, item)
    return [found[number] for number in sorted(found)]


def chunks(items: Sequence[T], size_of: Callable[[T], int]) -> Iterator[Sequence[T]]:
    """Cut a list into pieces of not too many items and, all together, not too large ones. One item is never cut.

    >>> list(chunks([1, 2, 3], size_of=lambda item: MAX_SIZE // 2))
    [[1, 2], [3]]
    """
    start = size = 0
    for index, item in enumerate(items):
        more = size_of(item)
        if index > start and (index - start == MAX_ITEMS or size + more > MAX_SIZE):
            yield items[start:index]
            start, size = index, 0
        size += more
    if start < len(items):
        yield items[start:]
