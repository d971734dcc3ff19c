from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from jobrunr.history import ExceptionRecord, StateChange, read_lines, write_lines
from jobrunr.jobs import EXPIRED
from jobrunr.states import JobState
from jobrunr.storage.memory.writes import expired
from jobrunr.testing.factories import a_stored_job

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

texts = st.text(st.characters(exclude_categories=["Cs"]))
moments = st.datetimes(min_value=datetime(1000, 1, 1), max_value=datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
changes = st.builds(
    StateChange,
    state=st.sampled_from(JobState),
    at=moments,
    reason=st.none() | texts,
    run_at=st.none() | moments,
    server_id=st.none() | st.uuids(),
    server_name=st.none() | texts,
    attempt=st.none() | st.integers(0, 2**31),
    exception=st.none() | st.builds(ExceptionRecord, type=texts, message=texts, traceback=texts),
)


class TestLines:
    @given(st.lists(changes))
    def test_what_is_written_is_read(self, written: list[StateChange]) -> None:
        assert read_lines(write_lines(written)) == tuple(written)

    @given(st.lists(changes), st.lists(changes))
    def test_lines_can_be_appended(self, before: list[StateChange], after: list[StateChange]) -> None:
        assert write_lines(before) + write_lines(after) == write_lines([*before, *after])

    @pytest.mark.parametrize("separator", ["\n", "\r", "\r\n", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
    def test_a_text_with_line_ends_of_any_kind_stays_one_text(self, separator: str) -> None:
        change = StateChange(state=JobState.FAILED, at=NOON, reason=f"one{separator}two")
        assert read_lines(write_lines([change])) == (change,)

    def test_a_change_is_one_line_without_what_it_does_not_say(self) -> None:
        line = write_lines([StateChange(state=JobState.ENQUEUED, at=NOON)])
        assert line == '{"state":"ENQUEUED","at":"2026-01-01T12:00:00Z"}\n'

    def test_no_lines_are_no_changes(self) -> None:
        assert write_lines([]) == ""
        assert read_lines("") == ()

    @pytest.mark.parametrize(
        "damaged",
        [
            "not JSON",
            "{}",
            "[]",
            "null",
            '{"state":"RETIRED","at":"2026-01-01T12:00:00Z"}',
            '{"state":"ENQUEUED","at":"noon"}',
        ],
    )
    def test_a_line_that_cannot_be_read_says_so_and_the_others_are_read(self, damaged: str) -> None:
        before = StateChange(state=JobState.ENQUEUED, at=NOON)
        after = StateChange(state=JobState.PROCESSING, at=NOON)

        found = read_lines(write_lines([before]) + damaged + "\n" + write_lines([after]))

        assert (found[0], found[2]) == (before, after)
        assert found[1].reason is not None
        assert "cannot be read" in found[1].reason
        assert damaged in found[1].reason

    def test_a_damaged_line_is_shown_in_part_only(self) -> None:
        (found,) = read_lines("x" * 10_000)
        assert found.reason is not None
        assert len(found.reason) < 500

    def test_a_field_that_a_newer_version_wrote_is_passed_over(self) -> None:
        line = '{"state":"ENQUEUED","at":"2026-01-01T12:00:00Z","weather":"fine"}\n'
        assert read_lines(line) == (StateChange(state=JobState.ENQUEUED, at=NOON),)


class TestHistoryOfAJob:
    """The present attempt is told from the fields of the job, everything before it from its past."""

    @pytest.mark.parametrize("state", [state for state in JobState if state is not JobState.PROCESSED])
    def test_the_last_entry_is_the_present_state(self, state: JobState) -> None:
        job = a_stored_job(state)
        assert (job.history[-1].state, job.history[-1].at) == (state, job.state_at)

    @pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED])
    def test_the_last_entry_of_an_expired_job_says_that_its_time_was_over(self, state: JobState) -> None:
        job = a_stored_job(state)
        gone = expired(job, NOON + timedelta(days=2))
        assert gone.history == (
            *job.history,
            StateChange(state=JobState.DELETED, at=NOON + timedelta(days=2), reason=EXPIRED),
        )

    def test_an_attempt_under_way_is_told_from_its_fields(self) -> None:
        server_id = uuid4()
        hours = [NOON + timedelta(hours=n) for n in range(5)]
        job = a_stored_job(
            JobState.SUCCEEDED,
            scheduled_at=hours[0],
            run_at=hours[1],
            reason="tomorrow",
            enqueued_at=hours[2],
            started_at=hours[3],
            server_id=server_id,
            server_name="shop-1:17",
            attempts=3,
            finished_at=hours[4],
            past=write_lines([StateChange(state=JobState.AWAITING, at=NOON)]),
        )
        assert job.history == (
            StateChange(state=JobState.AWAITING, at=NOON),
            StateChange(state=JobState.SCHEDULED, at=hours[0], run_at=hours[1], reason="tomorrow"),
            StateChange(state=JobState.ENQUEUED, at=hours[2]),
            StateChange(state=JobState.PROCESSING, at=hours[3], server_id=server_id, server_name="shop-1:17", attempt=3),
            StateChange(state=JobState.SUCCEEDED, at=hours[4]),
        )

    def test_the_reason_belongs_to_the_first_entry_of_the_attempt(self) -> None:
        job = a_stored_job(reason="again")
        assert [change.reason for change in job.history] == ["again"]
        assert [change.reason for change in replace(job, scheduled_at=NOON).history] == ["again", None]

    def test_the_last_exception_is_the_newest(self) -> None:
        def failure(message: str) -> StateChange:
            exception = ExceptionRecord("builtins.ValueError", message)
            return StateChange(state=JobState.FAILED, at=NOON, exception=exception)

        enqueued = StateChange(state=JobState.ENQUEUED, at=NOON)
        assert a_stored_job().last_exception is None
        assert a_stored_job(past=write_lines([enqueued])).last_exception is None
        job = a_stored_job(past=write_lines([failure("old"), enqueued, failure("new"), enqueued]))
        assert job.last_exception == failure("new")
