"""A job that fails is tried again as its policy says, keeps its history, and hurts nobody else."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from jobrunr import ExponentialBackoff, FixedDelays, GiveUp, Job, JobFilter, JobRunr, JobState, Retry, RetryDecision
from jobrunr.ids import JobId
from jobrunr.jobs import JobDetails, NewJob
from tests.server import jobs
from tests.server.conftest import FAST, Watch, eventually

Finished = Callable[..., Job]
AT_ONCE = FixedDelays(0, 0, 0)


def states(job: Job) -> list[JobState]:
    return [change.state for change in job.history]


def test_a_failure_and_its_retry_are_one_write(app: JobRunr, finished: Finished) -> None:
    with app.server():
        job_id = app.scheduler.options(retries=1, retry=FixedDelays(3600)).enqueue(jobs.fail, "boom")
        job = finished(job_id, JobState.SCHEDULED)
    assert states(job) == [JobState.ENQUEUED, JobState.PROCESSING, JobState.FAILED, JobState.SCHEDULED]
    failed, scheduled = job.history[2:]
    assert failed.exception is not None
    assert failed.exception.type == "tests.server.jobs.Planned"
    assert failed.exception.message == "boom"
    assert "raise Planned(message)" in failed.exception.traceback
    assert "jobrunr/server" not in failed.exception.traceback
    assert scheduled.reason == "retry 1 of 1"
    assert scheduled.run_at is not None and (scheduled.run_at - failed.at).total_seconds() == 3600


def test_it_is_failed_when_no_retry_is_left(app: JobRunr, finished: Finished) -> None:
    with app.server():
        job = finished(app.scheduler.options(retries=2, retry=AT_ONCE).enqueue(jobs.fail, "boom"))
    assert job.state is JobState.FAILED
    assert states(job).count(JobState.PROCESSING) == 3
    assert job.failures == 3
    assert job.history[-1].reason == "no retry is left"


class NeedsHost:
    def __init__(self, host: str) -> None:
        self.host = host

    def go(self) -> None: ...


def test_a_class_that_needs_arguments_fails_at_once_and_asks_for_an_activator(app: JobRunr, finished: Finished) -> None:
    with app.server():
        job = finished(app.scheduler.enqueue(NeedsHost.go))
    assert (job.state, job.attempts) == (JobState.FAILED, 1)
    assert job.history[-1].exception is not None
    assert re.match(r"NeedsHost cannot be made without .*'host'.*JobRunr\(activator=", job.history[-1].exception.message)


def test_it_succeeds_at_last(app: JobRunr, finished: Finished) -> None:
    with app.server():
        job = finished(app.scheduler.options(retry=AT_ONCE).enqueue(jobs.fail_until, "at last", 3))
    assert job.state is JobState.SUCCEEDED
    assert jobs.seen.pop("at last") == [1, 2, 3]


def test_a_requeue_by_hand_counts_anew_and_keeps_the_history(app: JobRunr, finished: Finished, watch: Watch) -> None:
    with app.server():
        job_id = app.scheduler.options(retries=1, retry=AT_ONCE).enqueue(jobs.fail, "boom")
        before = finished(job_id)
        app.scheduler.requeue(job_id, reason="try once more")
        watch.wait_for(
            lambda: app.scheduler.get(job_id).attempts == 4 and app.scheduler.get(job_id).state is JobState.FAILED
        )
    after = app.scheduler.get(job_id)
    assert after.history[: len(before.history)] == before.history
    assert after.history[len(before.history)].reason == "try once more"
    assert after.failures == 2


@pytest.mark.parametrize(
    ("function", "args", "why"),
    [
        (jobs.never_again, (), "the job said not to retry"),
        (jobs.unstorable, (), "a retry would not help"),
        (jobs.declared_without_retry_for_temporary, ("temporary",), "tests.server.jobs.Temporary is not retried"),
    ],
)
def test_what_a_retry_would_not_help_is_failed_at_once(
    app: JobRunr, finished: Finished, function: Callable[..., Any], args: tuple[Any, ...], why: str
) -> None:
    with app.server():
        job = finished(app.scheduler.enqueue(function, *args))
    assert (job.state, job.attempts) == (JobState.FAILED, 1)
    assert job.history[-1].reason == why


def test_rules_name_exceptions_and_their_subclasses(app: JobRunr, finished: Finished) -> None:
    with app.server():
        plain = app.scheduler.options(retries=1, retry=AT_ONCE)
        assert finished(plain.options(retry_on=[jobs.Planned]).enqueue(jobs.fail_temporarily, "x")).attempts == 2
        assert finished(plain.options(retry_on=[jobs.Temporary]).enqueue(jobs.fail, "x")).attempts == 1
        assert finished(plain.options(no_retry_on=[jobs.Planned]).enqueue(jobs.fail_temporarily, "x")).attempts == 1
        assert finished(plain.options(no_retry_on=[jobs.Temporary]).enqueue(jobs.fail, "x")).attempts == 2
        declared = jobs.declared_without_retry_for_temporary
        assert finished(plain.enqueue(declared, "planned")).attempts == 2
        assert finished(plain.options(no_retry_on=[]).enqueue(declared, "temporary")).attempts == 2, "the call goes first"


@pytest.mark.parametrize("how", ["SystemExit", "KeyboardInterrupt", "GeneratorExit", "CancelledError"])
@pytest.mark.parametrize("function", [jobs.leave, jobs.leave_async, jobs.returns_leaving_coroutine])
def test_leaving_by_force_is_a_failure_and_the_worker_lives(
    app: JobRunr, finished: Finished, function: Callable[..., Any], how: str
) -> None:
    if (function, how) == (jobs.leave, "CancelledError"):
        how = "SystemExit"
    with app.server(workers=1):
        left = finished(app.scheduler.options(retries=0).enqueue(function, how))
        assert finished(app.scheduler.enqueue(jobs.add, 1, 2)).result == 3
    assert left.state is JobState.FAILED
    assert left.history[-1].exception is not None
    assert left.history[-1].exception.type.endswith(how)


def test_an_exception_that_cannot_be_printed_is_kept_all_the_same(app: JobRunr, finished: Finished) -> None:
    with app.server():
        job = finished(app.scheduler.options(retries=0).enqueue(jobs.fail_unprintably))
    exception = job.history[-1].exception
    assert exception is not None
    assert exception.type == "tests.server.jobs.Unprintable"
    assert "RuntimeError" in exception.message


@pytest.mark.parametrize(
    ("details", "says"),
    [
        (JobDetails("tests.server.jobs:gone", "{}"), "tests.server.jobs:gone"),
        (JobDetails("tests.server.gone:add", "{}"), "tests.server.gone"),
        (JobDetails("tests.server.jobs:add", '{"a": 1, "c": 2}'), "c"),
        (JobDetails("tests.server.jobs:add", '{"a": 1, "b": "two"}'), "b"),
        (JobDetails("tests.server.jobs:add", "{not json"), "JSON"),
        (JobDetails("os:system", '{"command": "true"}'), "not offered"),
    ],
)
def test_a_job_that_no_code_can_run_fails_alone_and_at_once(watch: Watch, details: JobDetails, says: str) -> None:
    bad = NewJob(id=JobId.new(), details=details, name="bad")
    with JobRunr("memory://", filters=[watch], unknown_job_grace=0, **FAST) as app, app.server(workers=1):
        app.storage.insert([bad])
        watch.wait_for(lambda: app.scheduler.get(bad.id).state is JobState.FAILED)
        good = app.scheduler.enqueue(jobs.add, 1, 2)
        watch.wait_for(lambda: app.scheduler.get(good).state is JobState.SUCCEEDED)
        job = app.scheduler.get(bad.id)
    assert (job.state, job.attempts) == (JobState.FAILED, 1)
    assert job.history[-1].exception is not None
    assert says in job.history[-1].exception.message


def test_a_result_over_the_limit_leaves_a_note_in_its_place(app: JobRunr, finished: Finished) -> None:
    with app.server(max_result_size=100):
        job = finished(app.scheduler.enqueue(jobs.wide, 10_000))
    assert job.state is JobState.SUCCEEDED
    assert "10" in str(job.result) and len(job.result_json or "") < 400


# -- policies of the application


def test_the_policy_of_the_application_and_its_jitter(finished: Finished, app: JobRunr) -> None:
    job = app.scheduler.get(app.scheduler.enqueue(jobs.fail, "x"))
    delays = {ExponentialBackoff(jitter=0.5)(job, ValueError(), 2).after.total_seconds() for _ in range(50)}
    assert len(delays) > 10
    assert all(4.5 <= delay <= 13.5 for delay in delays)


def test_a_policy_can_be_any_function(watch: Watch) -> None:
    def polite(job: Job, exception: BaseException, attempt: int) -> RetryDecision:
        return GiveUp("enough") if attempt == 2 else AT_ONCE(job, exception, attempt)

    with JobRunr("memory://", filters=[watch], retry=polite, **FAST) as app, app.server():
        job_id = app.scheduler.enqueue(jobs.fail, "x")
        watch.wait_for(lambda: app.scheduler.get(job_id).state is JobState.FAILED)
        assert app.scheduler.get(job_id).history[-1].reason == "enough"


def test_a_policy_that_raises_fails_the_job_and_hides_nothing(watch: Watch) -> None:
    def broken(job: Job, exception: BaseException, attempt: int) -> RetryDecision:
        raise LookupError("no such rule")

    with JobRunr("memory://", filters=[watch], retry=broken, **FAST) as app, app.server():
        job_id = app.scheduler.enqueue(jobs.fail, "x")
        watch.wait_for(lambda: app.scheduler.get(job_id).state is JobState.FAILED)
        last = app.scheduler.get(job_id).history[-1]
        assert last.reason == "the decision about a retry raised builtins.LookupError: no such rule"
        assert last.exception is not None and last.exception.type.endswith("Planned")


# -- filters


class Recording(JobFilter):
    def __init__(self) -> None:
        self.calls: list[str] = []

    def creating(self, job: NewJob) -> None:
        self.calls.append("creating")

    def created(self, job: NewJob) -> None:
        self.calls.append("created")

    def elect_state(self, job: Job, exception: BaseException, decision: RetryDecision) -> None:
        self.calls.append(f"elect {type(decision).__name__}")

    def state_changed(self, job: Job, old: JobState, new: JobState) -> None:
        self.calls.append(f"{old} to {new}")

    def processing(self, job: Job) -> None:
        self.calls.append("processing")

    def succeeded(self, job: Job, result: object) -> None:
        self.calls.append(f"succeeded {result}")

    def failed(self, job: Job, exception: BaseException) -> None:
        self.calls.append(f"failed {exception}")

    def failed_after_retries(self, job: Job, exception: BaseException) -> None:
        self.calls.append(f"gave up {exception}")


class Raising(JobFilter):
    def creating(self, job: NewJob) -> None:
        raise RuntimeError("filter")

    created = processing = creating  # type: ignore[assignment]

    def state_changed(self, job: Job, old: JobState, new: JobState) -> None:
        raise RuntimeError("filter")

    def succeeded(self, job: Job, result: object) -> None:
        raise RuntimeError("filter")

    def failed(self, job: Job, exception: BaseException) -> None:
        raise RuntimeError("filter")

    failed_after_retries = failed


def test_every_hook_is_called_in_order_and_a_raising_filter_hurts_nobody(watch: Watch) -> None:
    recording = Recording()
    with JobRunr("memory://", filters=[Raising(), recording, watch], **FAST) as app, app.server():
        good = app.scheduler.enqueue(jobs.add, 1, 2)
        watch.wait_for(lambda: app.scheduler.get(good).state is JobState.SUCCEEDED)
        assert recording.calls == ["creating", "created", "processing", "succeeded 3", "PROCESSING to SUCCEEDED"]
        recording.calls.clear()
        app.scheduler.options(retries=1, retry=AT_ONCE).enqueue(jobs.fail, "x")
        eventually(lambda: "gave up x" in recording.calls)
    written = {"PROCESSING to FAILED", "FAILED to ENQUEUED", "gave up x"}  # told afterwards: the next attempt may be faster
    assert [call for call in recording.calls if call not in written] == [
        *("creating", "created"),
        *("processing", "failed x", "elect Retry"),
        *("processing", "failed x", "elect GiveUp"),
    ]
    assert [call for call in recording.calls if call in written] == [
        *("PROCESSING to FAILED", "FAILED to ENQUEUED"),
        *("PROCESSING to FAILED", "gave up x"),
    ]


class Elects(JobFilter):
    def __init__(self, decision: RetryDecision | None) -> None:
        self._decision = decision

    def elect_state(self, job: Job, exception: BaseException, decision: RetryDecision) -> RetryDecision:
        if self._decision is None:
            raise LookupError("cannot decide")
        return self._decision


@pytest.mark.parametrize(
    ("filters", "reason"),
    [
        ([Elects(GiveUp("a filter said so"))], "a filter said so"),
        ([Elects(None)], "the decision about a retry raised builtins.LookupError: cannot"),
    ],
)
def test_a_filter_elects_the_state(watch: Watch, filters: list[JobFilter], reason: str) -> None:
    with JobRunr("memory://", filters=[watch, *filters], **FAST) as app, app.server():
        job_id = app.scheduler.enqueue(jobs.fail, "x")
        watch.wait_for(lambda: app.scheduler.get(job_id).state is JobState.FAILED)
        job = app.scheduler.get(job_id)
    last = job.history[-1]
    assert last.reason is not None and last.reason.startswith(reason)
    assert last.exception is not None and last.exception.type.endswith("Planned"), "what the job raised is not lost"


def test_the_last_of_several_electing_filters_has_the_last_word(watch: Watch) -> None:
    later = Elects(Retry(timedelta(hours=5)))
    with JobRunr("memory://", filters=[watch, Elects(GiveUp("no")), later], **FAST) as app, app.server():
        job_id = app.scheduler.enqueue(jobs.fail, "x")
        watch.wait_for(lambda: app.scheduler.get(job_id).state is JobState.SCHEDULED)
