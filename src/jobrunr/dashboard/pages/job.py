"""Everything about one job."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from starlette.responses import Response

from jobrunr.dashboard.access import User
from jobrunr.dashboard.answers import go_to, page
from jobrunr.dashboard.call import Call
from jobrunr.dashboard.live import Fragments
from jobrunr.dashboard.operations import delete_job, requeue_job, run_job_now
from jobrunr.dashboard.refusal import Refusal
from jobrunr.dashboard.showing import templates
from jobrunr.dashboard.showing.brief import exception_in_a_line, name_of
from jobrunr.dashboard.showing.details import Details, call_of, commands_of, details, traceback_of
from jobrunr.dashboard.showing.log_lines import by_attempt
from jobrunr.dashboard.site import Site
from jobrunr.errors import JobNotFoundError
from jobrunr.ids import JobId
from jobrunr.jobs import Job
from jobrunr.misfits import why_not
from jobrunr.states import FINISHED, MOVES, JobState

MOST_AUDITS = 50
LINES_OF_A_PAGE = 1000

REQUEUE = [state for state in JobState if state in FINISHED and JobState.ENQUEUED in MOVES[state]]
"""States from which a job can be run again."""
RUN_NOW = [
    state
    for state in JobState
    if state not in FINISHED and state is not JobState.PROCESSING and JobState.ENQUEUED in MOVES[state]
]
"""States in which a job waits, but need not."""
DELETE = [state for state in JobState if JobState.DELETED in MOVES[state]]


def job(call: Call) -> Response:
    """The page."""
    try:
        found = call.site.scheduler.get(call.path["id"])
    except (JobNotFoundError, ValueError):
        return page(call, "no_job.html", status=404)
    return page(
        call,
        "job.html",
        d=details(call.site, found),
        trace=partial(traceback_of, call.site),
        line=partial(exception_in_a_line, call.site),
        code=call_of(call.site, found),
        commands=commands_of(call.site, found),
        misfit=_misfit(call.site, found),
        audits=call.site.storage.audits(str(found.id), MOST_AUDITS),
        moves=(("requeue", "Requeue", REQUEUE), ("run", "Run now", RUN_NOW), ("delete", "Delete", DELETE)),
    )


def log(call: Call) -> Response:
    """All of its log, some lines a page."""
    found = _found(call)
    lines = call.site.storage.logs(found.id, after=_place(call.query.get("after")), limit=LINES_OF_A_PAGE + 1)
    shown = lines[:LINES_OF_A_PAGE]
    after = f"{shown[-1].attempt}-{shown[-1].seq}" if len(lines) > len(shown) else None
    return page(
        call,
        "job_log.html",
        job=found,
        name=name_of(call.site, found),
        log=by_attempt(call.site, shown),
        after=after,
        is_first="after" not in call.query,
    )


def requeue(call: Call) -> Response:
    """Run it again."""
    return _steer(call, requeue_job)


def run_now(call: Call) -> Response:
    """Let it wait no longer."""
    return _steer(call, run_job_now)


def delete(call: Call) -> Response:
    """Withdraw it."""
    return _steer(call, delete_job)


def job_topic(site: Site, job_id: str) -> Fragments:
    """What moves on the page of a job."""
    found = site.storage.get(JobId.of(job_id))
    return {} if found is None else fragments(site, details(site, found))


def fragments(site: Site, d: Details) -> Fragments:
    """The parts of the page that move."""
    parts: Any = templates.get_template("parts/job.html").make_module(
        {"d": d, "trace": partial(traceback_of, site), "line": partial(exception_in_a_line, site)}
    )
    moving = {"job-head": str(parts.head()), "job-facts": str(parts.facts()), "job-history": str(parts.history())}
    for attempt in d.attempts:
        moving[f"attempt-{attempt.number}"] = str(parts.attempt(attempt))
        moving[f"log-{attempt.number}"] = str(parts.lines(d.log.get(attempt.number, ())))
    return moving | {"job-kept": str(parts.kept())}


def _steer(call: Call, change: Callable[[Site, User, JobId], None]) -> Response:
    job_id = _id(call)
    change(call.site, call.user, job_id)
    return go_to(call, f"jobs/{job_id}")


def _id(call: Call) -> JobId:
    try:
        return JobId.of(call.path["id"])
    except ValueError:
        raise Refusal(404, f"{call.path['id'][:100]!r} is no id of a job.", "id") from None


def _found(call: Call) -> Job:
    return call.site.scheduler.get(_id(call))


def _misfit(site: Site, found: Job) -> str | None:
    """Why this code cannot run it, when it is still to run or could be requeued. Without an application, nobody knows."""
    is_over = found.state is JobState.SUCCEEDED or found.unreadable
    return None if is_over or not site.registry.has_application else why_not(found, site.registry)


def _place(given: str | None) -> tuple[int, int] | None:
    if given is None:
        return None
    attempt, _, seq = given.partition("-")
    if not (attempt.isascii() and attempt.isdigit() and seq.isascii() and seq.isdigit() and len(given) < 20):
        raise Refusal(422, "A place in the log is an attempt and a line, such as 1-500.", "after")
    return int(attempt), int(seq)
