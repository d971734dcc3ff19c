"""The life of a job, entry by entry and attempt by attempt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import msgspec

from jobrunr.history import ExceptionRecord, StateChange, is_left
from jobrunr.job_texts import progress_of
from jobrunr.jobs import Job
from jobrunr.progress import Progress
from jobrunr.states import FINISHED, JobState


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A state, and how long the job was in it."""

    change: StateChange
    lasted: timedelta | None
    """None for an end, and where it is not worth saying."""
    verb: str = ""
    """What the job did meanwhile, such as "waited"."""
    attempt: int | None = None
    """The attempt that this is the beginning or the end of."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One run."""

    number: int
    begun: StateChange
    lasted: timedelta
    end: StateChange | None
    """None while it goes on."""
    progress: Progress | None

    @property
    def is_left(self) -> bool:
        """Whether it was left for other servers, and did not run."""
        return is_left(self.begun, self.end)

    @property
    def exception(self) -> ExceptionRecord | None:
        """What it failed with."""
        return None if self.end is None else self.end.exception


def entries_of(job: Job, now: datetime) -> list[Entry]:
    """The history, oldest first, up to now."""
    history = job.history
    ends: list[datetime | None] = [None if is_left(change, later) else later.at for change, later in pairwise(history)]
    ends.append(None if job.state in FINISHED else now)
    entries = []
    attempt: int | None = None
    for number, (change, end) in enumerate(zip(history, ends, strict=True)):
        attempt = change.attempt or (attempt if change.state in FINISHED else None)
        entries.append(_entry(change, end, attempt, is_last=number == len(history) - 1))
        attempt = None if change.state in FINISHED else attempt
    return entries


def _entry(change: StateChange, end: datetime | None, attempt: int | None, *, is_last: bool) -> Entry:
    lasted = None if end is None else max(end - change.at, timedelta())
    if lasted is None or (change.state in FINISHED and not lasted):  # a failure with a retry lasts no time at all
        return Entry(change=change, lasted=None, attempt=attempt)
    lasted = _in_whole_seconds(lasted) if is_last else lasted
    if change.state is JobState.PROCESSING:
        verb = "has run for" if is_last else "ran for"
    elif change.state in FINISHED:
        verb = "for"
    else:
        verb = "has waited for" if is_last else "waited for"
    return Entry(change=change, lasted=lasted, verb=verb, attempt=attempt)


def attempts_of(job: Job, kept: Mapping[str, str], now: datetime) -> list[Attempt]:
    """The runs of a job, oldest first. One that never began and was handed back gives its number to the next.

    Arguments:
        kept: what the job keeps; the progress of its attempts is in it.
    """
    bars = progress_of(kept)
    attempts: dict[int, Attempt] = {}
    following: Sequence[StateChange | None] = (*job.history[1:], None)
    for change, end in zip(job.history, following, strict=False):
        if change.attempt is not None:
            attempts[change.attempt] = Attempt(
                number=change.attempt,
                begun=change,
                lasted=_in_whole_seconds(now - change.at) if end is None else end.at - change.at,
                end=end,
                progress=_progress(bars.get(str(change.attempt))),
            )
    return list(attempts.values())


def _progress(text: str | None) -> Progress | None:
    try:
        return None if text is None else msgspec.json.decode(text, type=Progress)
    except (msgspec.MsgspecError, UnicodeError):
        return None


def _in_whole_seconds(duration: timedelta) -> timedelta:
    """What still grows, without fractions: it moves once a second."""
    return timedelta(seconds=max(round(duration.total_seconds()), 0))
