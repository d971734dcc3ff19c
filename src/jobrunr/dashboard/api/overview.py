"""How it goes as a whole, and what is wrong."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from jobrunr.dashboard.api.kinds import Moment
from jobrunr.dashboard.api.operation import Operation
from jobrunr.dashboard.call import Call
from jobrunr.dashboard.problems import is_silent, look, problems
from jobrunr.dashboard.throughput import WINDOWS, Flow, finished_in, flow
from jobrunr.states import JobState


class Rate(msgspec.Struct, kw_only=True):
    """What was done in a time until now."""

    since: Moment
    """Later than the time begins where nothing is known of what was before."""
    until: Moment
    succeeded: int
    """Runs that succeeded."""
    failed: int
    """Runs that failed, also those that are tried again."""
    per_minute: float | None
    """Runs that ended a minute; null while nobody knows."""


class Backlog(msgspec.Struct, kw_only=True):
    """What waits for a worker."""

    jobs: int
    """How many are ENQUEUED."""
    oldest_at: Moment | None
    """Since when the one waits that has been ENQUEUED longest."""
    age: float
    """How long that is, in seconds."""
    finished_in: float | None
    """How many seconds it takes until nothing waits and nothing runs at the rate of the last 5 minutes; null while there
    is none."""


class WorkersInAll(msgspec.Struct, kw_only=True):
    """The workers of all servers that are heard."""

    total: int
    busy: int
    free: int


class Runs(msgspec.Struct, kw_only=True):
    """How many runs ever ended so."""

    succeeded: int
    failed: int


class Overview(msgspec.Struct, kw_only=True):
    """How it goes."""

    at: Moment
    """When this was, by the clock of the storage."""
    jobs: dict[JobState, int]
    """How many jobs are in each state."""
    runs: Runs
    minutes: Rate
    """In the last 5 minutes."""
    hour: Rate
    """In the last hour."""
    day: Rate
    """In the last day."""
    backlog: Backlog
    workers: WorkersInAll
    servers: int


class ProblemSeen(msgspec.Struct, kw_only=True):
    """Something that a person should look into."""

    id: str
    """The same for problems of the same kind."""
    what: str
    """What is wrong."""
    todo: str
    """What to do about it."""
    details: Sequence[str]
    is_bad: bool
    """Whether something does not happen that should; otherwise it is good to know."""


def get_overview(call: Call) -> Overview:
    """Get how it goes: counts, rates, what waits, workers and servers."""
    storage = call.site.storage
    counts, servers, points, now = storage.counts(), storage.servers(), call.site.pulse.feel(storage), storage.now()
    living = [server for server in servers if not is_silent(server, now, call.site.settings.server_timeout)]
    flows = {window.id: flow(points, window) for window in WINDOWS}
    oldest_at = storage.oldest_enqueued_at()
    finished = finished_in(counts, flows["minutes"], [server for server in living if not server.is_paused])
    total, busy = sum(server.workers for server in living), sum(server.busy for server in living)
    return Overview(
        at=now,
        jobs=counts,
        runs=Runs(succeeded=points[-1].totals.succeeded, failed=points[-1].totals.failed),
        **{name: _rate(each) for name, each in flows.items()},
        backlog=Backlog(
            jobs=counts[JobState.ENQUEUED],
            oldest_at=oldest_at,
            age=0.0 if oldest_at is None else max((now - oldest_at).total_seconds(), 0.0),
            finished_in=None if finished is None else finished.total_seconds(),
        ),
        workers=WorkersInAll(total=total, busy=busy, free=max(total - busy, 0)),
        servers=len(servers),
    )


def _rate(flow: Flow) -> Rate:
    return Rate(
        since=flow.since,
        until=flow.until,
        succeeded=flow.done.succeeded,
        failed=flow.done.failed,
        per_minute=flow.per_minute,
    )


def get_problems(call: Call) -> Sequence[ProblemSeen]:
    """Get what is wrong and what to do about it, the worst first."""
    storage = call.site.storage
    found = problems(look(call.site, storage.counts(), storage.servers()))
    return [
        ProblemSeen(id=each.id, what=each.what, todo=each.todo, details=each.details, is_bad=each.is_bad) for each in found
    ]


OPERATIONS = (
    Operation("GET", "/api/overview", get_overview, subject="Overview"),
    Operation("GET", "/api/problems", get_problems, subject="Overview"),
)
