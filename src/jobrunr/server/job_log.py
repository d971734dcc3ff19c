"""What became of a run, as a line in the log."""

from __future__ import annotations

import logging

from jobrunr.durations import format_duration
from jobrunr.history import read_lines
from jobrunr.server.run import Outcome
from jobrunr.states import JobState

_log = logging.getLogger("jobrunr.job")


def log_outcome(outcome: Outcome) -> None:
    """One line for the end of a run, after it was written: INFO when it went well, WARNING before a retry, ERROR when the
    job is given up."""
    job, update = outcome.job, outcome.update
    if update.state is JobState.SUCCEEDED:
        if _log.isEnabledFor(logging.INFO):
            _log.info("job %s (%s) succeeded after %s", job.id, job.name, _run_time(outcome))
    elif outcome.final_failure is not None:
        _log.error("job %s (%s) failed after %s: %s", job.id, job.name, _run_time(outcome), _why(outcome))
    elif len(outcome.changes) > 1:
        again = format_duration(update.run_at - update.at) if update.run_at else "no time"
        why = _why(outcome)
        _log.warning(
            "job %s (%s) failed after %s: %s; %s in %s", job.id, job.name, _run_time(outcome), why, update.reason, again
        )
    else:
        _log.info("job %s (%s) is %s: %s", job.id, job.name, update.state, update.reason)


def _run_time(outcome: Outcome) -> str:
    started_at = outcome.job.started_at
    return format_duration(outcome.update.at - started_at) if started_at is not None else "an unknown time"


def _why(outcome: Outcome) -> str:
    """The exception of the attempt that ended, on one line."""
    exceptions = [change.exception for change in read_lines(outcome.update.past) if change.exception]
    if not exceptions:
        return "for an unknown reason"
    last = exceptions[-1]
    return f"{last.type.removeprefix('builtins.')}: {' '.join(last.message.split())}"
