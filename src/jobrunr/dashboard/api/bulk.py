"""Steering many jobs at once, and looking how far that is."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, ClassVar
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import replace

from jobrunr.dashboard import operations
from jobrunr.dashboard.api.jobs import Filter
from jobrunr.dashboard.api.operation import Operation
from jobrunr.dashboard.call import Call
from jobrunr.dashboard.changes import MOST_AT_A_TIME, Change
from jobrunr.dashboard.operations import Verb
from jobrunr.dashboard.refusal import Refusal
from jobrunr.ids import JobId

Ids = Annotated[Sequence[UUID], Meta(min_length=1, max_length=1000)]


class Conditions(Filter, kw_only=True, forbid_unknown_fields=True):
    """Which jobs; everything that is given must hold, and something must be given."""

    LEAST: ClassVar = 1


class ManyJobs(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which jobs: those with these ids, or all that a filter finds."""

    LEAST: ClassVar = 1
    MOST: ClassVar = 1

    ids: Ids | UnsetType = UNSET
    """The ids of the jobs."""
    filter: Conditions | UnsetType = UNSET
    """Conditions that they meet. What changes after the request is left alone."""


class ChangeOfMany(msgspec.Struct, kw_only=True):
    """A change to many jobs, and how far it is."""

    id: str
    what: str
    """What is done to which jobs."""
    by: str
    """Who wanted it."""
    total: int
    """How many jobs there were to change."""
    is_total_exact: bool
    """False when there were too many to count: there are at least so many."""
    done: int
    """How many were changed."""
    skipped: int
    """How many were gone, or in a state that does not allow it, when their turn came."""
    is_over: bool
    problem: str | None
    """Why it ended early."""


class OneChange(msgspec.Struct, kw_only=True):
    """Which change."""

    id: Annotated[str, Meta(min_length=1, max_length=100)]
    """The id of the change."""


def requeue_jobs(call: Call, body: ManyJobs) -> ChangeOfMany:
    """Run many jobs again. The answer comes at once, and says under which id the change goes on."""
    return _begin(call, Verb.REQUEUE, body)


def delete_jobs(call: Call, body: ManyJobs) -> ChangeOfMany:
    """Withdraw many jobs. The answer comes at once, and says under which id the change goes on."""
    return _begin(call, Verb.DELETE, body)


def get_change(call: Call, asked: OneChange) -> ChangeOfMany:
    """Get how far a change to many jobs is. It is kept in the process of the dashboard, and ends with it."""
    return _as_it_is(_change(call, asked))


def stop_change(call: Call, asked: OneChange) -> None:
    """End a change to many jobs early. What is done stays done."""
    _change(call, asked).stop()


def _begin(call: Call, verb: Verb, body: ManyJobs) -> ChangeOfMany:
    if body.ids is not UNSET:
        return _as_it_is(operations.change_jobs(call.site, call.user, verb, [JobId.of(each) for each in body.ids]))
    assert body.filter is not UNSET
    query = body.filter.query()
    query = replace(query, patience=None, changed_until=query.changed_until or call.site.storage.now())
    return _as_it_is(operations.change_matching(call.site, call.user, verb, query))


def _change(call: Call, asked: OneChange) -> Change:
    change = call.site.changes.get(asked.id)
    if change is None:
        raise Refusal(404, "There is no such change here (any more).")
    return change


def _as_it_is(change: Change) -> ChangeOfMany:
    return ChangeOfMany(
        id=change.id,
        what=change.what,
        by=change.by,
        total=change.total.number,
        is_total_exact=change.total.is_exact,
        done=change.done,
        skipped=change.skipped,
        is_over=change.is_over,
        problem=change.problem,
    )


_ENOUGH = {409: f"{MOST_AT_A_TIME} changes are going on already."}
_NO_CHANGE = {404: "There is no such change (any more)."}


OPERATIONS = (
    Operation("POST", "/api/jobs/requeue", requeue_jobs, subject="Many jobs", status=HTTPStatus.ACCEPTED, refusals=_ENOUGH),
    Operation("POST", "/api/jobs/delete", delete_jobs, subject="Many jobs", status=HTTPStatus.ACCEPTED, refusals=_ENOUGH),
    Operation("GET", "/api/changes/{id}", get_change, subject="Many jobs", refusals=_NO_CHANGE),
    Operation("POST", "/api/changes/{id}/stop", stop_change, subject="Many jobs", refusals=_NO_CHANGE),
)
