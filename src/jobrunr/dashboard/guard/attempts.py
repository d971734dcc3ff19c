"""How often somebody may guess."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from math import ceil
from threading import Lock

from jobrunr.dashboard.refusal import Refusal

MOST = 10
"""Failures for one name, and from one address …"""
WITHIN = 300.0
"""… in so many seconds."""
_MOST_REMEMBERED = 20_000


class Attempts:
    """Counts failures to sign in, in this process.

    Arguments:
        monotonic: seconds on a clock that never jumps.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._failures: dict[str, deque[float]] = {}
        self._lock = Lock()

    def begin(self, name: str, address: str | None) -> None:
        """Note an attempt, which counts as a failure until it has succeeded: many at once are no way around.

        Raises:
            Refusal: there were too many.
        """
        now = self._monotonic()
        with self._lock:
            self._forget(now)
            keys = _keys(name, address)
            noted = [self._failures.get(key, deque()) for key in keys]
            full = [failures[0] for failures in noted if len(failures) >= MOST]
            if full:
                wait = str(ceil(max(full) + WITHIN - now))
                raise Refusal(429, "Too many wrong passwords. Wait a few minutes.", headers={"Retry-After": wait})
            for key in keys:
                self._failures.setdefault(key, deque()).append(now)

    def succeeded(self, name: str, address: str | None) -> None:
        """The attempt that was begun last was none to guess."""
        with self._lock:
            for key in _keys(name, address):
                if failures := self._failures.get(key):
                    failures.pop()

    def _forget(self, now: float) -> None:
        for key, failures in list(self._failures.items()):
            while failures and failures[0] <= now - WITHIN:
                failures.popleft()
            if not failures:
                del self._failures[key]
        for key in list(self._failures)[:-_MOST_REMEMBERED]:
            del self._failures[key]


def _keys(name: str, address: str | None) -> tuple[str, str]:
    return f"name {name[:200]}", f"address {_network(address)}"


def _network(address: str | None) -> str:
    """The part of an address that its owner cannot choose at will."""
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return address or "unknown"
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    return str(parsed.ipv4_mapped) if parsed.ipv4_mapped else parsed.exploded[:19]
