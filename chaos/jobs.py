"""The application that the worker processes run. What its jobs did is written to a file that no job storage knows of: not a
table, because a process that is stopped while it holds a lock would hold up the witnesses of all others."""

from __future__ import annotations

import asyncio
import os
import time
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path

import msgspec
from sqlalchemy import text

from chaos.inside import break_on_purpose
from jobrunr import Job, JobFilter, JobRunr, current_job
from tests.processes.jobs import write_down

_running: ContextVar[Job] = ContextVar("running")


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the ledger: a run of a job began, or took its effect."""

    what: str
    """``begin``, ``middle`` or ``effect``."""
    job: str
    attempt: int
    token: str
    server: str
    at: float
    """Seconds, by the clock of this machine."""
    recurring: str | None = None
    run_at: datetime | None = None


class Witness(JobFilter):
    """Remembers the claim under which a job runs."""

    def processing(self, job: Job) -> None:
        _running.set(job)


def application() -> JobRunr:
    """For ``jobrunr worker --app``; its settings are in the environment, and what shall go wrong inside it, too."""
    app = JobRunr(filters=[Witness()], application="chaos")
    break_on_purpose(app)
    return app


def note(what: str) -> str:
    """Write down what happens in the job that runs. Returns its claim: the attempt and the token."""
    job = _running.get()
    effect = Effect(
        what=what,
        job=str(job.id),
        attempt=job.attempts,
        token=str(job.claim_token),
        server=job.server_name or "",
        at=time.time(),
        recurring=job.recurring_job_id,
        run_at=current_job().run_at,
    )
    write_down(msgspec.json.encode(effect).decode())
    return f"{job.attempts} {job.claim_token}"


def take_effect(seconds: float = 0.0) -> str:
    """Take some time, and then an effect. The result says which claim led to it."""
    claim = note("begin")
    current_job().log.info("%s has begun", claim)
    if seconds:
        time.sleep(seconds)
    return _end(claim)


def take_effect_in_transaction(seconds: float = 0.0, gate: str = "") -> None:
    """The same in the transaction in which the job ends, and in a table of the same database.

    Arguments:
        gate: wait in the middle of it until this file is there; that one waits is written down.
    """
    claim = note("begin")
    with (transaction := current_job().transaction()) as session:
        session.execute(text("INSERT INTO effects (job) VALUES (:job)"), {"job": str(current_job().id)})
        if seconds:
            time.sleep(seconds)
        if gate:
            note("middle")
            while not Path(gate).exists():
                time.sleep(0.005)
        transaction.result = _end(claim)


async def take_effect_awaiting(seconds: float = 0.0) -> str:
    """The same as a coroutine."""
    claim = note("begin")
    await asyncio.sleep(seconds)
    return _end(claim)


async def take_effect_at_the_second_attempt() -> str:
    """The first attempt lasts until its process is gone."""
    claim = note("begin")
    if current_job().attempt == 1:
        await asyncio.Event().wait()
    return _end(claim)


def take_effect_with(load: str) -> str:
    """Be large, as an argument and as a result would be."""
    return _end(note("begin"))


def compute(seconds: float) -> str:
    """Take so much of a processor."""
    claim = note("begin")
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass
    return _end(claim)


def fail_once(seconds: float = 0.0) -> str:
    """Fail at the first attempt that is not taken away."""
    claim = note("begin")
    time.sleep(seconds)
    if current_job().failures == 0:
        raise ArithmeticError(claim)
    return _end(claim)


def fail_for_good() -> None:
    """Fail always."""
    raise ArithmeticError(note("begin"))


def wait_at_gates(*gates: str) -> str:
    """At each attempt that has a gate, wait until the file is there; then take effect."""
    claim = note("begin")
    number = current_job().attempt - 1
    while number < len(gates) and not Path(gates[number]).exists():
        time.sleep(0.005)
    return _end(claim)


def tick() -> str:
    """A run of a recurring job."""
    return _end(note("begin"))


def die() -> None:
    """Take the process along."""
    note("begin")
    os._exit(9)


def _end(claim: str) -> str:
    context = current_job()
    context.log.info("%s is about to take effect", claim)
    context.metadata["claim"] = claim
    note("effect")
    return claim
