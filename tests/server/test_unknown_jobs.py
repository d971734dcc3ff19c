"""A job that the code of a server does not know is left for servers that do, until none has known it for a while."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from jobrunr import Job, JobFilter, JobRunr, JobState
from jobrunr.context import JobContext
from jobrunr.errors import TargetImportError, TargetNotFoundError
from jobrunr.jobs import JobDetails, JobExtras
from jobrunr.registry import JobRegistry, Runnable
from jobrunr.server.performer import Prepared
from jobrunr.server.recorder import Recorder
from jobrunr.server.run import Outcome, Run
from jobrunr.settings_in_code import ServerSettings
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing import TestClock
from jobrunr.testing.factories import a_job, announced, processing, written
from tests.server import jobs
from tests.server.conftest import FAST, Watch

FEARLESS: ServerSettings = {**FAST, "server_timeout": "1d"}
"""The clock is turned while servers run: nobody is to be taken for dead because of that."""

ADD = f"{jobs.__name__}:add"


class OlderCode(JobRegistry):
    """In which one function is not written yet."""

    def resolve(self, target: str) -> Runnable:
        if target == ADD:
            raise TargetNotFoundError(target, "the module has no 'add'")
        return super().resolve(target)


class Told(JobFilter):
    """What a filter is told."""

    def __init__(self) -> None:
        self.failed_with: list[BaseException] = []

    def failed(self, job: Job, exception: BaseException) -> None:
        self.failed_with.append(exception)


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture
def storage(clock: TestClock) -> MemoryStorageProvider:
    return MemoryStorageProvider(clock)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def new(storage: MemoryStorageProvider, watch: Watch, told: Told) -> Iterator[JobRunr]:
    with JobRunr(storage, filters=[watch, told], **FEARLESS) as app:
        yield app


@pytest.fixture
def old(storage: MemoryStorageProvider, watch: Watch, told: Told) -> JobRunr:
    app = JobRunr(storage, filters=[watch, told], **FEARLESS)
    app.registry = OlderCode("tests")
    return app


def test_it_runs_once_on_a_server_that_knows_it(
    old: JobRunr, new: JobRunr, storage: MemoryStorageProvider, clock: TestClock, watch: Watch, told: Told
) -> None:
    job_id = new.scheduler.enqueue(jobs.add, 1, 2)

    def state() -> JobState:
        return new.scheduler.get(job_id).state

    with old.server(server_name="old"):
        watch.wait_for(lambda: state() is JobState.SCHEDULED)
        left = new.scheduler.get(job_id)
        assert left.reason == (
            "old does not know it (the module has no 'add'); left for servers that do, until 2026-01-01 13:00 UTC"
        )
        with new.server(server_name="new"):
            while state() is not JobState.SUCCEEDED:
                clock.advance(minutes=1)
                storage.promote(1)
                watch.wait_for(lambda: state() in {JobState.SCHEDULED, JobState.SUCCEEDED})
    done = new.scheduler.get(job_id)
    assert (done.result, done.attempts, done.failures, done.server_name) == (3, 1, 0, "new")
    assert [change.state for change in done.history] == [
        JobState.ENQUEUED,
        JobState.PROCESSING,
        JobState.SCHEDULED,
        JobState.ENQUEUED,
        JobState.PROCESSING,
        JobState.SUCCEEDED,
    ]
    assert watch.changes[0] == (job_id, JobState.PROCESSING, JobState.SCHEDULED)
    assert [change[2] for change in watch.changes].count(JobState.SUCCEEDED) == 1
    assert told.failed_with == []


@pytest.mark.parametrize("target", [ADD, f"{jobs.__name__}:note"], ids=["function", "parameters"])
def test_one_that_wants_a_process_of_its_own_is_left_before_a_process_has_it(
    old: JobRunr, storage: MemoryStorageProvider, watch: Watch, told: Told, target: str
) -> None:
    details = JobDetails(target, '{"a_new_parameter":1}')
    job = a_job(details=details, extras=JobExtras(execution="process"))
    storage.insert([job])
    with old.server():
        watch.wait_for(lambda: old.scheduler.get(job.id).state is JobState.SCHEDULED)
    assert old.scheduler.get(job.id).attempts == 0
    assert told.failed_with == []


def looked_at(app: JobRunr, job: Job) -> Prepared | Outcome:
    """What a server makes of a job that it has just taken."""
    recorder = Recorder(app.storage, app.filters, app.settings, refused=lambda claim: None)
    return app.performer(app.storage).prepare(Run(job, JobContext(job, recorder, app.storage)))


def test_it_fails_when_no_server_has_known_it_for_an_hour(
    new: JobRunr, storage: MemoryStorageProvider, clock: TestClock, told: Told
) -> None:
    server, began = announced(storage), clock.now()
    job = processing(storage, server, details=JobDetails(f"{__name__}:not_written_yet"), retries=0)
    looks = 0
    while job.state is JobState.PROCESSING:
        outcome = looked_at(new, job)
        assert isinstance(outcome, Outcome)
        job, looks = written(storage, outcome.update), looks + 1
        if job.state is JobState.SCHEDULED:
            assert (outcome.changes, outcome.final_failure) == (((JobState.PROCESSING, JobState.SCHEDULED),), None)
            assert told.failed_with == []
            assert job.run_at is not None
            clock.set(job.run_at)
            storage.promote(1)
            (job,) = storage.claim(server.id, server.name, 1)
    assert (job.state, clock.now() - began, job.attempts, job.failures) == (JobState.FAILED, timedelta(hours=1), 1, 1)
    assert (looks, len(job.history)) == (67, 6)
    assert job.history[-1].reason == "no server that took it in 1 h knew it"
    exception = job.history[-1].exception
    assert exception is not None and "has no 'not_written_yet'" in exception.message
    assert [type(error) for error in told.failed_with] == [TargetNotFoundError]


@pytest.mark.parametrize(
    ("target", "arguments"),
    [
        pytest.param("os:system", "{}", id="not offered"),
        pytest.param(ADD, "not JSON", id="arguments that no version writes"),
        pytest.param(f"{jobs.__name__}.deeper.__class__:run", "{}", id="no name of a function"),
    ],
)
def test_what_no_version_could_run_fails_at_once(
    new: JobRunr, storage: MemoryStorageProvider, target: str, arguments: str
) -> None:
    outcome = looked_at(new, processing(storage, details=JobDetails(target, arguments)))
    assert isinstance(outcome, Outcome)
    assert (outcome.update.state, outcome.final_failure is None) == (JobState.FAILED, False)


def test_a_module_that_raises_when_it_is_imported_is_broken_and_not_newer(
    new: JobRunr, storage: MemoryStorageProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_shop.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    outcome = looked_at(new, processing(storage, details=JobDetails("broken_shop:run")))
    assert isinstance(outcome, Outcome)
    assert (outcome.update.state, type(outcome.final_failure)) == (JobState.FAILED, TargetImportError)


def test_without_a_grace_it_fails_at_once(storage: MemoryStorageProvider) -> None:
    with JobRunr(storage, unknown_job_grace=0) as app:
        outcome = looked_at(app, processing(storage, details=JobDetails(f"{__name__}:not_written_yet")))
    assert isinstance(outcome, Outcome)
    assert outcome.update.state is JobState.FAILED
    assert "a retry would not help" in outcome.update.past


def test_a_person_can_decide_before(new: JobRunr, storage: MemoryStorageProvider) -> None:
    outcome = looked_at(new, processing(storage, details=JobDetails(f"{__name__}:not_written_yet")))
    assert isinstance(outcome, Outcome)
    job = written(storage, outcome.update)
    new.scheduler.requeue(job.id)
    assert new.scheduler.get(job.id).state is JobState.ENQUEUED
    new.scheduler.delete(job.id)
    assert new.scheduler.get(job.id).state is JobState.DELETED
