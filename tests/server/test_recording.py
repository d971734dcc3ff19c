"""What the storage refuses for good hurts nobody else."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from jobrunr import Job, JobFilter, JobRunr, JobState
from jobrunr.errors import StorageUnavailableError
from jobrunr.filters import JobFilters
from jobrunr.ids import JobId
from jobrunr.jobs import JobUpdate
from jobrunr.server import recorder as recorder_module
from jobrunr.server.recorder import Recorder
from jobrunr.server.run import Outcome, claim_of, outcome
from jobrunr.settings import Settings
from jobrunr.storage.contract import Claim, RunRecord
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.storage.sql import SqlStorageProvider
from jobrunr.testing import job_context
from jobrunr.testing.contract.decisions import rescue
from jobrunr.testing.factories import a_job, announced
from jobrunr.transitions import succeed
from tests.server import jobs

Finished = Callable[..., Job]


@pytest.mark.parametrize("key", ["", "a\0b", "\ud800", "x" * 101, 5])
def test_a_key_of_metadata_that_no_database_takes_is_refused(key: Any) -> None:
    with job_context() as context, pytest.raises(ValueError, match="1 to 100 characters"):
        context.metadata[key] = 1


def test_a_line_of_log_is_filled_in_as_in_the_standard_library_and_never_fails_the_job(
    app: JobRunr, finished: Finished
) -> None:
    with app.server():
        job = finished(app.scheduler.options(retries=0).enqueue(jobs.logs_badly))
    assert job.state is JobState.SUCCEEDED
    assert [line.message for line in app.scheduler.logs(job.id)] == [
        "ada has 2",
        "%d of them ('many',)",
        "100 %",
    ]


@pytest.mark.parametrize(
    ("value", "says"), [("x" * 70_000, "it takes 70,002 bytes, of 65,536 at most"), (None, "1,000 keys")]
)
def test_metadata_that_is_too_large_is_refused(value: Any, says: str) -> None:
    with job_context() as context:
        for number in range(1000):
            context.metadata[str(number)] = number
        context.metadata["0"] = "x" * 65_534
        with pytest.raises(ValueError, match=says):
            context.metadata["0" if value else "one more"] = value


def test_progress_does_not_count_without_end() -> None:
    with job_context() as context:
        bar = context.progress(total=2**53)
        bar.set(2**53)
        with pytest.raises(ValueError, match="9,007,199,254,740,992"):
            bar.advance()
        with pytest.raises(ValueError, match="9,007,199,254,740,992"):
            context.progress(total=10**5000)


class Away(MemoryStorageProvider):
    """Takes no notes while it is away, and gives none."""

    is_away = True

    def append(self, records: Sequence[RunRecord]) -> frozenset[JobId]:
        if self.is_away:
            raise StorageUnavailableError("memory", "the test says so")
        return super().append(records)

    def data(self, job_id: UUID) -> dict[str, str]:
        if self.is_away:
            raise StorageUnavailableError("memory", "the test says so")
        return super().data(job_id)


def test_lines_without_end_do_not_fill_the_memory_while_the_storage_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recorder_module, "MOST_UNWRITTEN", 1000)
    storage = Away()
    recorder = Recorder(storage, JobFilters(), Settings(max_log_lines=10_000_000), refused=lambda claim: None)
    (job,) = running(storage, 1)

    for number in range(10_000):
        recorder.log(job, storage.now(), logging.INFO, f"{number:0100}")
        if number % 1000 == 500:
            with pytest.raises(StorageUnavailableError):
                recorder.write()
    assert sum(notes.size for notes in recorder._notes.values()) < 1200
    storage.is_away = False
    while not recorder.is_empty:
        recorder.write()
    recorder.log(job, storage.now(), logging.INFO, "heard again")
    recorder.write()

    kept = [line.message for line in storage.logs(job.id)]
    assert kept[:11] == [f"{number:0100}" for number in range(11)]
    assert kept[11:] == [
        "9,989 lines were left out here: the storage did not take them as fast as they came.",
        "heard again",
    ]


class Picky(MemoryStorageProvider):
    """Refuses what one job notes, and one kind of outcome, as a database does that cannot hold a value."""

    refused: JobId | None = None
    away_after: int | None = None

    def append(self, records: Sequence[RunRecord]) -> frozenset[JobId]:
        if any(record.claim.job_id == self.refused for record in records):
            raise ValueError("this cannot be held")
        return super().append(records)

    def update(self, updates: Sequence[JobUpdate]) -> frozenset[JobId]:
        if any(change.job_id == self.refused and change.state is JobState.SUCCEEDED for change in updates):
            raise ValueError("this cannot be held")
        if self.away_after is not None:
            if self.away_after == 0:
                self.away_after = None
                raise StorageUnavailableError("memory", "the test says so")
            self.away_after -= 1
        return super().update(updates)


class Told(JobFilter):
    def __init__(self) -> None:
        self.changes: list[tuple[JobId, JobState]] = []

    def state_changed(self, job: Job, old: JobState, new: JobState) -> None:
        self.changes.append((job.id, new))


def running(storage: Any, count: int) -> list[Job]:
    server = announced(storage)
    storage.insert([a_job() for _ in range(count)])
    claimed: list[Job] = storage.claim(server.id, server.name, count)
    return claimed


def a_recorder(storage: Any, told: Told, refused: Callable[[Claim], None] = lambda claim: None) -> Recorder:
    return Recorder(storage, JobFilters([told]), Settings(), refused=refused)


def success(storage: Any, job: Job) -> Outcome:
    return outcome(job, succeed(job, storage.now()))


def written_by(recorder: Recorder) -> None:
    for _ in range(20):
        try:
            recorder.write()
        except StorageUnavailableError:
            continue
        if recorder.is_empty:
            return
    raise AssertionError("it never got rid of everything")


def test_what_earlier_attempts_kept_is_read_and_the_first_one_needs_no_storage() -> None:
    with Away() as storage:
        (job,) = running(storage, 1)
        recorder = a_recorder(storage, Told())
        recorder.put(job, "metadata.a", "1")
        assert recorder.read(job) == {"metadata.a": "1"}
        with pytest.raises(StorageUnavailableError):
            recorder.read(msgspec.structs.replace(job, attempts=2))


def test_the_claims_of_outcomes_are_known_until_the_storage_has_them() -> None:
    asked, answers = threading.Event(), threading.Event()

    class Slow(Picky):
        def update(self, updates: Sequence[JobUpdate]) -> frozenset[JobId]:
            asked.set()
            assert answers.wait(20)
            return super().update(updates)

    storage = Slow()
    storage.away_after = 0
    recorder = a_recorder(storage, Told())
    jobs = running(storage, 2)
    claims = set(map(claim_of, jobs))
    recorder.complete(success(storage, jobs[0]))
    with ThreadPoolExecutor(1) as threads:
        write = threads.submit(recorder.write)
        assert asked.wait(20)
        recorder.complete(success(storage, jobs[1]))
        assert recorder.claims == claims, "one is being written, one waits"
        answers.set()
        with pytest.raises(StorageUnavailableError):
            write.result(20)
    assert recorder.claims == claims
    written_by(recorder)
    assert recorder.claims == set()


def test_what_is_on_its_way_when_a_run_takes_its_notes_along_is_waited_for_and_not_forgotten() -> None:
    """Behind the end of the run, the storage would refuse it."""
    asked, answers = threading.Event(), threading.Event()

    class Slow(Away):
        def append(self, records: Sequence[RunRecord]) -> frozenset[JobId]:
            asked.set()
            assert answers.wait(20)
            return super().append(records)

    storage = Slow()
    recorder = a_recorder(storage, Told())
    (job,) = running(storage, 1)
    recorder.log(job, storage.now(), logging.INFO, "first")
    with ThreadPoolExecutor(2) as threads:
        write = threads.submit(recorder.write)
        assert asked.wait(20)
        hold = threads.submit(recorder.hold, claim_of(job))
        while not recorder.is_held(claim_of(job)):
            pass
        recorder.log(job, storage.now(), logging.INFO, "second")
        assert not hold.done()
        answers.set()
        assert isinstance(write.exception(), StorageUnavailableError)
        hold.result()
    held = recorder.held(claim_of(job))
    assert held is not None
    assert [line.message for line in held.logs] == ["first", "second"]
    assert recorder.is_empty
    recorder.release(claim_of(job))
    storage.is_away = False
    recorder.write()
    assert [line.message for line in storage.logs(job.id)] == ["first", "second"]


def test_notes_that_cannot_be_stored_take_no_outcome_and_no_other_note_along() -> None:
    with Picky() as storage:
        bad, good = running(storage, 2)
        storage.refused, told = bad.id, Told()
        recorder = a_recorder(storage, told)
        for job in (bad, good):
            recorder.put(job, "metadata.a", "1")
        recorder.complete(success(storage, good))
        written_by(recorder)
        assert storage.data(good.id) == {"metadata.a": "1"}
        assert storage.data(bad.id) == {}
        assert told.changes == [(good.id, JobState.SUCCEEDED)]


def test_an_outcome_that_cannot_be_stored_fails_its_job_alone_and_filters_are_told_once() -> None:
    with Picky() as storage:
        first, bad, last = running(storage, 3)
        storage.refused, told = bad.id, Told()
        recorder = a_recorder(storage, told)
        for job in (first, bad, last):
            recorder.complete(success(storage, job))
        storage.away_after = 1  # in the middle, while they are tried one by one
        written_by(recorder)
        assert told.changes == [
            (first.id, JobState.SUCCEEDED),
            (bad.id, JobState.FAILED),
            (last.id, JobState.SUCCEEDED),
        ]


def test_outcomes_of_two_runs_of_one_job_are_not_mistaken_for_each_other(tmp_path: Path) -> None:
    with SqlStorageProvider(f"sqlite:///{tmp_path / 'jobs.db'}") as storage:
        storage.set_up()
        server = announced(storage)
        storage.insert([a_job()])
        (old,) = storage.claim(server.id, server.name, 1)
        storage.update([rescue(old, storage.now())])
        (new,) = storage.claim(server.id, server.name, 1)
        told, refused = Told(), list[Claim]()
        recorder = a_recorder(storage, told, refused.append)
        recorder.complete(success(storage, old))
        recorder.complete(success(storage, new))
        written_by(recorder)
        assert refused == [claim_of(old)]
        assert told.changes == [(new.id, JobState.SUCCEEDED)]


def test_a_finalizer_that_logs_while_a_line_is_kept_does_not_stop_the_job(app: JobRunr) -> None:
    """The collector of garbage may run anywhere, and so may `__del__`, which may log: asyncio does, and others."""
    (job,) = running(app.storage, 1)
    recorder = a_recorder(app.storage, Told())

    class Finalized:
        """A job in the midst of which the collector runs."""

        id, claim_token = job.id, job.claim_token

        @property
        def attempts(self) -> int:
            recorder.log(job, app.storage.now(), logging.INFO, "from a finalizer")
            return 1

    done = threading.Event()

    def log() -> None:
        recorder.log(Finalized(), app.storage.now(), logging.INFO, "a line")  # type: ignore[arg-type]
        done.set()

    threading.Thread(target=log, daemon=True).start()
    assert done.wait(5)
    written_by(recorder)
    assert {line.message for line in app.storage.logs(job.id)} == {"a line", "from a finalizer"}


def test_few_outcomes_are_gathered_behind_a_write_and_many_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "PAUSE", 60.0)
    monkeypatch.setattr(recorder_module, "MANY", 3)
    with Away() as storage:
        recorder = a_recorder(storage, Told())
        first, *others = running(storage, 4)
        recorder.complete(success(storage, first))
        assert recorder.tick() == 0.0, "the first one for a while is written at once"
        assert recorder.is_empty
        for job in others[:2]:
            recorder.complete(success(storage, job))
            assert 50 < recorder.tick() <= 60
        assert recorder.backlog == 2
        recorder.complete(success(storage, others[2]))
        assert recorder.tick() == 0.0
        assert recorder.is_empty
