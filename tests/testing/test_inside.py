"""`job_context` lets a test call a job's function directly."""

from __future__ import annotations

import pytest

from jobrunr import JobState, current_job
from jobrunr.errors import NoCurrentJobError
from jobrunr.testing import NotedJournal, job_context
from jobrunr.testing.factories import a_stored_job
from tests.testing import jobs


def test_a_function_finds_its_job_inside_the_block_only() -> None:
    with job_context() as context:
        assert current_job() is context
    with pytest.raises(NoCurrentJobError):
        current_job()


def test_the_job_is_a_running_one_in_its_first_attempt() -> None:
    with job_context() as context:
        assert (context.state, context.attempt, context.failures) == (JobState.PROCESSING, 1, 0)
        assert not context.is_last_attempt


def test_a_test_can_say_what_job_it_is() -> None:
    with job_context(a_stored_job(JobState.PROCESSING, attempts=3, retries=2, failures=2, labels_json='["a"]')) as context:
        assert (context.attempt, context.is_last_attempt, context.labels) == (3, True, ("a",))


def test_the_journal_remembers_what_was_logged_and_kept() -> None:
    journal = NotedJournal()
    with job_context(journal=journal):
        jobs.chat("hello")

    assert journal.logs == [(20, "more of hello")]
    assert journal.metadata == {"said": "hello"}
    assert journal.progress is not None
    assert journal.progress.share == 1.0


def test_what_an_earlier_attempt_kept_is_there_again() -> None:
    journal = NotedJournal()
    with job_context(journal=journal) as context:
        context.metadata.update(sent=1, gone=2)
    with job_context(journal=journal) as context:
        del context.metadata["gone"]
        assert dict(context.metadata) == {"sent": 1}

    assert journal.metadata == {"sent": 1}
    assert journal.progress is None
