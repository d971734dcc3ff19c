"""An order in which things wait."""

from __future__ import annotations

import heapq
from typing import Any, Generic, TypeVar

K = TypeVar("K")


class Order(Generic[K]):
    """Ids in the order of their keys, then their own. No operation looks at more than a logarithm of them.

    What is removed stays in the heap until it comes up, or until such ghosts outnumber the rest.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[Any, K]] = []
        self._keys: dict[K, Any] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, item: K, key: Any) -> None:
        self._keys[item] = key
        heapq.heappush(self._heap, (key, item))

    def remove(self, item: K) -> None:
        del self._keys[item]
        if len(self._heap) > 2 * len(self._keys) + 100:
            self._heap = [entry for entry in self._heap if self._keys.get(entry[1]) == entry[0]]
            heapq.heapify(self._heap)

    def first(self) -> tuple[Any, K] | None:
        while self._heap and self._keys.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0] if self._heap else None

    def up_to(self, key: Any, limit: int) -> list[tuple[Any, K]]:
        """The first ones whose keys are not greater."""
        found: dict[K, Any] = {}
        while len(found) < limit and (head := self.first()) is not None and head[0] <= key:
            found[head[1]] = head[0]
            heapq.heappop(self._heap)
        for item, its_key in found.items():
            heapq.heappush(self._heap, (its_key, item))
        return [(its_key, item) for item, its_key in found.items()]
