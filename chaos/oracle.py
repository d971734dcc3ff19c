"""Judges a trial from outside: from what was asked for, from the effects of jobs, and from the tables of the database.

Each rule gives sentences, one for each thing that is not as it should be; no sentence means that nothing was found.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec
from sqlalchemy import URL, NullPool, create_engine, select, text

from chaos.faults import Fault
from chaos.jobs import Effect, take_effect_in_transaction
from jobrunr import Job, JobState
from jobrunr.history import StateChange
from jobrunr.storage.sql.rows import to_job
from jobrunr.storage.sql.tables import Tables
from jobrunr.targets import target_of

SERVER_LOST = "jobrunr.errors.ServerLostError"
LATE = timedelta(seconds=1)
"""A line of a log is not from after the end of its attempt just because two readings of a clock differ a little."""
OWN_TRANSACTION = str(target_of(take_effect_in_transaction))
ENDS = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.DELETED})


class LoggedLine(NamedTuple):
    """A line of a job's log."""

    job: str
    attempt: int
    at: datetime
    message: str


class Contents(NamedTuple):
    """What the tables say, by the ids of jobs."""

    jobs: Mapping[str, Job]
    logs: Sequence[LoggedLine]
    claims: Mapping[str, str]
    """What jobs keep under ``metadata.claim``."""
    own_effects: Mapping[str, int]
    """How often jobs took effect in the database, in their own transactions."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a trial when it is over."""

    asked: Mapping[str, bool]
    """The ids of the jobs that were asked for, and whether it was confirmed that they are stored."""
    effects: Sequence[Effect]
    tables: Contents
    faults: Sequence[Fault]

    @property
    def jobs(self) -> Mapping[str, Job]:
        return self.tables.jobs


def read_ledger(path: Path) -> list[Effect]:
    """What jobs wrote down. A line that somebody is writing may be there in part; it is none yet."""
    decode = msgspec.json.Decoder(Effect).decode
    return [decode(line) for line in path.read_bytes().split(b"\n")[:-1]] if path.exists() else []


def read_tables(url: URL) -> Contents:
    """All of it."""
    tables = Tables()
    logs, kept = tables.job_logs.c, tables.job_data.c
    with create_engine(url, poolclass=NullPool).connect() as connection:
        jobs = {str(row.id): to_job(row) for row in connection.execute(select(*tables.jobs.c))}
        lines = connection.execute(select(logs.job_id, logs.attempt, logs.at, logs.message))
        claims = connection.execute(select(kept.job_id, kept.value).where(kept.key == "metadata.claim"))
        return Contents(
            jobs,
            [LoggedLine(str(job), *rest) for job, *rest in lines],
            {str(job): str(msgspec.json.decode(value)) for job, value in claims},
            Counter(connection.scalars(text("SELECT job FROM effects"))),
        )


def objections(evidence: Evidence) -> list[str]:
    """Everything that is not as it should be."""
    return [sentence for rule in RULES for sentence in rule(evidence)]


# -- the rules


def nothing_is_lost(evidence: Evidence) -> Iterator[str]:
    for job_id, is_confirmed in evidence.asked.items():
        job = evidence.jobs.get(job_id)
        if job is None:
            if is_confirmed:
                yield f"lost: job {job_id} was confirmed and is not there"
        elif job.state not in ENDS:
            yield f"lost: job {job_id} ended nowhere, it is {job.state}"
        elif job.state is JobState.FAILED and not job.history[-1].reason:
            yield f"lost: job {job_id} is FAILED without a reason"


def nothing_is_invented(evidence: Evidence) -> Iterator[str]:
    for job_id, job in evidence.jobs.items():
        if job_id not in evidence.asked and job.recurring_job_id is None:
            yield f"invented: nobody asked for job {job_id}"


def only_the_owner_records(evidence: Evidence) -> Iterator[str]:
    """The claim in the result, in the exception and in the metadata is the one that the tables say had the job."""
    took_effect = {(effect.job, effect.attempt, effect.token) for effect in evidence.effects if effect.what == "effect"}
    for job_id, job in evidence.jobs.items():
        if job.state is JobState.SUCCEEDED:
            owner, kept = f"{job.attempts} {job.claim_token}", evidence.tables.claims.get(job_id)
            if job.result_json != f'"{owner}"':
                yield f"wrong owner: job {job_id} was held by {owner}, and the result came from {job.result_json}"
            elif (job_id, job.attempts, str(job.claim_token)) not in took_effect:
                yield f"wrong owner: job {job_id} is SUCCEEDED, and {owner} took no effect"
            elif kept != owner:
                yield f"wrong owner: job {job_id} was held by {owner}, and keeps what {kept} wrote"
        for attempt, change in _failures(job):
            failed = change.exception
            if failed and failed.type == "builtins.ArithmeticError" and failed.message.split()[0] != str(attempt):
                yield f"wrong owner: attempt {attempt} of job {job_id} was failed by {failed.message}"


def attempts_are_counted(evidence: Evidence) -> Iterator[str]:
    """One after the other; a number comes twice only when the job was handed back without having begun."""
    for job_id, job in evidence.jobs.items():
        before, was_handed_back = 0, False
        for change in job.history:
            if change.state is JobState.FAILED:
                was_handed_back = False
            elif change.state is JobState.PROCESSING:
                attempt = change.attempt or 0
                if attempt != before + 1 and not (attempt == before and was_handed_back):
                    yield f"attempts: job {job_id} was taken for attempt {attempt} after attempt {before}"
                before, was_handed_back = attempt, True
        if before != job.attempts and job.state in ENDS:
            yield f"attempts: job {job_id} has had attempt {before}, and counts {job.attempts}"


def no_claim_runs_twice(evidence: Evidence) -> Iterator[str]:
    for what in ("begin", "effect"):
        runs = Counter((effect.job, effect.token) for effect in evidence.effects if effect.what == what)
        for (job_id, token), count in runs.items():
            if count > 1:
                yield f"twice: job {job_id} had {count} times {what} under the one claim {token}"


def who_is_taken_for_dead_had_a_reason(evidence: Evidence) -> Iterator[str]:
    for job_id, job in evidence.jobs.items():
        taken: StateChange | None = None
        for change in job.history:
            if change.state is JobState.PROCESSING:
                taken = change
            elif change.exception is not None and change.exception.type == SERVER_LOST and taken is not None:
                name, begin, end = taken.server_name or "", taken.at.timestamp(), change.at.timestamp()
                if not any(fault.hits(name, begin, end) for fault in evidence.faults):
                    yield f"false alarm: {name} was well, and job {job_id} was taken away from it"


def who_lost_a_job_writes_nothing(evidence: Evidence) -> Iterator[str]:
    """No line of a log is from a time after the attempt was over."""
    over: dict[tuple[str, int], datetime] = {}
    for job_id, job in evidence.jobs.items():
        over |= {(job_id, attempt): change.at for attempt, change in _failures(job)}
    for line in evidence.tables.logs:
        end = over.get((line.job, line.attempt))
        if end is not None and line.at > end + LATE:
            yield f"wrong owner: attempt {line.attempt} of job {line.job} was over at {end}, and logged at {line.at}"


def runs_of_recurring_jobs_are_unique(evidence: Evidence) -> Iterator[str]:
    made: Counter[tuple[str, datetime]] = Counter()
    for job in evidence.jobs.values():
        if job.recurring_job_id is not None and job.extras.stands_for is not None:
            made[job.recurring_job_id, job.extras.stands_for] += 1
    began: defaultdict[tuple[str, datetime], set[str]] = defaultdict(set)
    for effect in evidence.effects:
        if effect.recurring is not None and effect.run_at is not None:
            began[effect.recurring, effect.run_at].add(effect.job)
    for (name, run_at), count in (made | Counter({run: len(ids) for run, ids in began.items()})).items():
        if count > 1:
            yield f"recurring: {count} jobs were made for the run of {name} at {run_at}"


def effects_in_the_database_are_there_exactly_once(evidence: Evidence) -> Iterator[str]:
    """A job that ends in its own transaction has taken effect there once if it is SUCCEEDED, and else never."""
    for job_id, job in evidence.jobs.items():
        is_meant = job.target == OWN_TRANSACTION and job.state is JobState.SUCCEEDED
        count = evidence.tables.own_effects.get(job_id, 0)
        if count != is_meant:
            yield f"not once: job {job_id} is {job.state}, and took effect {count} times in its own transaction"


RULES = (
    nothing_is_lost,
    nothing_is_invented,
    only_the_owner_records,
    attempts_are_counted,
    no_claim_runs_twice,
    who_is_taken_for_dead_had_a_reason,
    who_lost_a_job_writes_nothing,
    runs_of_recurring_jobs_are_unique,
    effects_in_the_database_are_there_exactly_once,
)


def _failures(job: Job) -> Iterator[tuple[int, StateChange]]:
    """Which attempts failed, and how."""
    attempt = 0
    for change in job.history:
        if change.state is JobState.PROCESSING:
            attempt = change.attempt or 0
        elif change.state is JobState.FAILED and attempt:
            yield attempt, change
