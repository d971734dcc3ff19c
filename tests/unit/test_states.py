from __future__ import annotations

from itertools import product

import pytest

from jobrunr.errors import IllegalJobStateChangeError
from jobrunr.ids import JobId
from jobrunr.states import FINISHED, MOVES, JobState, check_move

THE_TABLE = """
    AWAITING    to SCHEDULED ENQUEUED FAILED DELETED
    SCHEDULED   to SCHEDULED ENQUEUED FAILED DELETED
    ENQUEUED    to PROCESSING SCHEDULED FAILED DELETED
    PROCESSING  to SUCCEEDED FAILED DELETED PROCESSED ENQUEUED SCHEDULED
    PROCESSED   to SUCCEEDED FAILED DELETED
    SUCCEEDED   to SCHEDULED ENQUEUED DELETED
    FAILED      to SCHEDULED ENQUEUED DELETED
    DELETED     to SCHEDULED ENQUEUED
"""
"""Written down a second time, so that nobody changes it by a slip."""

ALLOWED = {
    (JobState(line.split()[0]), JobState(wanted))
    for line in THE_TABLE.strip().splitlines()
    for wanted in line.split(" to ")[1].split()
}


@pytest.mark.parametrize(("current", "wanted"), sorted(ALLOWED))
def test_a_move_of_the_table_is_allowed(current: JobState, wanted: JobState) -> None:
    check_move(JobId.new(), current, wanted)


@pytest.mark.parametrize(("current", "wanted"), sorted(set(product(JobState, JobState)) - ALLOWED))
def test_any_other_move_is_refused_with_the_job_and_both_states(current: JobState, wanted: JobState) -> None:
    job_id = JobId.new()

    with pytest.raises(IllegalJobStateChangeError) as refused:
        check_move(job_id, current, wanted)

    assert str(refused.value) == f"Job {job_id} is {current} and cannot become {wanted}."
    assert (refused.value.job_id, refused.value.current, refused.value.wanted) == (job_id, current, wanted)


def test_every_state_is_in_the_table() -> None:
    assert set(MOVES) == set(JobState)


@pytest.mark.parametrize("state", JobState)
def test_no_state_is_a_trap(state: JobState) -> None:
    reached, todo = {state}, [state]
    while todo:
        new = MOVES[todo.pop()] - reached
        reached |= new
        todo += new
    assert {JobState.ENQUEUED, JobState.DELETED, JobState.SUCCEEDED} <= reached


def test_a_finished_job_runs_again_only_through_the_queue() -> None:
    assert {JobState.SUCCEEDED, JobState.FAILED, JobState.DELETED} == FINISHED
    for state in FINISHED:
        assert MOVES[state] <= {JobState.SCHEDULED, JobState.ENQUEUED, JobState.DELETED}


def test_only_what_is_enqueued_is_taken_to_be_run() -> None:
    assert [state for state in JobState if JobState.PROCESSING in MOVES[state]] == [JobState.ENQUEUED]


def test_a_state_is_stored_under_its_name() -> None:
    assert [state.value for state in JobState] == [state.name for state in JobState]
