"""What is wrong, and what to do about it. Looking and judging are apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from jobrunr.carbon.kept import PROBLEM as NO_FORECAST
from jobrunr.dashboard.call import link
from jobrunr.dashboard.lost import MOST, TEXT, Lost
from jobrunr.dashboard.site import Site
from jobrunr.dashboard.waiting import Waiting
from jobrunr.durations import format_duration
from jobrunr.errors import StorageError, StorageUnavailableError
from jobrunr.recurring_job import RecurringJob
from jobrunr.server_record import STUCK, ServerRecord
from jobrunr.states import JobState

MOST_NAMED = 5
"""So many things of a kind are named."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a person should look into."""

    id: str
    what: str
    todo: str
    links: tuple[tuple[str, str], ...] = ()
    """Words and addresses."""
    details: tuple[str, ...] = ()
    is_bad: bool = True
    """Whether something does not happen that should; otherwise it is good to know."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What problems are judged by."""

    now: datetime
    counts: Mapping[JobState, int]
    servers: Sequence[ServerRecord]
    server_timeout: timedelta
    recurring: Sequence[RecurringJob]
    waiting: Waiting
    lost: Lost
    notes: Sequence[str]
    """What the master noted."""
    stuck: Sequence[str] = ()
    """What servers noted about jobs that cannot be stopped."""


def look(site: Site, counts: Mapping[JobState, int], servers: Sequence[ServerRecord]) -> Facts:
    """Look at what problems are judged by. What is dear is not read anew each time.

    Raises:
        StorageError: the storage does not answer.
    """
    storage = site.storage
    return Facts(
        now=storage.now(),
        counts=counts,
        servers=servers,
        server_timeout=site.settings.server_timeout,
        recurring=site.recurring.get(),
        waiting=site.waiting.get(),
        lost=site.lost.get(),
        notes=[note for note in [storage.get_metadata(NO_FORECAST)] if note],
        stuck=[note for server in servers if (note := storage.get_metadata(STUCK, str(server.id)))],
    )


def problems(facts: Facts) -> list[Problem]:
    """What is wrong, the worst first."""
    found = [
        *_no_server(facts),
        *_silent_servers(facts),
        *_unserved_queues(facts),
        *_stuck(facts),
        *_lost_jobs(facts),
        *_misfits(facts),
        *_halted(facts),
        *_notes(facts),
        *_failed(facts),
        *_paused_servers(facts),
        *_paused_recurring(facts),
    ]
    return sorted(found, key=lambda problem: not problem.is_bad)


def outage(error: StorageError) -> Problem:
    """The storage cannot be used."""
    if isinstance(error, StorageUnavailableError):
        return Problem(
            id="outage",
            what="The storage does not answer.",
            todo="Is the database up, and can it be reached from here? Servers finish what they run, and wait; nothing is "
            "lost. This page shows more as soon as it answers.",
            details=(str(error),),
        )
    return Problem(id="storage", what="The storage cannot be used.", todo=str(error))


# -- servers


def _no_server(facts: Facts) -> Iterator[Problem]:
    """Jobs wait, and nobody takes them."""
    waiting = facts.counts.get(JobState.ENQUEUED, 0)
    if not waiting:
        return
    links = (("The jobs that wait", link("jobs", state=JobState.ENQUEUED)),)
    if not facts.servers:
        yield Problem(
            id="no-server",
            what=f"No server is running, and {_jobs(waiting)}.",
            todo="Start one: jobrunr worker --app module:name. If one should be up, its log says why it is not.",
            links=links,
        )
    elif all(server.is_paused for server in facts.servers):
        yield Problem(
            id="all-paused",
            what=f"All servers are paused, and {_jobs(waiting)}.",
            todo="Resume them when whatever they were paused for is over.",
            links=(("Servers", link("servers")), *links),
        )


def _silent_servers(facts: Facts) -> Iterator[Problem]:
    silent = [server for server in facts.servers if is_silent(server, facts.now, facts.server_timeout)]
    if silent:
        yield Problem(
            id="silent-servers",
            what=f"{_counted(len(silent), 'server')} is silent for {format_duration(facts.server_timeout)} and longer.",
            todo="Does its process live, and does it reach the storage? If another server is up, it soon takes over, and "
            "the jobs that ran there run again. Otherwise start one.",
            links=(("Servers", link("servers")),),
            details=_named(server.name for server in silent),
        )


def is_silent(server: ServerRecord, now: datetime, timeout: timedelta) -> bool:
    """Whether a server has not been heard for too long."""
    return server.last_heartbeat is None or now - server.last_heartbeat > timeout


def _unserved_queues(facts: Facts) -> Iterator[Problem]:
    if not facts.servers or any(not server.queues for server in facts.servers):
        return
    served = {queue for server in facts.servers for queue in server.queues}
    unserved = {queue: count for queue, count in facts.waiting.queues.items() if queue not in served}
    if unserved:
        (first, *_) = unserved
        yield Problem(
            id="unserved-queues",
            what=f"Jobs wait in {_counted(len(unserved), 'queue')} that no server serves.",
            todo="Start a server that serves them (jobrunr worker --queues), or requeue the jobs elsewhere.",
            links=((f"Jobs in {first}", link("jobs", state=JobState.ENQUEUED, queue=first)),),
            details=_named(unserved),
        )


def _stuck(facts: Facts) -> Iterator[Problem]:
    if facts.stuck:
        yield Problem(
            id="stuck-jobs",
            what=f"Jobs on {_counted(len(facts.stuck), 'server')} are over their time limit and cannot be stopped.",
            todo="They have failed, and go on in the background all the same. If they do not end, restart the server. What "
            'can hang is better run with execution="process".',
            links=(("Servers", link("servers")),),
            details=_named(facts.stuck),
        )


def _lost_jobs(facts: Facts) -> Iterator[Problem]:
    count = len(facts.lost.jobs)
    if not count:
        return
    servers = dict.fromkeys(job.server_name for job in facts.lost.jobs if job.server_name)
    yield Problem(
        id="lost-jobs",
        what=f"{'At least ' if count == MOST else ''}{_counted(count, 'job')} lost the server during the last hour.",
        todo="They run again by themselves while they have retries. Was the process killed, for want of memory perhaps? "
        "The log of its machine says more.",
        links=(("These jobs", link("jobs", text=TEXT, changed_from=_minute(facts.lost.since))),),
        details=_named(f"last on {server}" for server in servers),
    )


def _paused_servers(facts: Facts) -> Iterator[Problem]:
    paused = [server for server in facts.servers if server.is_paused]
    if paused and (len(paused) < len(facts.servers) or not facts.counts.get(JobState.ENQUEUED, 0)):
        yield Problem(
            id="paused-servers",
            what=f"{_counted(len(paused), 'server')} {'is' if len(paused) == 1 else 'are'} paused.",
            todo="Somebody wanted that; the audit trail says who. Resume when the reason is gone.",
            links=(("Servers", link("servers")), ("Audit", link("audit"))),
            details=_named(server.name for server in paused),
            is_bad=False,
        )


# -- jobs


def _misfits(facts: Facts) -> Iterator[Problem]:
    found = facts.waiting.misfits
    if found:
        yield Problem(
            id="misfits",
            what=f"The code of this dashboard cannot run {_counted(sum(misfit.count for misfit in found), 'job')} of the "
            f"{facts.waiting.looked_at:,} waiting ones that were looked at.",
            todo="Deploy code that has these functions, or delete the jobs. Servers that do not know them leave them for "
            "others, for as long as unknown_job_grace says; then they fail. jobrunr check lists all of them.",
            links=tuple((misfit.target, link("jobs", target=misfit.target)) for misfit in found[:MOST_NAMED]),
            details=_named(f"{misfit.reason} ({misfit.count:,})" for misfit in found),
        )


def _failed(facts: Facts) -> Iterator[Problem]:
    count = facts.counts.get(JobState.FAILED, 0)
    if count:
        yield Problem(
            id="failed",
            what=f"{_counted(count, 'job')} failed for good.",
            todo="Nothing happens until somebody decides: see what failed alike, mend the cause, and retry.",
            links=(("Failures", link("failures")),),
            is_bad=False,
        )


# -- recurring jobs


def _halted(facts: Facts) -> Iterator[Problem]:
    halted = [job for job in facts.recurring if job.problem is not None]
    if halted:
        yield Problem(
            id="halted",
            what=f"{_counted(len(halted), 'recurring job')} cannot run: when the next run is cannot be found out.",
            todo="Mend its schedule, and resume it or start a server, which registers it anew; or delete the recurring job.",
            links=tuple((job.id, link("recurring/job", id=job.id)) for job in halted[:MOST_NAMED]),
            details=_named(f"{job.id}: {job.problem}" for job in halted),
        )


def _paused_recurring(facts: Facts) -> Iterator[Problem]:
    paused = [job for job in facts.recurring if job.is_paused]
    if paused:
        yield Problem(
            id="paused-recurring",
            what=f"{_counted(len(paused), 'recurring job')} {'is' if len(paused) == 1 else 'are'} paused.",
            todo="Resume when the reason is gone.",
            links=tuple((job.id, link("recurring/job", id=job.id)) for job in paused[:MOST_NAMED]),
            details=_named(f"{job.id}: {job.pause_reason or 'no reason given'}" for job in paused),
            is_bad=False,
        )


def _notes(facts: Facts) -> Iterator[Problem]:
    for note in facts.notes:
        yield Problem(
            id="no-forecast",
            what=note,
            todo="Carbon-aware jobs start at the time they prefer. Does the service of the forecast answer?",
            is_bad=False,
        )


# -- words


def _jobs(count: int) -> str:
    return "1 job waits" if count == 1 else f"{count:,} jobs wait"


def _counted(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count:,} {noun}s"


def _named(names: Iterable[str]) -> tuple[str, ...]:
    """The first of them, and how many more there are."""
    names = tuple(names)
    more = len(names) - MOST_NAMED
    return names if more <= 0 else (*names[:MOST_NAMED], f"and {more:,} more")


def _minute(moment: datetime) -> str:
    """As the field of a search takes it."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat("T", "minutes")
