"""A job with everything that there is to say about it."""

from __future__ import annotations

from contextlib import suppress

import msgspec

from jobrunr.dashboard.showing.brief import exception_in_a_line, name_of
from jobrunr.dashboard.showing.command_lines import enqueue_line, job_line
from jobrunr.dashboard.showing.log_lines import Line, newest_lines
from jobrunr.dashboard.showing.timeline import Attempt, Entry, attempts_of, entries_of
from jobrunr.dashboard.showing.tracebacks import Piece, pieces_of
from jobrunr.dashboard.site import Site
from jobrunr.history import ExceptionRecord
from jobrunr.job_texts import arguments_as_code, crashes_in_words, cut, labels_of, metadata_of, way_of_running
from jobrunr.jobs import Job
from jobrunr.states import JobState

LONGEST_LINE = 80
"""Characters of a call that stays on one line."""
LONGEST_JSON = 100_000


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """What the page of a job shows of it, redacted."""

    job: Job
    name: str
    labels: tuple[str, ...]
    way: str | None
    """Where it runs and for how long, if it says so."""
    crashes: str | None
    """How often its process died while it ran, and what that means; None when it never did."""
    entries: list[Entry]
    attempts: list[Attempt]
    log: dict[int, list[Line]]
    is_log_cut: bool
    result: str | None
    metadata: dict[str, str]
    failure: str | None
    """With what the last attempt failed, in a line."""


def details(site: Site, job: Job) -> Details:
    """Everything about a job that moves."""
    now = site.storage.now()
    kept = site.storage.data(job.id)
    log, is_log_cut = newest_lines(site, job)
    last = job.last_exception
    has_failed = last is not None and last.exception is not None and job.state is not JobState.SUCCEEDED
    return Details(
        job=job,
        name=name_of(site, job),
        labels=labels_of(job),
        way=way_of_running(job),
        crashes=crashes_in_words(job),
        entries=entries_of(job, now),
        attempts=attempts_of(job, kept, now),
        log=log,
        is_log_cut=is_log_cut,
        result=None if job.result_json is None else pretty(site.redact("result", job.result_json)),
        metadata={key: pretty(site.redact("metadata", value)) for key, value in metadata_of(kept).items()},
        failure=exception_in_a_line(site, last.exception) if has_failed and last and last.exception else None,
    )


def call_of(site: Site, job: Job) -> str:
    """What a job calls, as one would write it.

    A long call takes a line for each argument.
    """
    arguments = site.redact("arguments", job.details.arguments)
    function = job.target.replace(":", ".", 1)
    written = arguments_as_code(arguments)
    if written is None:
        return f"{function}({cut(arguments)})"
    in_a_line = f"{function}({', '.join(written)})"
    if len(in_a_line) <= LONGEST_LINE or not written:
        return in_a_line
    return "\n".join([f"{function}(", *(f"    {argument}," for argument in written), ")"])


def commands_of(site: Site, job: Job) -> list[str]:
    """What to type to do it again."""
    arguments = site.redact("arguments", job.details.arguments)
    anew = enqueue_line(job, arguments) if arguments == job.details.arguments else None
    return [line for line in (anew, job_line("requeue", job), job_line("show", job)) if line is not None]


def traceback_of(site: Site, exception: ExceptionRecord) -> list[Piece]:
    """The traceback of an exception, taken apart; its type and message when there is none."""
    text = exception.traceback or f"{exception.type}: {exception.message}"
    return pieces_of(site.redact("exception", text))


def pretty(text: str) -> str:
    """JSON, indented; what is none, as it is."""
    with suppress(msgspec.MsgspecError, UnicodeError, RecursionError):
        text = msgspec.json.format(text)
    return text if len(text) <= LONGEST_JSON else f"{text[:LONGEST_JSON]}… ({len(text):,} characters)"
