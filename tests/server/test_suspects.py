"""Which jobs run beside each other once a process has died, and what the storage knows of them before they begin."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from jobrunr import Job, JobFilter, JobRunr, JobState
from jobrunr.crashes import HandBack, decide_after_crash, is_to_be_marked
from jobrunr.errors import ServerLostError, StorageUnavailableError
from jobrunr.ids import JobId, new_token
from jobrunr.jobs import JobUpdate
from jobrunr.retries import GiveUp, RetryDecision
from jobrunr.server.run import Run
from jobrunr.server.suspects import Suspects
from jobrunr.storage.contract import Claim
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing.contract.decisions import rescue
from jobrunr.testing.factories import a_stored_job, announced
from tests.server import jobs
from tests.server.conftest import FAST, Watch, eventually

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MAX_CRASHES = 3


def a_run(crashes: int = 0, **facts: Any) -> Run:
    job = a_stored_job(JobState.PROCESSING, NOON, crashes=crashes, **facts)
    return Run(job, context=None)  # type: ignore[arg-type] - nobody runs it


class TestGate:
    """Who may begin beside whom."""

    def test_jobs_of_whom_nobody_thinks_ill_run_beside_anybody(self) -> None:
        gate = Suspects(MAX_CRASHES)
        assert gate.admit(a_run(crashes=2))
        assert all(gate.admit(a_run()) for _ in range(3))

    def test_suspects_run_beside_each_other(self) -> None:
        gate = Suspects(MAX_CRASHES)
        assert all(gate.admit(a_run(crashes=1)) for _ in range(3))

    def test_one_with_its_last_chance_waits_until_no_other_suspect_runs(self) -> None:
        gate = Suspects(MAX_CRASHES)
        others, last = [a_run(crashes=1), a_run(crashes=1)], a_run(crashes=2)
        assert all(map(gate.admit, others))
        assert not gate.admit(last)
        assert gate.leave(others[0].claim) == [last]
        assert not gate.admit(last)
        assert gate.leave(others[1].claim) == [last]
        assert gate.admit(last)

    def test_beside_one_with_its_last_chance_no_other_suspect_begins(self) -> None:
        gate = Suspects(MAX_CRASHES)
        last, second, third = a_run(crashes=2), a_run(crashes=1), a_run(crashes=2)
        assert gate.admit(last)
        assert not gate.admit(second)
        assert not gate.admit(third)
        assert gate.leave(last.claim) == [second, third]
        assert gate.leave(last.claim) == []

    def test_one_that_waits_is_not_overtaken_for_ever(self) -> None:
        gate = Suspects(MAX_CRASHES)
        assert gate.admit(a_run(crashes=1))
        assert not gate.admit(a_run(crashes=2))
        assert not gate.admit(a_run(crashes=1))

    def test_those_that_wait_can_be_taken_back(self) -> None:
        gate = Suspects(MAX_CRASHES)
        gate.admit(a_run(crashes=2))
        early, late = a_run(crashes=1), a_run(crashes=1)
        late.claimed_at = early.claimed_at + 10
        assert not gate.admit(early) and not gate.admit(late)
        assert gate.take_back(early.claimed_at + 5) == [early]
        assert len(gate) == 1


@given(data=st.data(), innocents=st.integers(0, 6), max_crashes=st.integers(2, 4))
def test_one_job_that_kills_its_process_is_quarantined_and_no_other(
    data: st.DataObject, innocents: int, max_crashes: int
) -> None:
    """A process takes all jobs, in any order, and lets some end before it calls the one that kills it. Again and again."""
    poison = a_stored_job(JobState.PROCESSING, NOON)
    left = {poison.id: poison} | {job.id: job for job in (a_stored_job(JobState.PROCESSING, NOON) for _ in range(innocents))}
    crashes = 0
    while poison.id in left:
        line = data.draw(st.permutations(list(left.values())))
        gate, runs = Suspects(max_crashes), [Run(job, context=None) for job in line]  # type: ignore[arg-type]
        running: list[Run] = []
        while poison.id not in {run.job.id for run in running}:
            running += [run for run in runs if gate.admit(run)]
            runs = []
            if poison.id not in {run.job.id for run in running}:
                ends = running.pop(data.draw(st.integers(0, len(running) - 1)))
                del left[ends.job.id]
                runs = gate.leave(ends.claim)
        crashes += 1
        left = after_crash(list(left.values()), running, max_crashes)
    assert crashes == max_crashes
    assert all(job.crashes < max_crashes for job in left.values())


def after_crash(had: Sequence[Job], running: Sequence[Run], max_crashes: int) -> dict[JobId, Job]:
    """The jobs that are run again, claimed anew."""
    begun = {run.job.id for run in running if is_to_be_marked(run.job)}
    again: dict[JobId, Job] = {}
    for job in had:
        token = job.claim_token if job.id in begun else None
        decision = decide_after_crash(replace(job, begun_token=token), max_crashes)
        if not isinstance(decision, GiveUp):
            crashes = job.crashes + (not isinstance(decision, HandBack))
            again[job.id] = replace(job, crashes=crashes, claim_token=new_token())
    return again


# -- in a server


class Marks(MemoryStorageProvider):
    """Remembers what was marked as begun, and can refuse to."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[set[JobId]] = []
        self.is_away = threading.Event()
        self.takes_nothing = threading.Event()
        self.was_asked = threading.Event()
        self.lose: set[JobId] = set()
        """Jobs that are taken away just before they are marked."""

    def update(self, updates: Sequence[JobUpdate]) -> frozenset[JobId]:
        if self.takes_nothing.is_set():
            raise StorageUnavailableError("memory://", "it takes nothing")
        return super().update(updates)

    def begin(self, claims: Sequence[Claim]) -> frozenset[JobId]:
        self.was_asked.set()
        if self.is_away.is_set():
            raise StorageUnavailableError("memory://", "it is away")
        for claim in claims:
            if claim.job_id in self.lose and (job := self.get(claim.job_id)) is not None:
                self.lose.remove(claim.job_id)
                self.update([rescue(job, self.now())])
        held = super().begin(claims)
        self.begun.append(set(held))
        return held


@pytest.fixture
def marks() -> Marks:
    return Marks()


def suspected(storage: MemoryStorageProvider, job_id: JobId) -> None:
    """Its server was lost once; a claim that nobody else makes meanwhile."""
    ghost = announced(storage)
    (job,) = storage.claim(ghost.id, ghost.name, 1)
    assert job.id == job_id
    storage.update([rescue(job, storage.now())])
    storage.sign_off(ghost.id)


@pytest.mark.parametrize("function", [jobs.add, jobs.add_async])
def test_suspects_and_jobs_that_may_run_only_once_are_marked_and_no_others(
    marks: Marks, watch: Watch, function: Callable[..., Any]
) -> None:
    with JobRunr(marks, filters=[watch], **FAST) as app:
        suspect = app.scheduler.enqueue(function, 1, 2)
        suspected(marks, suspect)
        once = app.scheduler.options(retries=0).enqueue_many(function, [(1, n) for n in range(20)])
        many = app.scheduler.enqueue_many(function, [(2, n) for n in range(20)])
        with app.server():
            watch.wait_for(lambda: app.scheduler.counts()[JobState.SUCCEEDED] == 41)
        assert set().union(*marks.begun) == {suspect, *once}
        assert len(marks.begun) < len(once), "several were marked together"
        assert not any(app.scheduler.get(job_id).begun_token for job_id in many)
        assert app.scheduler.get(suspect).crashes == 0


def test_nothing_begins_while_it_cannot_be_marked(marks: Marks, watch: Watch) -> None:
    with JobRunr(marks, filters=[watch], **FAST) as app:
        marks.is_away.set()
        once = app.scheduler.options(retries=0).enqueue(jobs.note, "unmarked", 1)
        with app.server():
            assert marks.was_asked.wait(10)
            other = app.scheduler.enqueue(jobs.add, 1, 2)
            watch.wait_for(lambda: app.scheduler.get(other).state is JobState.SUCCEEDED)
            assert jobs.seen["unmarked"] == []
            marks.is_away.clear()
            watch.wait_for(lambda: app.scheduler.get(once).state is JobState.SUCCEEDED)
    assert jobs.seen["unmarked"] == [1]


def test_a_run_that_was_taken_away_before_it_is_marked_is_not_called(marks: Marks, watch: Watch) -> None:
    with JobRunr(marks, filters=[watch], **FAST) as app:
        suspect = app.scheduler.enqueue(jobs.note, "taken away", 1)
        suspected(marks, suspect)
        marks.lose = {suspect}
        with app.server(workers=1) as server:
            watch.wait_for(lambda: app.scheduler.get(suspect).state is JobState.SUCCEEDED)
            eventually(lambda: server.busy == 0)
    assert marks.begun[:2] == [set(), {suspect}]
    assert jobs.seen["taken away"] == [1], "the second time only"


def test_suspects_with_their_last_chance_run_one_after_the_other_and_others_beside_them(marks: Marks, watch: Watch) -> None:
    with JobRunr(marks, filters=[watch], max_crashes=2, **FAST) as app:
        first, second = (app.scheduler.enqueue(jobs.wait_for, name) for name in ("first", "second"))
        for job_id in (first, second):
            suspected(marks, job_id)
        with app.server(workers=4) as server:
            assert jobs.gates["first began"].wait(10)
            other = app.scheduler.enqueue(jobs.add, 1, 2)
            watch.wait_for(lambda: app.scheduler.get(other).state is JobState.SUCCEEDED)
            assert not jobs.gates["second began"].is_set()
            marks.takes_nothing.set()
            jobs.gates["first"].set()
            eventually(lambda: server.busy == 0)  # nobody begins before the outcome is written
            marks.takes_nothing.clear()
            assert jobs.gates["second began"].wait(10)
            assert app.scheduler.get(first).state is JobState.SUCCEEDED
            jobs.gates["second"].set()
            watch.wait_for(lambda: app.scheduler.get(second).state is JobState.SUCCEEDED)


def test_a_suspect_that_waits_for_others_is_handed_back_when_the_server_stops(marks: Marks, watch: Watch) -> None:
    with JobRunr(marks, filters=[watch], max_crashes=2, **FAST) as app:
        first, second = (app.scheduler.enqueue(jobs.wait_for, f"stop {name}") for name in ("first", "second"))
        for job_id in (first, second):
            suspected(marks, job_id)
        with app.server(workers=4) as server:
            assert jobs.gates["stop first began"].wait(10)
            eventually(lambda: app.scheduler.get(second).state is JobState.PROCESSING)
            threading.Thread(target=server.stop).start()
            watch.wait_for(lambda: app.scheduler.get(second).state is JobState.ENQUEUED)
            jobs.gates["stop first"].set()
            assert server.wait(20)
        handed_back = app.scheduler.get(second)
        assert (handed_back.crashes, handed_back.attempts) == (1, 1)
        assert app.scheduler.get(first).state is JobState.SUCCEEDED


class Strict(JobFilter):
    """Lets nothing run again that was there when a process died."""

    def __init__(self) -> None:
        self.told: list[BaseException] = []

    def failed(self, job: Job, exception: BaseException) -> None:
        self.told.append(exception)

    def elect_state(self, job: Job, exception: BaseException, decision: RetryDecision) -> RetryDecision | None:
        return GiveUp("once is enough") if isinstance(exception, ServerLostError) else None


def test_filters_are_told_of_a_crash_and_may_decide_otherwise() -> None:
    strict, lost = Strict(), ServerLostError("shop-1")
    with JobRunr("memory://", filters=[strict]) as app:
        outcome = app.performer(clock=app.storage).lost(a_stored_job(JobState.PROCESSING, NOON), lost)
    assert strict.told == [lost]
    assert (outcome.update.state, outcome.update.crashes) == (JobState.FAILED, 1)
    assert outcome.final_failure is lost


def test_filters_are_told_of_nothing_but_the_state_when_a_job_had_not_begun() -> None:
    strict = Strict()
    with JobRunr("memory://", filters=[strict]) as app:
        job = a_stored_job(JobState.PROCESSING, NOON, retries=0)
        outcome = app.performer(clock=app.storage).lost(job, ServerLostError("shop-1"))
    assert strict.told == []
    assert outcome.changes == ((JobState.PROCESSING, JobState.ENQUEUED),)
    assert (outcome.update.crashes, outcome.update.attempts) == (0, job.attempts - 1)
