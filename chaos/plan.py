"""Which fault comes when: nothing but a function of the seed."""

from __future__ import annotations

import random
from collections.abc import Iterator

import msgspec

OF_WORKERS = {"kill": 5, "long pause": 3, "short pause": 3, "deploy": 3, "death at a point": 4}
OF_NETWORKS = {"cut": 3, "delay": 2, "freeze": 2, "swallow": 2, "refuse": 2, "lost answers": 3, "thin line": 2}
OF_SERVERS = {"restarted": 1, "crashed": 1, "full": 1, "without connections": 2}
KINDS: dict[str, dict[str, int]] = {
    "sqlite": {**OF_WORKERS, "locked": 4},
    "postgresql": {**OF_WORKERS, **OF_NETWORKS, **OF_SERVERS, "read only": 1},
    "mariadb": {**OF_WORKERS, **OF_NETWORKS, **OF_SERVERS},
}
"""The kinds of fault, by storage, and how often each comes in relation to the others."""

POINTS = [
    *("after claim: kill", "before update: kill", "after update: kill", "before append: kill"),
    *("after promote: kill", "before fire: kill", "after fire: kill", "after remove_dead: kill", "after orphans: kill"),
    *("after update: lose", "after append: lose", "after heartbeat: lose", "before update: stop"),
    *("before commit: kill", "after commit: kill", "after commit: lose", "before commit: stop"),
]


class Planned(msgspec.Struct, frozen=True):
    """One fault that is to come."""

    after: float
    """Seconds after the one before."""
    kind: str
    share: float
    """From 0 to 1: decides about what the kind leaves open, such as whom it hits and for how long."""


def plan(seed: int, storage: str, *, with_server: bool = True) -> Iterator[Planned]:
    """An endless row of faults.

    Arguments:
        with_server: whether there is a server of our own that may be restarted.
    """
    dice = random.Random(f"{seed} {storage}")
    kinds = {kind: often for kind, often in KINDS[storage].items() if with_server or kind not in {*OF_SERVERS, "read only"}}
    while True:
        (kind,) = dice.choices([*kinds], [*kinds.values()])
        yield Planned(dice.uniform(0.5, 4), kind, dice.random())
