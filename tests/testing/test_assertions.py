"""`assert_enqueued` finds a call however it was made, and says what there is when there is none."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobrunr import JobRunr, JobState
from jobrunr.errors import ArgumentError, TargetNotImportableError
from jobrunr.testing import TestClock, assert_enqueued, drain, enqueued_jobs
from tests.testing import jobs


def test_the_oldest_matching_job_is_returned(app: JobRunr, clock: TestClock) -> None:
    app.scheduler.enqueue(jobs.send, "bob@example.org")
    first = app.scheduler.enqueue(jobs.send, "ada@example.org")
    clock.advance(seconds=1)
    app.scheduler.enqueue(jobs.send, "ada@example.org")

    assert assert_enqueued(app, jobs.send, "ada@example.org").id == first


def test_without_arguments_every_call_will_do(app: JobRunr) -> None:
    job_id = app.scheduler.enqueue(jobs.send, "ada@example.org")

    assert assert_enqueued(app, jobs.send).id == job_id


def test_a_job_for_later_counts(app: JobRunr, clock: TestClock) -> None:
    app.scheduler.options(queue="mail").schedule(timedelta(hours=1), jobs.send, "ada@example.org")

    job = assert_enqueued(app, jobs.send, "ada@example.org")

    assert (job.state, job.queue, job.run_at) == (JobState.SCHEDULED, "mail", clock.now() + timedelta(hours=1))


def test_names_and_positions_are_the_same_call(app: JobRunr) -> None:
    app.scheduler.enqueue(jobs.send, subject="Hello", email="ada@example.org")

    assert_enqueued(app, jobs.send, "ada@example.org", "Hello")
    assert_enqueued(app, jobs.send, email="ada@example.org", subject="Hello")


def test_values_are_compared_as_the_function_will_see_them(app: JobRunr) -> None:
    app.scheduler.enqueue(jobs.ship, jobs.Parcel(2, "Ada"), {"fragile", "heavy", "red"})

    assert_enqueued(app, jobs.ship, jobs.Parcel(2.0, "Ada"), {"red", "heavy", "fragile"})
    with pytest.raises(AssertionError):
        assert_enqueued(app, jobs.ship, jobs.Parcel(3.0, "Ada"), {"red", "heavy", "fragile"})


def test_a_default_that_was_not_passed_is_not_an_argument(app: JobRunr) -> None:
    app.scheduler.enqueue(jobs.send, "ada@example.org")

    with pytest.raises(AssertionError):
        assert_enqueued(app, jobs.send, "ada@example.org", "")


def test_the_message_lists_what_waits(app: JobRunr) -> None:
    app.scheduler.enqueue(jobs.send, "bob@example.org")
    app.scheduler.schedule(timedelta(hours=1), jobs.report, 2026)

    with pytest.raises(AssertionError) as failure:
        assert_enqueued(app, jobs.send, "ada@example.org")

    assert str(failure.value) == (
        "No job waits that calls jobs.send('ada@example.org'). These wait:\n"
        "  ENQUEUED jobs.send('bob@example.org')\n"
        "  SCHEDULED jobs.report(2026)\n"
    )


def test_the_message_of_an_empty_storage_is_short(app: JobRunr) -> None:
    with pytest.raises(AssertionError) as failure:
        assert_enqueued(app, jobs.send)

    assert str(failure.value) == "No job waits that calls tests.testing.jobs:send. No job waits at all."


def test_the_message_tells_of_jobs_that_ran_already(app: JobRunr) -> None:
    app.scheduler.enqueue(jobs.send, "ada@example.org")
    drain(app)

    with pytest.raises(AssertionError) as failure:
        assert_enqueued(app, jobs.send, "ada@example.org")

    assert str(failure.value).endswith(
        "These call it, but do not wait any more:\n  SUCCEEDED jobs.send('ada@example.org')\n"
    )


def test_a_long_list_is_cut(app: JobRunr) -> None:
    app.scheduler.enqueue_many(jobs.note, [str(number) for number in range(25)])

    with pytest.raises(AssertionError) as failure:
        assert_enqueued(app, jobs.send)

    assert str(failure.value).count("ENQUEUED") == 20
    assert str(failure.value).endswith("\n  and 5 more\n")


def test_a_call_that_could_not_be_made_is_told_of(app: JobRunr) -> None:
    with pytest.raises(ArgumentError, match="langauge"):
        assert_enqueued(app, jobs.send, "ada@example.org", langauge="de")
    with pytest.raises(TargetNotImportableError):
        assert_enqueued(app, lambda: None)


def test_all_waiting_jobs_are_found_however_many(app: JobRunr, clock: TestClock) -> None:
    later = app.scheduler.schedule(timedelta(hours=1), jobs.note, "later")
    clock.advance(seconds=1)
    ids = app.scheduler.enqueue_many(jobs.note, [str(number) for number in range(1005)])
    app.scheduler.enqueue(jobs.report, 2026)

    assert [job.id for job in enqueued_jobs(app, jobs.note)] == [later, *ids]
    assert len(enqueued_jobs(app)) == 1007
