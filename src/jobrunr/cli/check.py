"""``jobrunr check``: which stored jobs and recurring jobs this code cannot run."""

from __future__ import annotations

from collections.abc import Iterator

import click
import msgspec

from jobrunr.cli.application import existing_storage, find_application
from jobrunr.cli.options import app_option, json_option
from jobrunr.cli.output import print_json, printable, state_name
from jobrunr.cli.verb import ExitCode, Verb
from jobrunr.errors import CannotRunError, ScheduleError
from jobrunr.ids import JobId
from jobrunr.jobs import Job
from jobrunr.misfits import check_call, why_not
from jobrunr.recurring_job import RecurringJob
from jobrunr.registry import JobRegistry
from jobrunr.scheduler.recurring_jobs import RecurringJobs
from jobrunr.states import JobState
from jobrunr.storage.contract import JobQuery, StorageProvider
from jobrunr.texts import storable

_MAY_RUN = (JobState.AWAITING, JobState.SCHEDULED, JobState.ENQUEUED, JobState.PROCESSING, JobState.FAILED)
"""In the direction in which jobs move, so that none slips past while we look. A retry that is due later is SCHEDULED; a job
that is FAILED may be requeued."""

_PAGE = 1000

_LONGEST_TARGET, _LONGEST_REASON = 200, 600
"""Characters that a person is shown; --json shows everything."""

_EXAMPLES = (
    ("Before a deployment, with the new code", "jobrunr check --app shop.jobs:jobrunr"),
    ("The ids of examples, for a script", "jobrunr check --json | jq -r '.groups[].example'"),
)


class Group(msgspec.Struct, kw_only=True):
    """Jobs of one target that cannot be run for the same reason."""

    target: str
    reason: str
    count: int = 0
    example: JobId
    example_state: JobState


class Findings(msgspec.Struct, kw_only=True):
    """What was found, and the shape of ``--json``."""

    checked: int = 0
    cannot_run: int = 0
    groups: list[Group] = []
    recurring: dict[str, str] = {}
    """The recurring jobs that cannot be run, and why."""


@click.command("check", cls=Verb, examples=_EXAMPLES, short_help="List the stored jobs that this code cannot run.")
@app_option
@json_option
@click.pass_context
def verb(context: click.Context, app: str | None, as_json: bool) -> None:
    """List the stored jobs and recurring jobs that this code cannot run.

    Every job that is still to run, or is FAILED and may be requeued, and every recurring job, is held against the code: is
    its function there and offered, and do the stored arguments fit? Nothing is run or changed. The exit code is 1 when
    anything is listed, FAILED jobs included; delete what will never run again.
    """
    with find_application(app) as jobrunr:
        findings = find_misfits(existing_storage(jobrunr), jobrunr.registry)
        findings.recurring = find_recurring_misfits(jobrunr.scheduler.recurring, jobrunr.registry)
    if as_json:
        print_json(findings)
    else:
        click.echo("\n".join(_lines(findings)))
    context.exit(ExitCode.NO if findings.cannot_run or findings.recurring else ExitCode.DONE)


def find_misfits(storage: StorageProvider, registry: JobRegistry) -> Findings:
    """Hold every job that is still to run, or may be requeued, against the code."""
    findings = Findings()
    groups: dict[tuple[str, str], Group] = {}
    seen: set[JobId] = set()
    for job in _jobs_that_may_run(storage):
        findings.checked += 1
        reason = why_not(job, registry)
        if reason is None or job.id in seen:
            continue
        seen.add(job.id)
        group = groups.setdefault(
            (job.target, reason), Group(target=job.target, reason=reason, example=job.id, example_state=job.state)
        )
        group.count += 1
    findings.cannot_run = len(seen)
    findings.groups = sorted(groups.values(), key=lambda group: -group.count)
    return findings


def find_recurring_misfits(recurring: RecurringJobs, registry: JobRegistry) -> dict[str, str]:
    """The ids of the recurring jobs that this code cannot run, and why."""
    reasons = {job.id: job.problem or _why_not_recurring(job, recurring, registry) for job in recurring.list()}
    return {job_id: reason for job_id, reason in reasons.items() if reason is not None}


def _why_not_recurring(job: RecurringJob, recurring: RecurringJobs, registry: JobRegistry) -> str | None:
    try:
        recurring.schedule_of(job)
        check_call(job.template.details, registry)
    except (ScheduleError, CannotRunError) as error:
        return str(error)
    return None


def _jobs_that_may_run(storage: StorageProvider) -> Iterator[Job]:
    for state in _MAY_RUN:
        cursor: str | None = None
        while True:
            page = storage.find(JobQuery(state=state, limit=_PAGE, after=cursor))
            yield from page
            cursor = page.next
            if cursor is None:
                break


def _lines(findings: Findings) -> Iterator[str]:
    for group in findings.groups:
        yield f"{click.style(_cut(group.target, _LONGEST_TARGET), bold=True)}: {_jobs(group.count)}"
        yield from click.wrap_text(_cut(group.reason, _LONGEST_REASON), 78, "  ", "  ").splitlines()
        yield f"  For example {group.example} ({state_name(group.example_state)})"
        yield ""
    for job_id, reason in findings.recurring.items():
        yield f"recurring job {click.style(printable(job_id), bold=True)}"
        yield from click.wrap_text(_cut(reason, _LONGEST_REASON), 78, "  ", "  ").splitlines()
        yield ""
    looked_at = f"{_jobs(findings.checked)} still to run or FAILED"
    if findings.cannot_run:
        yield click.style(f"{looked_at}, and this code cannot run {findings.cannot_run:,} of them.", fg="red")
    else:
        yield click.style(f"{looked_at}, and this code can run all of them.", fg="green")


def _cut(text: str, length: int) -> str:
    return printable(storable(text, length))


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count:,} jobs"
