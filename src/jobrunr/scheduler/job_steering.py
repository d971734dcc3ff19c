"""Steering the jobs that are there, one by one and many at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
from msgspec.structs import replace

from jobrunr.errors import ConcurrentJobModificationError, IllegalJobStateChangeError, OptionError
from jobrunr.filters import JobFilters
from jobrunr.ids import JobId
from jobrunr.jobs import Job, JobUpdate
from jobrunr.scheduler.checking import checked_reason
from jobrunr.scheduler.job_looking import JobLooking
from jobrunr.scheduler.server_steering import ServerSteering
from jobrunr.storage.contract import JobOrder, JobQuery, StorageProvider
from jobrunr.storage.overview import MAX_NAME_LENGTH
from jobrunr.texts import storable
from jobrunr.transitions import delete, requeue, reschedule

TRIES = 5
"""How often a change by hand is tried when the job changes meanwhile."""
BATCH = 500
"""How many jobs are changed in one write when many are."""

Change = Callable[[Job, datetime], JobUpdate | None]


class BulkChange(msgspec.Struct, frozen=True):
    """What became of many jobs."""

    changed: int = 0
    skipped: int = 0
    """Those that may not make this move, or have made it already."""
    failed: int = 0
    """Those that somebody else changed at the same moment."""


class JobSteering(JobLooking, ServerSteering):
    """What can be done with jobs that were made: the half of a `JobScheduler` that makes none."""

    def __init__(self, storage: Callable[[], StorageProvider], filters: JobFilters) -> None:
        super().__init__(storage)
        self._filters = filters

    # -- steering jobs

    def delete(self, job_id: UUID | str, reason: str = "deleted through the scheduler", *, by: str | None = None) -> None:
        """Withdraw a job. One that runs is cancelled within a second. Deleting a deleted job changes nothing.

        Arguments:
            reason: why, for the history; up to 2000 characters of it are kept.
            by: the name of who wants it, for the history.

        Raises:
            JobNotFoundError: there is none with this id.
            OptionError: the reason is no text.
        """
        why = checked_reason(reason)
        self._change(job_id, lambda job, now: delete(job, now, why, actor=_name(by)))

    def requeue(self, job_id: UUID | str, reason: str = "requeued through the scheduler", *, by: str | None = None) -> None:
        """Run a job now, whether it waits, has failed, has succeeded or was deleted. Failures are counted anew.

        Requeueing an enqueued job changes nothing.

        Arguments:
            reason: why, for the history.
            by: the name of who wants it, for the history.

        Raises:
            JobNotFoundError: there is none with this id.
            IllegalJobStateChangeError: it runs at this moment.
            OptionError: the reason is no text.
        """
        why = checked_reason(reason)
        self._change(job_id, lambda job, now: requeue(job, now, why, actor=_name(by)))

    def reschedule(
        self,
        job_id: UUID | str,
        when: datetime | timedelta,
        reason: str = "rescheduled through the scheduler",
        *,
        by: str | None = None,
    ) -> None:
        """Run a job at another time. Failures are counted anew.

        Arguments:
            when: a datetime with a time zone, or a time from now.
            reason: why, for the history.
            by: the name of who wants it, for the history.

        Raises:
            JobNotFoundError: there is none with this id.
            IllegalJobStateChangeError: it runs at this moment.
            OptionError: the datetime has no time zone, or the reason is no text.
        """
        run_at = self._moment(when)
        why = checked_reason(reason)
        self._change(job_id, lambda job, now: reschedule(job, now, run_at, why, actor=_name(by)))

    # -- steering many jobs

    def delete_matching(
        self,
        query: JobQuery,
        reason: str = "deleted through the scheduler",
        on_progress: Callable[[BulkChange], object] | None = None,
        *,
        by: str | None = None,
    ) -> BulkChange:
        """Withdraw all jobs that a query asks for; otherwise as `delete`.

        The newest come first, whatever the query says; jobs that come to match while this goes on are left alone.

        Arguments:
            query: its order, limit, cursor and patience do not matter.
            reason: why, for the history.
            on_progress: is called now and then with what was done so far.
            by: the name of who wants it, for the history.

        >>> jobs.delete_matching(JobQuery(state=JobState.FAILED, label="import"), "the import was wrong")
        BulkChange(changed=0, skipped=0, failed=0)
        """
        why = checked_reason(reason)
        return self._change_all(query, lambda job, now: delete(job, now, why, actor=_name(by)), on_progress)

    def requeue_matching(
        self,
        query: JobQuery,
        reason: str = "requeued through the scheduler",
        on_progress: Callable[[BulkChange], object] | None = None,
        *,
        by: str | None = None,
    ) -> BulkChange:
        """Run all jobs now that a query asks for, except those that run at this moment; otherwise as `requeue`.

        The newest come first, whatever the query says; jobs that come to match while this goes on, and those that match
        again, are left alone.

        Arguments:
            query: its order, limit, cursor and patience do not matter.
            reason: why, for the history.
            on_progress: is called now and then with what was done so far.
            by: the name of who wants it, for the history.

        >>> failed_alike = JobQuery(state=JobState.FAILED, fingerprint="0123456789abcdef")
        >>> jobs.requeue_matching(failed_alike, on_progress=print).changed
        BulkChange(changed=0, skipped=0, failed=0)
        0
        """
        why = checked_reason(reason)
        return self._change_all(query, lambda job, now: requeue(job, now, why, actor=_name(by)), on_progress)

    def _change_all(self, query: JobQuery, change: Change, on_progress: Callable[[BulkChange], object] | None) -> BulkChange:
        """Walk from the newest to the oldest: what is changed goes to the front, where nobody comes by again."""
        done = BulkChange()
        page_query = replace(query, order=JobOrder.NEWEST, limit=BATCH, after=None, patience=None)
        while True:
            page = self._storage().find(page_query)
            done = self._change_some(page.jobs, change, done)
            if on_progress is not None:
                on_progress(done)
            if page.next is None:
                return done
            page_query = replace(page_query, after=page.next)

    def _change_some(self, jobs: Sequence[Job], change: Change, done: BulkChange) -> BulkChange:
        now = self._storage().now()
        updates = {job.id: update for job in jobs if (update := _if_legal(change, job, now)) is not None}
        written = self._storage().update(list(updates.values()))
        for job in jobs:
            if job.id in written:
                self._filters.state_changed(job, job.state, updates[job.id].state)
        return BulkChange(
            changed=done.changed + len(written),
            skipped=done.skipped + len(jobs) - len(updates),
            failed=done.failed + len(updates) - len(written),
        )

    # -- how

    def _change(self, job_id: UUID | str, change: Change) -> None:
        """Read, decide, write if nothing changed meanwhile; again when something did."""
        for _ in range(TRIES):
            job = self.get(job_id)
            update = change(job, self._storage().now())
            if update is None:
                return
            if self._storage().update([update]):
                self._filters.state_changed(job, job.state, update.state)
                return
        raise ConcurrentJobModificationError(JobId.of(job_id), TRIES)

    def _moment(self, when: datetime | timedelta) -> datetime:
        if not isinstance(when, datetime | timedelta):
            raise OptionError(f"{when!r} is no time for a job; it is a datetime with a time zone, or a timedelta from now.")
        if isinstance(when, datetime) and when.tzinfo is None:
            raise OptionError(f"{when!r} has no time zone; write datetime(..., tzinfo=UTC), or a timedelta from now.")
        try:
            return (self._storage().now() + when if isinstance(when, timedelta) else when).astimezone(UTC)
        except OverflowError:
            raise OptionError(f"{when!r} is too far away: years have four digits.") from None


def _if_legal(change: Change, job: Job, now: datetime) -> JobUpdate | None:
    """The update; None when the job may not make this move, or made it already."""
    try:
        return change(job, now)
    except IllegalJobStateChangeError:
        return None


def _name(by: str | None) -> str | None:
    return None if by is None else storable(by, MAX_NAME_LENGTH)
