"""Looking at the jobs that are there."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from jobrunr.context import METADATA
from jobrunr.errors import JobNotFoundError
from jobrunr.ids import JobId
from jobrunr.jobs import ANYTHING, Job, decode_stored
from jobrunr.progress import PROGRESS, Progress
from jobrunr.scheduler.checking import checked_query
from jobrunr.states import JobState
from jobrunr.storage.contract import FailureGroup, JobCount, JobOrder, JobPage, JobQuery, LogLine, StorageProvider


class JobLooking:
    """What can be known about jobs that were made."""

    def __init__(self, storage: Callable[[], StorageProvider]) -> None:
        self._storage = storage

    def get(self, job_id: UUID | str) -> Job:
        """One job, as it is now.

        Raises:
            JobNotFoundError: there is none with this id (any more).
            WrongIdError: this is no id.
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
        server: str | None = None,
        text: str | None = None,
        fingerprint: str | None = None,
        created_from: datetime | None = None,
        created_until: datetime | None = None,
        changed_from: datetime | None = None,
        changed_until: datetime | None = None,
        order: JobOrder = JobOrder.NEWEST,
        limit: int = 50,
        after: str | None = None,
        patience: timedelta | None = None,
    ) -> JobPage:
        """Jobs, newest first: by the moment the state began when `state` is given, else by creation. With a range of one of
        these moments and none of the other, by the moment that has a range.

        Arguments:
            state, queue, label, target, recurring_job_id: only those; everything else passes.
            server: the name of the server that has the job, or had it last.
            text: stands somewhere in the name, the target or an exception of the history, in upper or lower case.
            fingerprint: of the last failure, as in `failures`.
            created_from, created_until: made in this time; the end does not belong to it.
            changed_from, changed_until: in its present state since this time; the end does not belong to it.
            order: the newest first, or the oldest.
            limit: how many at most, up to 10000.
            after: where the page before ended (`JobPage.next`).
            patience: how long to search at most; the page says where it stopped (`JobPage.searched_to`), and its `next`
                goes on from there. By default the search ends when the page is full or everything was searched.

        Raises:
            OptionError: one of these cannot be.

        >>> page = jobs.find(state=JobState.FAILED, text="time-out", limit=10)
        """
        query = JobQuery(
            state=state,
            queue=queue,
            label=label,
            target=target,
            recurring_job_id=recurring_job_id,
            server=server,
            text=text,
            fingerprint=fingerprint,
            created_from=created_from,
            created_until=created_until,
            changed_from=changed_from,
            changed_until=changed_until,
            order=order,
            limit=limit,
            after=after,
            patience=patience,
        )
        return self._storage().find(checked_query(query))

    def count(
        self,
        *,
        state: JobState | None = None,
        queue: str | None = None,
        label: str | None = None,
        target: str | None = None,
        recurring_job_id: str | None = None,
        server: str | None = None,
        text: str | None = None,
        fingerprint: str | None = None,
        created_from: datetime | None = None,
        created_until: datetime | None = None,
        changed_from: datetime | None = None,
        changed_until: datetime | None = None,
        patience: timedelta | None = None,
    ) -> JobCount:
        """How many jobs there are. Costs nothing when only `state` is given, or nothing at all.

        Arguments:
            patience: how long to count at most; what it says then is a number of which there are at least so many.

        The others are as in `find`.

        >>> jobs.count(state=JobState.FAILED, queue="mail", patience=timedelta(seconds=1))
        JobCount(number=0, is_exact=True)
        """
        query = JobQuery(
            state=state,
            queue=queue,
            label=label,
            target=target,
            recurring_job_id=recurring_job_id,
            server=server,
            text=text,
            fingerprint=fingerprint,
            created_from=created_from,
            created_until=created_until,
            changed_from=changed_from,
            changed_until=changed_until,
            patience=patience,
        )
        return self._storage().count(checked_query(query))

    def failures(self, limit: int = 50) -> list[FailureGroup]:
        """Which FAILED jobs failed alike: the same target, the same exception, at the same place. The failure that happened
        last comes first.

        >>> [(group.count, group.example.target) for group in jobs.failures()]
        []
        """
        return self._storage().failures(limit)

    def counts(self) -> dict[JobState, int]:
        """How many jobs are in each state."""
        return self._storage().counts()

    def logs(
        self, job_id: UUID | str, *, after: tuple[int, int] | None = None, limit: int | None = None
    ) -> tuple[LogLine, ...]:
        """What a job logged, attempt by attempt.

        Arguments:
            after: only what comes behind this attempt and number of a line (`LogLine.seq`).
            limit: how many lines at most.
        """
        return self._storage().logs(JobId.of(job_id), after=after, limit=limit)

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


_PROGRESS_KEY = re.compile(re.escape(PROGRESS) + "[0-9]{1,18}")
_progress = msgspec.json.Decoder(Progress)
