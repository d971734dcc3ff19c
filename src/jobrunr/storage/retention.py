"""How long things stay that are over."""

from __future__ import annotations

from datetime import timedelta

import msgspec


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """How long finished jobs stay, for those that have no rule of their own. None keeps them for ever."""

    delete_succeeded_after: timedelta | None = timedelta(hours=36)
    delete_failed_after: timedelta | None = None
    purge_deleted_after: timedelta | None = timedelta(hours=72)
    forget_runs_after: timedelta = timedelta(days=7)
    """How long is kept which job was made for which time of a recurring job."""
    forget_skips_after: timedelta = timedelta(days=90)
    """How long is kept which runs of a recurring job were skipped, and why."""
    forget_audit_after: timedelta = timedelta(days=90)
    """How long is kept who changed what by hand."""
