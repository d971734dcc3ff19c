"""Questions about jobs: which to find, in what order, and what the answer looks like."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

import msgspec

from jobrunr.errors import OptionError, UnreadableJobError
from jobrunr.history import read_lines
from jobrunr.jobs import Job
from jobrunr.states import JobState

Place = tuple[datetime, UUID]
"""Where a job stands in an order: a moment, and its id among those of the same moment."""


class JobOrder(StrEnum):
    """In which order jobs are found."""

    NEWEST = "newest"
    """The last first."""
    OLDEST = "oldest"
    """The first first."""


class JobQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs to find; all conditions that are given must hold.

    The order is by the moment the state began when `state` is given, else by creation. A range of times goes before that:
    with a range of one of these moments and none of the other, the order is by the moment that has a range.
    """

    state: JobState | None = None
    queue: str | None = None
    label: str | None = None
    target: str | None = None
    recurring_job_id: str | None = None
    server: str | None = None
    """The name of the server that has the job, or had it last."""
    text: str | None = None
    """Stands somewhere in the name, in the target, or in an exception of the history. Upper and lower case are the same."""
    fingerprint: str | None = None
    """Of the last failure; see `jobrunr.fingerprints`."""
    created_from: datetime | None = None
    """Inclusive, as `changed_from`."""
    created_until: datetime | None = None
    """Exclusive, as `changed_until`."""
    changed_from: datetime | None = None
    """When the present state began."""
    changed_until: datetime | None = None
    order: JobOrder = JobOrder.NEWEST
    limit: int = 50
    after: str | None = None
    """The cursor of the page before."""
    patience: timedelta | None = None
    """How long to search at most; None to search until the page is full."""

    @property
    def is_by_change(self) -> bool:
        """Whether the order is by the moment the present state began; otherwise it is by the moment of creation."""
        has_created = self.created_from is not None or self.created_until is not None
        has_changed = self.changed_from is not None or self.changed_until is not None
        return has_changed if has_created != has_changed else self.state is not None

    @property
    def only_state(self) -> bool:
        """Whether the query asks for nothing but a state, or for nothing at all."""
        return msgspec.structs.replace(self, **_NO_CONDITION) == JobQuery(state=self.state)


_NO_CONDITION = {"order": JobOrder.NEWEST, "limit": 50, "after": None, "patience": None}


class JobPage(msgspec.Struct, frozen=True):
    """Some jobs, and where to go on. Iterable, indexable, sized."""

    jobs: tuple[Job, ...]
    next: str | None
    """The cursor for the page behind this one; None on the last page."""
    searched_to: datetime | None = None
    """Where a search that ran out of patience stopped. The page may then hold fewer jobs than were asked for, and `next`
    goes on from there."""

    def __iter__(self) -> Iterator[Job]:
        return iter(self.jobs)

    def __len__(self) -> int:
        return len(self.jobs)

    def __getitem__(self, index: int) -> Job:
        return self.jobs[index]


class JobCount(msgspec.Struct, frozen=True):
    """How many jobs there are of a kind."""

    number: int
    is_exact: bool
    """False when patience was over before all were counted: there are at least so many."""


# -- what a query means, for providers


def place(job: Job, query: JobQuery) -> Place:
    """Where a job stands in the order of a query."""
    return (job.state_at if query.is_by_change else job.created_at, job.id)


def fits(job: Job, query: JobQuery) -> bool:
    """Whether a job is one that the query asks for."""
    return (
        query.state in (None, job.state)
        and query.queue in (None, job.queue)
        and query.target in (None, job.target)
        and query.recurring_job_id in (None, job.recurring_job_id)
        and query.server in (None, job.server_name)
        and query.fingerprint in (None, job.fingerprint)
        and _is_between(job.created_at, query.created_from, query.created_until)
        and _is_between(job.state_at, query.changed_from, query.changed_until)
        and (query.label is None or query.label in _labels(job))
        and (query.text is None or has_text(query.text, job.name, job.target, job.past))
    )


def has_text(text: str, name: str, target: str, past: str) -> bool:
    """Whether a text stands in the name, the target or an exception of a job."""
    text = text.lower()
    if text in name.lower() or text in target.lower():
        return True
    if '"exception":' not in past:
        return False
    exceptions = (change.exception for change in read_lines(past) if change.exception is not None)
    return any(text in part.lower() for error in exceptions for part in (error.type, error.message, error.traceback))


def _is_between(at: datetime, since: datetime | None, until: datetime | None) -> bool:
    return (since is None or at >= since) and (until is None or at < until)


def _labels(job: Job) -> tuple[str, ...]:
    try:
        return job.labels
    except UnreadableJobError:
        return ()


def write_cursor(last: Place) -> str:
    """A place as the `next` of a page."""
    at, job_id = last
    return f"{at.astimezone(UTC).isoformat()}/{job_id}"


def read_cursor(cursor: str) -> Place:
    """The place that a cursor stands for.

    Raises:
        OptionError: it is none of ours.
    """
    at, _, job_id = cursor.partition("/")
    try:
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None:
            raise ValueError(at)
        return moment.astimezone(UTC), UUID(job_id)
    except (ValueError, OverflowError):
        raise OptionError(f"after cannot be {cursor!r}; it is the `next` of the page before.") from None
