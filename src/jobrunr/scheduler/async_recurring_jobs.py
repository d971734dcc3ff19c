"""Registering and steering recurring jobs, awaited."""

from __future__ import annotations

from jobrunr.scheduler.awaited import Awaited, awaited
from jobrunr.scheduler.recurring_jobs import RecurringJobs


class AsyncRecurringJobs(Awaited):
    """The recurring jobs of a storage: `AsyncJobScheduler.recurring`."""

    list = awaited(RecurringJobs.list)
    get = awaited(RecurringJobs.get)
    runs = awaited(RecurringJobs.runs)
    next_runs = awaited(RecurringJobs.next_runs)
    schedule_of = awaited(RecurringJobs.schedule_of)
    pause = awaited(RecurringJobs.pause)
    resume = awaited(RecurringJobs.resume)
    trigger = awaited(RecurringJobs.trigger)
    delete = awaited(RecurringJobs.delete)
    forget = awaited(RecurringJobs.forget)
    register = awaited(RecurringJobs.register)
    register_declared = awaited(RecurringJobs.register_declared)
    filters_of = awaited(RecurringJobs.filters_of)
