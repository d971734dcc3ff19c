"""Runs that wait for a slot of a server."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain

from jobrunr.server.run import Run
from jobrunr.server.suspects import Suspects
from jobrunr.storage.contract import Claim

PATIENCE_OF_SUSPECTS = 30
"""How many times longer than others suspects wait here before they are taken back."""


class Line:
    """First come, first served, except that suspects may have to let others pass; see `Suspects`. Not for two threads at
    once.

    Arguments:
        max_crashes: after so many a job is not run again.
    """

    def __init__(self, max_crashes: int) -> None:
        self._runs: deque[Run] = deque()
        self._suspects = Suspects(max_crashes)

    def __len__(self) -> int:
        """How many wait for nothing but a slot."""
        return len(self._runs)

    def __iter__(self) -> Iterator[Run]:
        """All that wait here."""
        return chain(self._runs, self._suspects)

    @property
    def held_up(self) -> int:
        """How many wait for other suspects."""
        return len(self._suspects)

    def add(self, runs: Iterable[Run]) -> None:
        """They come last."""
        self._runs.extend(runs)

    def take(self) -> Run | None:
        """The first that may begin."""
        while self._runs:
            run = self._runs.popleft()
            if self._suspects.admit(run):
                return run
        return None

    def put_back(self, run: Run) -> None:
        """One that was taken did not begin after all, and is the first again."""
        self._runs.extendleft(reversed([run, *self._suspects.leave(run.claim)]))

    def leave(self, claim: Claim) -> None:
        """The run of a suspect is over: those that waited for it come first."""
        self._runs.extendleft(reversed(self._suspects.leave(claim)))

    def take_back(self, older_than: float) -> list[Run]:
        """Take out what was claimed more than so many seconds ago. Suspects that wait for each other have more patience:
        elsewhere they may have to wait as well."""
        now = time.monotonic()
        limit = now - older_than
        held_up = self._suspects.take_back(now - older_than * PATIENCE_OF_SUSPECTS)
        stale = [run for run in self._runs if run.claimed_at <= limit]
        if stale:
            self._runs = deque(run for run in self._runs if run.claimed_at > limit)
        return stale + held_up

    def remove(self, claim: Claim) -> bool:
        """Take one out, unless it waits for other suspects: that is found out when it is to begin. Whether it was here."""
        run = next((run for run in self._runs if run.claim == claim), None)
        if run is not None:
            self._runs.remove(run)
        return run is not None
