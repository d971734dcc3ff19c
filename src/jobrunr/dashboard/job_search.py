"""A search for jobs: as the fields of a form, as a query, and in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from jobrunr.dashboard.refusal import Refusal
from jobrunr.states import JobState
from jobrunr.storage.contract import JobQuery
from jobrunr.texts import storable

_TEXTS = {
    "text": "text",
    "label": "label",
    "queue": "queue",
    "target": "target",
    "recurring": "recurring_job_id",
    "server": "server",
    "fingerprint": "fingerprint",
}
"""From the name of a field to that of the query."""
_MOMENTS = ("created_from", "created_until", "changed_from", "changed_until")

FIELDS = ("state", *_TEXTS, *_MOMENTS)
"""The names of all fields."""

_WORDS = {
    "text": "the text",
    "label": "the label",
    "queue": "the queue",
    "target": "the target",
    "recurring": "the recurring job",
    "server": "the server",
    "fingerprint": "a failure like",
    "created_from": "created from",
    "created_until": "created before",
    "changed_from": "in their state from",
    "changed_until": "in their state before",
}


def read_query(fields: Mapping[str, str]) -> JobQuery:
    """The query that a form asks for. A field that is missing or empty asks for nothing.

    Raises:
        Refusal: a field cannot be read.
    """
    given = {name: value.strip() for name, value in fields.items() if name in FIELDS and value.strip()}
    values: dict[str, Any] = {query: storable(given[field]) for field, query in _TEXTS.items() if field in given}
    values |= {name: _moment(name, given[name]) for name in _MOMENTS if name in given}
    return JobQuery(state=_state(given.get("state")), **values)


def write_query(query: JobQuery) -> dict[str, str]:
    """The fields that ask for a query, without those that ask for nothing."""
    fields = {field: getattr(query, name) for field, name in _TEXTS.items()}
    fields |= {name: _written(getattr(query, name)) for name in _MOMENTS}
    return {"state": query.state or "", **{name: value or "" for name, value in fields.items()}}


def in_words(query: JobQuery) -> str:
    """What a query asks for, for people.

    >>> in_words(JobQuery(state=JobState.FAILED, label="eu"))
    "the state FAILED, the label 'eu'"
    """
    return ", ".join(_in_words(query)) or "any state"


def _in_words(query: JobQuery) -> Iterator[str]:
    for name, value in write_query(query).items():
        if value and name == "state":
            yield f"the state {value}"
        elif value:
            yield f"{_WORDS[name]} {_for_people(value) if name in _MOMENTS else repr(value)}"


def _for_people(moment: str) -> str:
    return f"{moment.replace('T', ' ').partition('.')[0]} UTC"


def _state(given: str | None) -> JobState | None:
    if given is None:
        return None
    try:
        return JobState(given.upper())
    except ValueError:
        raise Refusal(422, f"There is no state {given[:50]!r}; there are {', '.join(JobState)}.", "state") from None


def _moment(name: str, given: str) -> datetime:
    """A moment as a browser writes it, without a zone; that is UTC."""
    try:
        moment = datetime.fromisoformat(given)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refusal(422, f"{given[:50]!r} is no moment; write 2026-11-24T03:00.", name) from None


def _written(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(UTC).replace(tzinfo=None).isoformat()
