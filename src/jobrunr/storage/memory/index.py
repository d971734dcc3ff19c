"""The jobs, and every order in which somebody asks for them, so that no work of a server looks at finished jobs."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from jobrunr.jobs import Job
from jobrunr.states import FINISHED, JobState
from jobrunr.storage.contract import FailureGroup, JobOrder, JobQuery
from jobrunr.storage.memory.order import Order
from jobrunr.storage.query import fits, place, read_cursor

Name = TypeVar("Name")


class JobIndex:
    """All jobs of a storage. Not for two threads at once."""

    def __init__(self) -> None:
        self._jobs: dict[UUID, Job] = {}
        self._by_state: dict[JobState, dict[UUID, Job]] = {state: {} for state in JobState}
        self._by_server: dict[UUID | None, dict[UUID, Job]] = {}
        self._by_queue: dict[str, Order[UUID]] = {}
        self._waiting = Order[UUID]()
        self._due = Order[UUID]()
        self._ageing = {state: Order[UUID]() for state in FINISHED}
        self._expiring = {state: Order[UUID]() for state in FINISHED}
        self._refilled: set[str] = set()
        self._of_recurring: dict[str, dict[UUID, Job]] = {}
        """Those that are not finished, by recurring job."""
        self.was_scheduled = False
        """Whether a job was SCHEDULED since somebody last set this to false."""

    # -- changing

    def put(self, job: Job) -> None:
        """Store a job, in place of what it was before."""
        self.remove(job.id)
        self._jobs[job.id] = self._by_state[job.state][job.id] = job
        for order, key in self._orders(job):
            order.add(job.id, key)
        if job.state is JobState.PROCESSING:
            self._by_server.setdefault(job.server_id, {})[job.id] = job
        if job.state is JobState.ENQUEUED:
            self._refilled.add(job.queue)
        if job.state is JobState.SCHEDULED:
            self.was_scheduled = True
        if job.recurring_job_id is not None and job.state not in FINISHED:
            self._of_recurring.setdefault(job.recurring_job_id, {})[job.id] = job

    def remove(self, job_id: UUID) -> None:
        """Forget a job."""
        job = self._jobs.pop(job_id, None)
        if job is None:
            return
        del self._by_state[job.state][job_id]
        for order, _ in self._orders(job):
            order.remove(job_id)
        if job.state is JobState.PROCESSING:
            _drop(self._by_server, job.server_id, job_id)
        if job.recurring_job_id is not None and job.state not in FINISHED:
            _drop(self._of_recurring, job.recurring_job_id, job_id)
        if job.state is JobState.ENQUEUED and not self._by_queue[job.queue]:
            del self._by_queue[job.queue]

    def take_refilled(self) -> set[str]:
        """The queues that got jobs since the last call."""
        refilled, self._refilled = self._refilled, set()
        return refilled

    def _orders(self, job: Job) -> Iterator[tuple[Order[UUID], Any]]:
        """Where a job stands in line, and with which key."""
        if job.state is JobState.ENQUEUED:
            yield self._by_queue.setdefault(job.queue, Order[UUID]()), (-job.priority, job.state_at)
            yield self._waiting, job.state_at
        elif job.state is JobState.SCHEDULED and job.run_at is not None:
            yield self._due, job.run_at
        elif job.state in FINISHED and job.expires_at is None:
            yield self._ageing[job.state], job.state_at
        elif job.state in FINISHED:
            yield self._expiring[job.state], job.expires_at

    # -- looking

    def get(self, job_id: UUID) -> Job | None:
        return self._jobs.get(job_id)

    def counts(self) -> dict[JobState, int]:
        return {state: len(jobs) for state, jobs in self._by_state.items()}

    def first_enqueued(self, queues: Collection[str]) -> Job | None:
        """The job to run next; out of all queues when none is named."""
        orders = self._by_queue.values() if not queues else [self._by_queue[q] for q in queues if q in self._by_queue]
        heads = [head for order in orders if (head := order.first()) is not None]
        return self._jobs[min(heads)[1]] if heads else None

    def oldest_enqueued_at(self) -> datetime | None:
        job = self._first(self._waiting)
        return None if job is None else job.state_at

    def next_run_at(self) -> datetime | None:
        job = self._first(self._due)
        return None if job is None else job.run_at

    def first_due(self, now: datetime) -> Job | None:
        """The scheduled job that is overdue for the longest."""
        job = self._first(self._due)
        return job if job is not None and job.run_at is not None and job.run_at <= now else None

    def first_over(self, state: JobState, keep: timedelta | None, now: datetime) -> Job | None:
        """A job in this state whose time is over: by its own rule, or because it has none and was kept for so long."""
        job = self._first(self._expiring[state])
        if job is not None and job.expires_at is not None and job.expires_at <= now:
            return job
        job = self._first(self._ageing[state])
        return job if job is not None and keep is not None and now - job.state_at >= keep else None

    def awaiting(self, limit: int, after: Job | None) -> list[Job]:
        """Those that are AWAITING and have a time, the earliest first."""
        waiting = self._by_state[JobState.AWAITING].values()
        timed = [(job.run_at, job.id, job) for job in waiting if job.run_at is not None]
        if after is not None and after.run_at is not None:
            last = after.run_at, after.id
            timed = [entry for entry in timed if entry[:2] > last]
        return [job for _, _, job in heapq.nsmallest(limit, timed, key=lambda entry: entry[:2])]

    def processing_elsewhere(self, servers: Collection[UUID]) -> Iterator[Job]:
        """What is PROCESSING on other servers than these."""
        for server_id, jobs in self._by_server.items():
            if server_id not in servers:
                yield from jobs.values()

    def processing_at(self, server_id: UUID) -> Collection[Job]:
        """What is PROCESSING on this server."""
        return self._by_server.get(server_id, {}).values()

    def live_and_waiting(self, recurring_job_id: str, now: datetime) -> tuple[int, int]:
        """How many jobs of a recurring job are due or running, and how many wait for a time to come."""
        jobs = self._of_recurring.get(recurring_job_id, {}).values()
        live = sum(job.state is not JobState.AWAITING and not _is_ahead(job, now) for job in jobs)
        return live, len(jobs) - live

    def find(self, query: JobQuery, limit: int) -> list[Job]:
        """Up to `limit` jobs that a query asks for and that come behind its cursor."""
        after = None if query.after is None else read_cursor(query.after)
        found = self._asked_for(query)
        if query.order is JobOrder.OLDEST:
            behind = (job for job in found if after is None or place(job, query) > after)
            return heapq.nsmallest(limit, behind, key=lambda job: place(job, query))
        behind = (job for job in found if after is None or place(job, query) < after)
        return heapq.nlargest(limit, behind, key=lambda job: place(job, query))

    def count(self, query: JobQuery) -> int:
        return sum(1 for _ in self._asked_for(query))

    def failures(self, limit: int) -> list[FailureGroup]:
        """FAILED jobs by fingerprint, the group that failed last first."""
        groups: dict[str, list[Job]] = {}
        for job in self._by_state[JobState.FAILED].values():
            if job.fingerprint is not None:
                groups.setdefault(job.fingerprint, []).append(job)
        found = [_failure_group(fingerprint, jobs) for fingerprint, jobs in groups.items()]
        return heapq.nlargest(limit, found, key=lambda group: (group.last_at, group.fingerprint))

    def _asked_for(self, query: JobQuery) -> Iterator[Job]:
        jobs = self._jobs if query.state is None else self._by_state[query.state]
        return (job for job in jobs.values() if fits(job, query))

    def _first(self, order: Order[UUID]) -> Job | None:
        head = order.first()
        return None if head is None else self._jobs[head[1]]


def _failure_group(fingerprint: str, jobs: list[Job]) -> FailureGroup:
    last = max(jobs, key=lambda job: (job.state_at, job.id))
    return FailureGroup(fingerprint, len(jobs), min(job.state_at for job in jobs), last.state_at, last)


def _is_ahead(job: Job, now: datetime) -> bool:
    return job.state is JobState.SCHEDULED and (job.run_at is None or job.run_at > now)


def _drop(groups: dict[Name, dict[UUID, Job]], name: Name, job_id: UUID) -> None:
    """Take a job out of its group, and the group away when nothing is left in it."""
    del groups[name][job_id]
    if not groups[name]:
        del groups[name]
