"""Recurring jobs: the list, the page of one, and what can be done to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from urllib.parse import quote, unquote

from starlette.responses import Response

from jobrunr.dashboard.access import User
from jobrunr.dashboard.answers import go_to, page
from jobrunr.dashboard.call import Call
from jobrunr.dashboard.live import Fragments
from jobrunr.dashboard.operations import delete_recurring, pause_recurring, resume_recurring, trigger_recurring
from jobrunr.dashboard.refusal import Refusal
from jobrunr.dashboard.showing import templates
from jobrunr.dashboard.showing.recurrence import Recurrence, recurrence, recurrence_details
from jobrunr.dashboard.site import Site
from jobrunr.errors import ConcurrentRecurringJobModificationError, RecurringJobNotFoundError, ScheduleError

PAGE = 50
MOST_AUDITS = 20


class Steering(StrEnum):
    """What can be done to recurring jobs."""

    TRIGGER = "trigger"
    PAUSE = "pause"
    RESUME = "resume"
    DELETE = "delete"

    @property
    def past(self) -> str:
        """As in "paused"."""
        return self.value + ("ed" if self is Steering.TRIGGER else "d")


def recurring(call: Call) -> Response:
    """The list, in the order of the ids."""
    after = call.query.get("after")
    jobs = call.site.storage.find_recurring(PAGE + 1, after)
    lines = [recurrence(call.site, job) for job in jobs[:PAGE]]
    return page(
        call,
        "recurring.html",
        lines=lines,
        ids=_ids_of(lines),
        topic=f"recurring/{quote(after or '', safe='')}",
        after=jobs[PAGE - 1].id if len(jobs) > PAGE else None,
        is_first=not after,
        begins_after=after,
        done=_said(call, "done"),
        skipped=_said(call, "skipped"),
        steering=_steering(call.query["verb"]) if "verb" in call.query else None,
    )


def recurring_job(call: Call) -> Response:
    """The page of one. Its id is a parameter: it can hold any character, and addresses cannot."""
    recurring_job_id = call.query.get("id", "")
    try:
        job = call.site.scheduler.recurring.get(recurring_job_id)
    except RecurringJobNotFoundError as error:
        return page(call, "no_recurring_job.html", status=404, error=error)
    return page(
        call,
        "recurring_job.html",
        d=recurrence_details(call.site, job),
        topic=f"recurring-job/{quote(job.id, safe='')}",
        audits=call.site.storage.audits(f"recurring:{job.id}", MOST_AUDITS),
    )


def confirm(call: Call) -> Response:
    """The page that asks once more."""
    steering = _steering(call.field("verb"))
    jobs = [job for id in _ids(call) if (job := call.site.storage.get_recurring(id)) is not None]
    if not jobs:
        raise Refusal(404, "None of these recurring jobs is there (any more).", "id")
    return page(call, "confirm_recurring.html", steering=steering, jobs=jobs)


def change(call: Call) -> Response:
    """Do it, and lead to where it can be seen."""
    steering, ids = _steering(call.field("verb")), _ids(call)
    steer = _steer(steering, next(iter(call.form.get("reason", ())), ""))
    if len(ids) == 1:
        steer(call.site, call.user, ids[0])
        if steering is Steering.DELETE:
            return go_to(call, "recurring", verb=steering, done=1)
        return go_to(call, "recurring/job", id=ids[0])
    done = 0
    for id in ids:
        try:
            steer(call.site, call.user, id)
            done += 1
        except (RecurringJobNotFoundError, ConcurrentRecurringJobModificationError, ScheduleError):
            continue
    return go_to(call, "recurring", verb=steering, done=done, skipped=len(ids) - done)


def recurring_topic(site: Site, after: str) -> Fragments:
    """What moves in the list behind an id."""
    lines = [recurrence(site, job) for job in site.storage.find_recurring(PAGE, unquote(after) or None)]
    fragments = {"recurring-ids": _ids_of(lines)}
    for line in lines:
        fragments |= _cells(line)
    return fragments


def recurring_job_topic(site: Site, recurring_job_id: str) -> Fragments:
    """What moves on the page of one."""
    job = site.storage.get_recurring(unquote(recurring_job_id))
    if job is None:
        return {"recurring-head": templates.get_template("parts/no_recurring_job.html").render()}
    parts = templates.get_template("parts/recurring_job.html").make_module({"d": recurrence_details(site, job)})
    names = ("head", "facts", "next", "runs", "skipped")
    return {f"recurring-{name}": str(getattr(parts, name)()) for name in names}


def _ids_of(lines: Sequence[Recurrence]) -> str:
    """Those that are in the list, as elements of the page."""
    return " ".join(f"condition-{line.key}" for line in lines)


def _cells(line: Recurrence) -> dict[str, str]:
    parts = templates.get_template("parts/recurring.html").make_module({})
    return {f"{name}-{line.key}": str(getattr(parts, name)(line)) for name in ("condition", "schedule", "next", "last")}


def _steer(steering: Steering, reason: str) -> Callable[[Site, User, str], object]:
    match steering:
        case Steering.TRIGGER:
            return trigger_recurring
        case Steering.PAUSE:
            return lambda site, user, id: pause_recurring(site, user, id, reason)
        case Steering.RESUME:
            return resume_recurring
        case Steering.DELETE:
            return delete_recurring


def _steering(given: str) -> Steering:
    try:
        return Steering(given)
    except ValueError:
        raise Refusal(422, f"Recurring jobs can be changed by {', '.join(Steering)}.", "verb") from None


def _ids(call: Call) -> list[str]:
    """Those that were selected. Nothing selected never means all."""
    ids = list(dict.fromkeys(call.form.get("id", ())))
    if not ids:
        raise Refusal(422, "Select some recurring jobs first.", "id")
    return ids


def _said(call: Call, name: str) -> int:
    given = call.query.get(name, "0")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 6 else 0
