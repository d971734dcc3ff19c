"""What is due, and what will be."""

from __future__ import annotations

from datetime import datetime

import msgspec

from jobrunr.recurring_job import RecurringJob


class Promotion(msgspec.Struct, frozen=True):
    """What `promote` did and what is next."""

    count: int
    next_run_at: datetime | None
    """When the next SCHEDULED job is due; may be past when `limit` was reached."""
    next_look_at: datetime | None = None
    """When the next recurring job wants to be looked at; may be past."""
    is_awaited: bool = False
    """Whether jobs are AWAITING that prefer a time."""


class DueRecurringJob(msgspec.Struct, frozen=True):
    """A recurring job whose time has come, or one whose row cannot be read."""

    job: RecurringJob
    live: int
    """How many of its jobs are ENQUEUED, PROCESSING, PROCESSED, or SCHEDULED and due."""
    waiting: int
    """How many of its jobs are AWAITING or SCHEDULED for later: those that wait for a retry, for example."""
