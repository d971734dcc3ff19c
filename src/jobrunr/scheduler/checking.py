"""What people pass to find and to steer jobs, checked."""

from __future__ import annotations

from datetime import datetime

from jobrunr.errors import OptionError
from jobrunr.states import JobState
from jobrunr.storage.contract import JobOrder, JobQuery
from jobrunr.texts import storable

MAX_REASON_LENGTH = 2000
"""Characters of a reason that are kept."""
MAX_PAGE = 10_000
"""Jobs."""

_TEXTS = ("queue", "label", "target", "recurring_job_id", "server", "text", "fingerprint", "after")
_MOMENTS = ("created_from", "created_until", "changed_from", "changed_until")


def checked_query(query: JobQuery) -> JobQuery:
    """A query that can be asked.

    Raises:
        OptionError: it says something that cannot be.
    """
    if query.state is not None and not isinstance(query.state, JobState):
        raise OptionError(f"state cannot be {query.state!r}; it is one of JobState, such as JobState.FAILED.")
    if not isinstance(query.order, JobOrder):
        raise OptionError(f"order cannot be {query.order!r:.200}; it is JobOrder.NEWEST or JobOrder.OLDEST.")
    for name in _MOMENTS:
        moment: object = getattr(query, name)
        if moment is not None and (not isinstance(moment, datetime) or moment.utcoffset() is None):
            raise OptionError(f"{name} cannot be {moment!r:.200}; it is a datetime with a time zone.")
    for name in _TEXTS:
        value: object = getattr(query, name)
        if value is not None and not isinstance(value, str):
            raise OptionError(f"{name} cannot be {value!r:.200}; it is a text, or None for any.")
    if type(query.limit) is not int or not 1 <= query.limit <= MAX_PAGE:
        raise OptionError(f"limit cannot be {query.limit!r:.200}; it is a number from 1 to {MAX_PAGE}. Go on with `after`.")
    return query


def checked_reason(reason: str) -> str:
    """A reason as it is kept: what no database takes is replaced, and the end of a very long one is cut off.

    Raises:
        OptionError: it is no text.
    """
    if not isinstance(reason, str):  # pyright: ignore[reportUnnecessaryIsInstance] - not everybody has a type checker
        raise OptionError(f"reason cannot be {reason!r:.200}; it is a text.")
    return storable(reason, MAX_REASON_LENGTH)
