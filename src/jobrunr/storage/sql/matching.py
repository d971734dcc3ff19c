"""What a query asks for, in SQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby

import msgspec
from sqlalchemy import Column, ColumnElement, literal, or_

from jobrunr.states import JobState
from jobrunr.storage.contract import JobQuery
from jobrunr.storage.sql.dialects.base import Dialect


class Matching:
    """Makes conditions of queries."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self._jobs = dialect.tables.jobs

    def served(self, query: JobQuery, state: JobState | None) -> list[ColumnElement[bool]]:
        """What an index begins with whose order is that of the query, among jobs in a state or among all."""
        jobs = self._jobs.c
        if not query.is_by_change:
            return list(_between(jobs.created_at, query.created_from, query.created_until))
        assert state is not None
        within = _between(jobs.state_at, query.changed_from, query.changed_until)
        if is_of_failures(query):
            return [self.dialect.tables.in_state(state), jobs.fingerprint == query.fingerprint, *within]
        return [jobs.state == state.value, jobs.state_at.is_not(None), *within]

    def others(self, query: JobQuery) -> list[ColumnElement[bool]]:
        """What has to be looked up in each job. Of a text this finds what may have it; `has_text` knows."""
        jobs = self._jobs.c
        wanted: list[ColumnElement[bool]] = []
        if query.is_by_change:
            wanted += _between(jobs.created_at, query.created_from, query.created_until)
        else:
            wanted += _between(jobs.state_at, query.changed_from, query.changed_until)
            if query.state is not None:
                wanted.append(jobs.state == query.state.value)
        equal = {
            jobs.queue: query.queue,
            jobs.target: query.target,
            jobs.recurring_job_id: query.recurring_job_id,
            jobs.server_name: query.server,
            jobs.fingerprint: None if is_of_failures(query) else query.fingerprint,
        }
        wanted += [column == value for column, value in equal.items() if value is not None]
        if query.label is not None:
            wanted.append(self._has_label(query.label))
        if query.text:
            wanted.append(self._may_have(query.text))
        return wanted

    def all(self, query: JobQuery) -> list[ColumnElement[bool]]:
        """Everything, in whatever order jobs are looked at."""
        if query.is_by_change and query.state is None:
            within = _between(self._jobs.c.state_at, query.changed_from, query.changed_until)
            return [*within, *self.others(query)]
        return self.served(query, query.state) + self.others(query)

    def _has_label(self, label: str) -> ColumnElement[bool]:
        # Labels are stored as ["a","b"]. Inside a text of JSON every quotation mark is escaped, so these are exact.
        text = msgspec.json.encode(label).decode()
        pieces = (literal(f"[{text}"), literal(f",{text}"))
        return or_(*(self.dialect.contains(self._jobs.c.labels, piece) for piece in pieces))

    def _may_have(self, text: str) -> ColumnElement[bool]:
        """Whether a text may stand in a name, a target or an exception. Exceptions are stored as JSON."""
        as_json = msgspec.json.encode(text).decode()[1:-1]
        places = {self._jobs.c.name: text, self._jobs.c.target: text, self._jobs.c.past: as_json}
        return or_(*(condition for column, piece in places.items() for condition in self._contains(column, piece)))

    def _contains(self, column: Column[str], text: str) -> Iterator[ColumnElement[bool]]:
        """Conditions of which one holds if the column contains the text, in whatever case.

        Databases do not agree about upper and lower case beyond ASCII. So they are asked for a piece of the text on which
        they do; if there is none, for its first character in each of its cases.
        """
        alike = ("".join(run) for is_alike, run in groupby(text, _all_agree) if is_alike)
        piece = max(alike, key=len, default="")
        if piece:
            yield self.dialect.contains(self.dialect.folded(column), literal(piece.lower()))
        else:
            first = text[0]
            for case in sorted({first, first.lower(), first.upper(), first.title()}):
                yield self.dialect.contains(column, literal(case))


def is_of_failures(query: JobQuery) -> bool:
    """Whether the index over failures serves a query."""
    return query.fingerprint is not None and query.state is JobState.FAILED and query.is_by_change


def _between(column: Column[datetime], since: datetime | None, until: datetime | None) -> list[ColumnElement[bool]]:
    return [*([] if since is None else [column >= since]), *([] if until is None else [column < until])]


def _all_agree(character: str) -> bool:
    return character.isascii() or character.lower() == character.upper()
