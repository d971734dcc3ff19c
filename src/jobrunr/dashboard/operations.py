"""What people change. Pages and API come here, so that every change is in the history and in the audit trail."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from operator import attrgetter
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from jobrunr.dashboard.access import User
from jobrunr.dashboard.changes import Change
from jobrunr.dashboard.job_search import in_words
from jobrunr.dashboard.refusal import Refusal
from jobrunr.dashboard.site import Site
from jobrunr.durations import format_duration
from jobrunr.errors import ConcurrentJobModificationError, IllegalJobStateChangeError, JobNotFoundError, UnreadableJobError
from jobrunr.ids import JobId
from jobrunr.scheduler.job_steering import BulkChange
from jobrunr.server_record import ServerRecord
from jobrunr.storage.contract import AuditEntry, JobCount, JobQuery

COUNTING = timedelta(seconds=2)
"""How long is counted, at most, before many jobs are changed: whoever wants it is waiting."""
JOBS = "jobs"
"""The subject of an entry about many jobs that a search found."""


class Verb(StrEnum):
    """What can be done to many jobs at once."""

    REQUEUE = "requeue"
    DELETE = "delete"

    @property
    def past(self) -> str:
        """As in "requeued"."""
        return f"{self.value.removesuffix('e')}ed"


# -- one job


def requeue_job(site: Site, user: User, job_id: JobId) -> None:
    """Run a finished job again.

    Raises:
        JobRunrError: it is not there, or it runs.
    """
    site.scheduler.requeue(job_id, "requeued from the dashboard", by=user.name)
    _note(site, user, "requeue", str(job_id))


def run_job_now(site: Site, user: User, job_id: JobId) -> None:
    """Do not let a job wait any longer.

    Raises:
        JobRunrError: it is not there, or it runs.
    """
    site.scheduler.requeue(job_id, "run now from the dashboard", by=user.name)
    _note(site, user, "run now", str(job_id))


def delete_job(site: Site, user: User, job_id: JobId) -> None:
    """Withdraw a job.

    Raises:
        JobRunrError: it is not there.
    """
    site.scheduler.delete(job_id, "deleted from the dashboard", by=user.name)
    _note(site, user, "delete", str(job_id))


def reschedule_job(site: Site, user: User, job_id: JobId, when: datetime | timedelta) -> None:
    """Run a job at another time, or after some time.

    Raises:
        JobRunrError: it is not there, or it runs.
    """
    site.scheduler.reschedule(job_id, when, "rescheduled from the dashboard", by=user.name)
    _note(
        site,
        user,
        "reschedule",
        str(job_id),
        f"to {when:%Y-%m-%d %H:%M:%S} UTC" if isinstance(when, datetime) else f"in {format_duration(when)}",
    )


def enqueue(
    site: Site, user: User, target: str, arguments: Mapping[str, Any], run_at: datetime | None, options: Mapping[str, Any]
) -> JobId:
    """Make a job.

    Arguments:
        target: one that may be enqueued from here; the caller has made sure.
        arguments: by the name of the parameter, as they are stored.
        run_at: when it is due; None for at once.
        options: as for `JobScheduler.options`.

    Raises:
        JobRunrError: this cannot become a job.
    """
    runnable = site.registry.resolve(target)
    args, kwargs = runnable.codec.decode(msgspec.json.encode(arguments).decode())
    module, _, name = target.partition(":")
    function = attrgetter(name)(sys.modules[module])
    scheduler = site.scheduler.options(**options)
    call = scheduler.enqueue if run_at is None else partial(scheduler.schedule, run_at)
    job_id = call(function, *args, **kwargs)
    _note(site, user, "enqueue", str(job_id), target)
    return job_id


# -- many jobs


def change_jobs(site: Site, user: User, verb: Verb, job_ids: Sequence[JobId]) -> Change:
    """Change these jobs in the background."""
    steer: dict[Verb, Callable[[Site, User, JobId], None]] = {Verb.REQUEUE: requeue_job, Verb.DELETE: delete_job}

    def run(change: Change) -> None:
        done = skipped = 0
        for job_id in job_ids:
            try:
                steer[verb](site, user, job_id)
                done += 1
            except _SKIPPED:
                skipped += 1
            change.set(done, skipped)

    change = Change(
        f"{verb.value} {len(job_ids):,} selected {'job' if len(job_ids) == 1 else 'jobs'}",
        user.name,
        JobCount(len(job_ids), is_exact=True),
    )
    site.changes.begin(change, run)
    return change


def how_many(site: Site, query: JobQuery) -> JobCount:
    """How many jobs a query finds, as far as that can be counted while somebody waits."""
    return site.storage.count(replace(query, patience=COUNTING))


def change_matching(site: Site, user: User, verb: Verb, query: JobQuery) -> Change:
    """Change all jobs that a query finds, in the background.

    Raises:
        Refusal: the query has no end, so that it would find again what was changed.
    """
    if query.changed_until is None:
        raise Refusal(422, "Say until when the jobs have changed; what changes later stays as it is.", "changed_until")
    matching = site.scheduler.requeue_matching if verb is Verb.REQUEUE else site.scheduler.delete_matching

    def run(change: Change) -> None:
        try:
            matching(
                query, f"{verb.past} from the dashboard", by=user.name, on_progress=lambda so_far: _show(change, so_far)
            )
        finally:
            _note(
                site,
                user,
                f"{verb.value} matching",
                JOBS,
                f"{which}; {change.done:,} {verb.past}, {change.skipped:,} skipped",
            )

    which = in_words(query)
    change = Change(f"{verb.value} all jobs with {which}", user.name, how_many(site, query))
    site.changes.begin(change, run)
    return change


# -- recurring jobs


def trigger_recurring(site: Site, user: User, recurring_job_id: str) -> JobId:
    """Make one of the jobs of a recurring job now. Returns its id.

    Raises:
        JobRunrError: there is no such recurring job.
    """
    job_id = site.scheduler.recurring.trigger(recurring_job_id, f"triggered from the dashboard by {user.name}")
    _note_recurring(site, user, "trigger", recurring_job_id, f"job {job_id}")
    return job_id


def pause_recurring(site: Site, user: User, recurring_job_id: str, reason: str) -> None:
    """Let a recurring job not run, until it is resumed. One that is paused stays as it is, with its reason.

    Raises:
        JobRunrError: there is no such recurring job.
    """
    reason = reason.strip()
    if site.scheduler.recurring.get(recurring_job_id).is_paused:
        return
    site.scheduler.recurring.pause(recurring_job_id, reason or f"paused from the dashboard by {user.name}")
    _note_recurring(site, user, "pause", recurring_job_id, reason)


def resume_recurring(site: Site, user: User, recurring_job_id: str) -> None:
    """Let a recurring job go on with its next run that is paused, or halted by a problem.

    Raises:
        JobRunrError: there is no such recurring job, or its schedule cannot be read here.
    """
    job = site.scheduler.recurring.get(recurring_job_id)
    if not job.is_paused and job.problem is None:
        return
    site.scheduler.recurring.resume(recurring_job_id)
    _note_recurring(site, user, "resume", recurring_job_id)


def delete_recurring(site: Site, user: User, recurring_job_id: str) -> None:
    """Remove a recurring job, and withdraw its jobs that were not started.

    Raises:
        JobRunrError: there is no such recurring job.
    """
    site.scheduler.recurring.delete(recurring_job_id, f"its recurring job was deleted from the dashboard by {user.name}")
    _note_recurring(site, user, "delete", recurring_job_id)


def _note_recurring(site: Site, user: User, action: str, recurring_job_id: str, detail: str = "") -> None:
    site.recurring.forget()
    site.last_jobs.forget()
    _note(site, user, action, f"recurring:{recurring_job_id}", detail)


# -- servers


def pause_server(site: Site, user: User, server_id: UUID, *, paused: bool) -> None:
    """Say whether a server shall take jobs. What runs on it goes on.

    Raises:
        Refusal: there is no such server (any more).
    """
    server = next((server for server in site.storage.servers() if server.id == server_id), None)
    if server is None or not _pause(site, user, server, paused=paused):
        raise Refusal(404, f"There is no server {server_id} (any more).", "server")


def pause_all_servers(site: Site, user: User, *, paused: bool) -> int:
    """Say of all servers that are there whether they shall take jobs. Returns how many are told something new."""
    others = [server for server in site.storage.servers() if server.is_paused != paused]
    return sum(_pause(site, user, server, paused=paused) for server in others)


def _pause(site: Site, user: User, server: ServerRecord, *, paused: bool) -> bool:
    """False when it is gone."""
    if server.is_paused == paused:
        return True
    if not site.storage.pause_server(server.id, paused):
        return False
    _note(site, user, "pause" if paused else "resume", f"server:{server.id}", server.name)
    return True


_SKIPPED = (JobNotFoundError, IllegalJobStateChangeError, ConcurrentJobModificationError, UnreadableJobError)


def _show(change: Change, so_far: BulkChange) -> None:
    change.set(so_far.changed, so_far.skipped + so_far.failed)


def _note(site: Site, user: User, action: str, subject: str, detail: str = "") -> None:
    site.storage.record_audit([AuditEntry(actor=user.name, action=action, subject=subject, detail=detail)])
