"""Jobs as JSON that the database makes of its rows, in the form that a `Job` is read from.

It is read in a third of the time that rows take: drivers convert them value by value, in Python or nearly so, and the one of
SQLite lets other threads go first at each row.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, String, bindparam, case, func, type_coerce
from sqlalchemy.sql import ColumnCollection

from jobrunr.ids import JobId
from jobrunr.jobs import Job
from jobrunr.states import JobState
from jobrunr.storage.sql.column_types import Id, UtcTime

FIELD_NAMES = {"labels": "labels_json", "result": "result_json", "extras": "extras_json", "actor": "by"}
"""What columns are called in a job, where it is something else."""

_IN_DETAILS = frozenset({"target", "arguments"})
"""Columns that a job keeps in a field of its own."""


def claimed_as_json(jobs: ColumnCollection[str, Any]) -> ColumnElement[str]:
    """A job as it will be when a claim has taken it, but for the moments; ``token``, ``for_server`` and ``for_server_name``
    are parameters."""
    fields = {
        FIELD_NAMES.get(name, name): _moment(column) if isinstance(column.type, UtcTime) else column
        for name, column in jobs.items()
        if name not in _IN_DETAILS
    }
    fields |= {
        "details": func.json_object("target", jobs.target, "arguments", jobs.arguments),
        "state": bindparam("state", JobState.PROCESSING.value, type_=String),
        "version": _one_more(jobs.version),
        "attempts": _one_more(jobs.attempts),
        "claim_token": bindparam("token", type_=Id),
        "server_id": bindparam("for_server", type_=Id),
        "server_name": bindparam("for_server_name", type_=String),
        "crashes": func.coalesce(jobs.crashes, 0),
    }
    return func.json_object(*(part for field in fields.items() for part in field), type_=String)


def read_jobs_as_json(documents: Iterable[str | None]) -> list[Job]:
    """Jobs from their JSON: of one or several of them in each document, with commas between; None for no job.

    Raises:
        ValueError: a column holds something that we never write.
    """
    return _jobs.decode(f"[{','.join(filter(None, documents))}]")


def _moment(column: ColumnElement[Any]) -> ColumnElement[str]:
    return type_coerce(column, String) + "Z"


def _one_more(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """None if it is no number: then the job cannot be read. In SQLite, text in its place would count as 0."""
    return case((column == column + 0, column + 1))


def _read_id(kind: type, text: Any) -> JobId:
    return JobId.of(msgspec.convert(text, UUID))  # which reads it three times as fast as `UUID` does


_jobs = msgspec.json.Decoder(list[Job], dec_hook=_read_id)
