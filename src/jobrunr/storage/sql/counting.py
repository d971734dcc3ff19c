"""How many jobs are in each state.

Every transaction that moves jobs adds lines that say how many came and went, and touches none that is there: one line per
state, to be changed by everybody, would make everybody wait for each other. The lines are added up when somebody asks,
and folded into one per state now and then.

Two names that are no states stand for attempts: those that ever succeeded, and those that ever failed. They only grow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from sqlalchemy import Connection, delete, func, insert, select

from jobrunr.states import JobState
from jobrunr.storage.contract import Totals
from jobrunr.storage.sql.dialects.base import Dialect

SUCCESSES, FAILURES = "succeeded attempts", "failed attempts"

_FOLDED_AT_ONCE = 10_000


class Counting:
    """The table of counts."""

    def __init__(self, dialect: Dialect) -> None:
        counts = dialect.tables.job_counts
        self.dialect = dialect
        self._add = insert(counts)
        self._read = select(counts.c.state, func.sum(counts.c.amount)).group_by(counts.c.state)
        self._totals = self._read.where(counts.c.state.in_([SUCCESSES, FAILURES]))
        self._is_worth_folding = select(func.count() > func.count(counts.c.state.distinct())).select_from(counts)
        self._lines = (
            select(counts.c.id, counts.c.state, counts.c.amount).limit(_FOLDED_AT_ONCE).with_for_update(skip_locked=True)
        )
        self._remove = delete(counts).where(dialect.among(counts.c.id))

    def add(self, connection: Connection, changes: Mapping[str, int]) -> None:
        """Say how many jobs came into each state; less than none for those that went."""
        lines = [{"state": state, "amount": amount} for state, amount in changes.items() if amount]
        if lines:
            self.dialect.insert(connection, self._add, lines)

    def moved(self, connection: Connection, count: int, old: JobState, new: JobState) -> None:
        """Say that jobs moved from one state to another."""
        self.add(connection, {old: -count, new: count})

    def read(self, connection: Connection) -> dict[JobState, int]:
        """How many jobs are in each state."""
        found = {state: int(amount) for state, amount in connection.execute(self._read)}
        return {state: found.get(state, 0) for state in JobState}

    def totals(self, connection: Connection) -> Totals:
        """How many attempts ever succeeded and failed."""
        found = {name: int(amount) for name, amount in connection.execute(self._totals)}
        return Totals(succeeded=found.get(SUCCESSES, 0), failed=found.get(FAILURES, 0))

    def is_worth_folding(self, connection: Connection) -> bool:
        """Whether fewer lines would say the same."""
        return bool(connection.scalar(self._is_worth_folding))

    def fold(self, connection: Connection) -> bool:
        """Replace many lines by few that say the same. Two who do it at once share the lines between them.

        Returns:
            whether there may be more to fold.
        """
        lines = connection.execute(self._lines).all()
        sums: Counter[str] = Counter()
        for _, state, amount in lines:
            sums[state] += amount
        if len(lines) > len(sums):
            connection.execute(self._remove, {"ids": [line for line, _, _ in lines]})
            self.add(connection, sums)
        return len(lines) == _FOLDED_AT_ONCE
