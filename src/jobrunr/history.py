"""What happened to a job, state by state.

Finished attempts are kept as lines of JSON that are only ever appended to. The attempt that is under way is not written
there: the columns of the job's row say all about it (see `jobrunr.jobs.Job.history`), so that the hot moves touch few bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import msgspec

from jobrunr.states import JobState


class ExceptionRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """An exception as plain data. It is never turned back into an exception object."""

    type: str
    """Module and name of the exception's class, for example ``builtins.ValueError``."""
    message: str
    traceback: str = ""
    """The formatted traceback with its chain of causes, cut in the middle when it is long."""
    place: str = ""
    """Where it was raised, ``shop/mail.py:42 in send``: the innermost frame that lies neither in an installed package nor in
    the standard library, or just the innermost."""


class StateChange(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One entry of a job's history: the state that began at a moment, and what is known about why."""

    state: JobState
    at: datetime
    reason: str | None = None
    run_at: datetime | None = None
    """For SCHEDULED: when the job is due."""
    server_id: UUID | None = None
    server_name: str | None = None
    attempt: int | None = None
    """For PROCESSING: 1 for the first time that a server took the job."""
    exception: ExceptionRecord | None = None
    by: str | None = None
    """Who did it, if somebody did it by hand."""


def is_left(change: StateChange, following: StateChange | None) -> bool:
    """Whether this entry and the next say that a server took a job and left it for others, because it does not know it:
    from PROCESSING to SCHEDULED a job goes for no other reason. It did not run."""
    return following is not None and (change.state, following.state) == (JobState.PROCESSING, JobState.SCHEDULED)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(StateChange)


def write_lines(changes: Iterable[StateChange]) -> str:
    """Encode changes as the lines to append to a job's stored history."""
    return "".join(_encoder.encode(change).decode() + "\n" for change in changes)


def read_lines(lines: str) -> tuple[StateChange, ...]:
    """Decode stored history. A line that this version cannot read becomes an entry that says so; the rest is kept."""
    # Not splitlines(): it also breaks at characters that JSON leaves as they are inside a text (U+2028, U+0085).
    return tuple(_read_line(line) for line in lines.split("\n") if line)


def _read_line(line: str) -> StateChange:
    try:
        return _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        return StateChange(
            state=JobState.FAILED, at=_NO_TIME, reason=f"This entry of the history cannot be read ({error}): {line[:200]}"
        )


_NO_TIME = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
