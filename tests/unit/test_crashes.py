from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from jobrunr.crashes import HandBack, decide_after_crash, has_last_chance, is_to_be_marked
from jobrunr.ids import new_token
from jobrunr.jobs import Job
from jobrunr.retries import GiveUp, Retry
from jobrunr.states import JobState
from jobrunr.testing.factories import a_stored_job

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
AT_ONCE = Retry(timedelta(0))


def running(*, is_begun: bool = False, **facts: int) -> Job:
    job = a_stored_job(JobState.PROCESSING, NOON, **facts)
    return replace(job, begun_token=job.claim_token if is_begun else new_token())


def test_the_first_crashes_of_a_job_are_followed_by_another_run() -> None:
    assert decide_after_crash(running(), 3) == AT_ONCE
    assert decide_after_crash(running(crashes=1, is_begun=True), 3) == AT_ONCE


def test_one_crash_too_many_quarantines_a_job() -> None:
    decision = decide_after_crash(running(crashes=2, is_begun=True), 3)
    assert decision == GiveUp("quarantined: its process died 3 times while it ran")


def test_a_suspect_that_had_not_begun_is_handed_back() -> None:
    assert decide_after_crash(running(crashes=2), 3) == HandBack("shop-1:4711 was lost before it began this job")


def test_a_job_that_may_run_only_once_is_handed_back_unless_it_had_begun() -> None:
    assert isinstance(decide_after_crash(running(retries=0), 3), HandBack)
    assert decide_after_crash(running(retries=0, is_begun=True), 3) == GiveUp(
        "its process died while it ran, and it is not to be retried"
    )


def test_a_job_without_retries_left_is_run_again_because_a_crash_is_no_failure() -> None:
    assert decide_after_crash(running(retries=1, failures=1), 3) == AT_ONCE


def test_only_suspects_and_jobs_that_may_run_only_once_cost_a_mark() -> None:
    assert not is_to_be_marked(running())
    assert is_to_be_marked(running(crashes=1))
    assert is_to_be_marked(running(retries=0))


def test_a_job_has_its_last_chance_when_the_next_crash_is_one_too_many() -> None:
    assert [has_last_chance(running(crashes=crashes), 3) for crashes in range(4)] == [False, False, True, True]
    assert [has_last_chance(running(crashes=crashes), 2) for crashes in range(3)] == [False, True, True]


@given(
    crashes=st.integers(0, 6),
    retries=st.integers(0, 3),
    failures=st.integers(0, 3),
    is_begun=st.booleans(),
    max_crashes=st.integers(2, 6),
)
def test_what_follows_a_crash_depends_on_nothing_but_crashes_and_on_whether_it_may_have_run(
    crashes: int, retries: int, failures: int, is_begun: bool, max_crashes: int
) -> None:
    job = running(crashes=crashes, retries=retries, failures=failures, is_begun=is_begun)
    decision = decide_after_crash(job, max_crashes)

    may_have_run = is_begun or (crashes == 0 and retries > 0)
    is_the_end = retries == 0 or crashes + 1 >= max_crashes
    assert type(decision) is (HandBack if not may_have_run else GiveUp if is_the_end else Retry)
    assert decision == AT_ONCE or decision.why  # type: ignore[union-attr]
