"""Looking at the jobs that are there, and steering them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from jobrunr.context import METADATA
from jobrunr.errors import ConcurrentJobModificationError, JobNotFoundError, OptionError
from jobrunr.filters import JobFilters
from jobrunr.ids import JobId
from jobrunr.jobs import ANYTHING, Job, JobUpdate, decode_stored
from jobrunr.progress import PROGRESS, Progress
from jobrunr.states import JobState
from jobrunr.storage.contract import JobPage, JobQuery, LogLine, StorageProvider
from jobrunr.transitions import delete, requeue, reschedule

TRIES = 5
"""How often a change by hand is tried when the job changes meanwhile."""


class JobSteering:
    """What can be done with jobs that were made: the half of a `JobScheduler` that makes none."""

    def __init__(self, storage: Callable[[], StorageProvider], filters: JobFilters) -> None:
        self._storage = storage
        self._filters = filters

    # -- looking at jobs

    def get(self, job_id: UUID | str) -> Job:
        """One job, as it is now.

        Raises:
            JobNotFoundError: there is none with this id (any more).
            ValueError: this is no id.
        """
        job = self._storage().get(JobId.of(job_id))
        if job is None:
            raise JobNotFoundError(JobId.of(job_id))
        return job

    def find(
        self,
        *,
        state: JobState | None = None,
        queue: str | None = None,
        label: str | None = None,
        target: str | None = None,
        recurring_job_id: str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> JobPage:
        """Jobs, newest first.

        Arguments:
            state, queue, label, target, recurring_job_id: only those; everything else passes.
            limit: how many at most, up to 10000.
            after: where the page before ended (`JobPage.next`).

        >>> page = jobs.find(state=JobState.ENQUEUED, limit=10)
        """
        if state is not None and not isinstance(state, JobState):
            raise OptionError(f"state cannot be {state!r}; it is one of JobState, such as JobState.FAILED.")
        query = JobQuery(
            state=state,
            queue=queue,
            label=label,
            target=target,
            recurring_job_id=recurring_job_id,
            limit=limit,
            after=after,
        )
        return self._storage().find(query)

    def counts(self) -> dict[JobState, int]:
        """How many jobs are in each state."""
        return self._storage().counts()

    def logs(self, job_id: UUID | str) -> tuple[LogLine, ...]:
        """What a job logged, attempt by attempt."""
        return self._storage().logs(JobId.of(job_id))

    def metadata(self, job_id: UUID | str) -> dict[str, Any]:
        """The metadata that a job keeps.

        Raises:
            UnreadableJobError: what is stored is no JSON.
        """
        job_id = JobId.of(job_id)
        return {
            key.removeprefix(METADATA): decode_stored(job_id, key, value, ANYTHING)
            for key, value in self._storage().data(job_id).items()
            if key.startswith(METADATA) and value
        }

    def progress(self, job_id: UUID | str) -> Progress | None:
        """The progress of the newest attempt that reported any.

        Raises:
            UnreadableJobError: what is stored is no progress.
        """
        job_id = JobId.of(job_id)
        bars = {key: value for key, value in self._storage().data(job_id).items() if _PROGRESS_KEY.fullmatch(key)}
        if not bars:
            return None
        newest = max(bars, key=lambda key: int(key.removeprefix(PROGRESS)))
        return decode_stored(job_id, newest, bars[newest], _progress)

    # -- steering jobs

    def delete(self, job_id: UUID | str, reason: str = "deleted through the scheduler") -> None:
        """Withdraw a job. One that runs is cancelled within a second. Deleting a deleted job changes nothing.

        Raises:
            JobNotFoundError: there is none with this id.
        """
        self._change(job_id, lambda job, now: delete(job, now, reason))

    def requeue(self, job_id: UUID | str, reason: str = "requeued through the scheduler") -> None:
        """Run a job now, whether it waits, has failed, has succeeded or was deleted. Failures are counted anew.

        Requeueing an enqueued job changes nothing.

        Raises:
            JobNotFoundError: there is none with this id.
            IllegalJobStateChangeError: it runs at this moment.
        """
        self._change(job_id, lambda job, now: requeue(job, now, reason))

    def reschedule(
        self, job_id: UUID | str, when: datetime | timedelta, reason: str = "rescheduled through the scheduler"
    ) -> None:
        """Run a job at another time. Failures are counted anew.

        Raises:
            JobNotFoundError: there is none with this id.
            IllegalJobStateChangeError: it runs at this moment.
            OptionError: the datetime has no time zone.
        """
        run_at = self._moment(when)
        self._change(job_id, lambda job, now: reschedule(job, now, run_at, reason))

    def _change(self, job_id: UUID | str, change: Callable[[Job, datetime], JobUpdate | None]) -> None:
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


_PROGRESS_KEY = re.compile(re.escape(PROGRESS) + "[0-9]{1,18}")
_progress = msgspec.json.Decoder(Progress)
