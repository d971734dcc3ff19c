"""Jobs whose server went away while it ran them. Their histories tell."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from jobrunr.errors import ServerLostError
from jobrunr.jobs import Job
from jobrunr.storage.contract import JobQuery, StorageProvider

LATELY = timedelta(hours=1)
MOST = 20
PATIENCE = timedelta(seconds=0.3)
TEXT = ServerLostError.__name__
"""By which a search finds them."""


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """The jobs that were found."""

    since: datetime
    jobs: Sequence[Job]


def find_lost(storage: StorageProvider) -> Lost:
    """Find some of them, as far as that is quick."""
    since = storage.now() - LATELY
    return Lost(since=since, jobs=storage.find(JobQuery(text=TEXT, changed_from=since, limit=MOST, patience=PATIENCE)).jobs)
