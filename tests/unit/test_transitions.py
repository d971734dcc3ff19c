from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule
from msgspec.structs import replace

from jobrunr.errors import IllegalJobStateChangeError
from jobrunr.history import ExceptionRecord, StateChange, read_lines
from jobrunr.ids import JobId
from jobrunr.jobs import Job, JobExtras, JobUpdate, encode_extras
from jobrunr.states import JobState
from jobrunr.storage.contract import Retention
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing.clock import TestClock
from jobrunr.testing.factories import a_job, a_server, a_stored_job, an_exception, present
from jobrunr.transitions import Author, delete, expiry, fail, fail_and_retry, hand_back, requeue, reschedule, succeed
from tests.unit.test_states import ALLOWED

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


AT_ONCE = timedelta(0)


def retry(
    job: Job,
    now: datetime,
    *,
    after: timedelta,
    exception: ExceptionRecord | None = None,
    why: str = "retry",
    by: Author = Author.OWNER,
) -> JobUpdate:
    return fail_and_retry(job, now, "it failed", exception, delay=after, retry_reason=why, by=by)


class TestDecisions:
    """One transition at a time: what it says shall be written."""

    def test_success_leaves_the_attempt_in_its_fields(self) -> None:
        job = a_stored_job(JobState.PROCESSING, reason="tomorrow", run_at=NOON, failures=2)
        assert succeed(job, NOON + SECOND, "17") == JobUpdate(
            job_id=job.id,
            token=job.claim_token,
            keep_token=True,
            from_state=JobState.PROCESSING,
            state=JobState.SUCCEEDED,
            at=NOON + SECOND,
            run_at=NOON,
            reason="tomorrow",
            attempts=1,
            failures=2,
            result_json="17",
        )

    def test_a_failure_moves_the_attempt_into_the_past(self) -> None:
        job = a_stored_job(JobState.PROCESSING)
        update = fail(job, NOON + SECOND, "it failed", an_exception())
        assert read_lines(update.past) == (
            *job.present,
            StateChange(state=JobState.FAILED, at=NOON + SECOND, reason="it failed", exception=an_exception()),
        )
        assert (update.state, update.at, update.attempts, update.failures) == (JobState.FAILED, NOON + SECOND, 1, 1)

    def test_only_the_attempt_under_way_is_moved_into_the_past(self) -> None:
        once = a_stored_job(JobState.PROCESSING)
        again = replace(once, past=fail(once, NOON, "it failed").past)
        assert [change.state for change in read_lines(fail(again, NOON, "it failed").past)] == [
            JobState.ENQUEUED,
            JobState.PROCESSING,
            JobState.FAILED,
        ]

    def test_a_retry_is_due_after_its_delay(self) -> None:
        job = a_stored_job(JobState.PROCESSING, failures=1)
        update = retry(job, NOON, after=9 * SECOND, exception=an_exception(), why="retry 2 of 10")
        assert (update.state, update.run_at, update.reason) == (JobState.SCHEDULED, NOON + 9 * SECOND, "retry 2 of 10")
        assert (update.failures, update.attempts) == (2, 1)
        assert read_lines(update.past)[-1].state is JobState.FAILED

    def test_a_retry_without_a_delay_is_enqueued(self) -> None:
        update = retry(a_stored_job(JobState.PROCESSING), NOON, after=AT_ONCE, why="retry 1 of 10")
        assert (update.state, update.run_at, update.reason) == (JobState.ENQUEUED, None, "retry 1 of 10")

    def test_what_was_handed_back_unbegun_was_never_tried(self) -> None:
        job = a_stored_job(JobState.PROCESSING, attempts=3, failures=2)
        unbegun, begun = (hand_back(job, NOON, "the server stops", begun=begun) for begun in (False, True))
        assert (unbegun.state, unbegun.attempts, unbegun.failures) == (JobState.ENQUEUED, 2, 2)
        assert (begun.state, begun.attempts, begun.failures) == (JobState.ENQUEUED, 3, 2)

    @pytest.mark.parametrize("change", [requeue, lambda job, now, why: reschedule(job, now, now + SECOND, why)])
    def test_a_new_start_by_hand_counts_failures_anew_and_attempts_on(
        self, change: Callable[[Job, datetime, str], JobUpdate]
    ) -> None:
        update = change(a_stored_job(JobState.FAILED, failures=11, attempts=12), NOON, "again")
        assert (update.failures, update.attempts, update.result_json) == (0, 12, None)

    def test_a_rescheduled_job_is_due_at_the_new_time(self) -> None:
        update = reschedule(a_stored_job(JobState.SCHEDULED), NOON, NOON + 5 * SECOND, "later")
        assert (update.state, update.at, update.run_at) == (JobState.SCHEDULED, NOON, NOON + 5 * SECOND)

    def test_deleting_what_is_deleted_is_nothing_to_do(self) -> None:
        assert delete(a_stored_job(JobState.DELETED), NOON, "again") is None

    def test_requeueing_what_is_enqueued_is_nothing_to_do(self) -> None:
        assert requeue(a_stored_job(JobState.ENQUEUED), NOON, "again") is None

    @pytest.mark.parametrize("change", [requeue, lambda job, now, why: reschedule(job, now, now + SECOND, why)])
    def test_nobody_but_its_owner_gives_a_running_job_back(self, change: Callable[[Job, datetime, str], JobUpdate]) -> None:
        with pytest.raises(IllegalJobStateChangeError):
            change(a_stored_job(JobState.PROCESSING), NOON, "hurry")

    @pytest.mark.parametrize("state", [JobState.AWAITING, JobState.ENQUEUED, JobState.FAILED, JobState.DELETED])
    def test_only_what_runs_can_succeed(self, state: JobState) -> None:
        with pytest.raises(IllegalJobStateChangeError):
            succeed(a_stored_job(state), NOON)


class TestOrigin:
    """Where a change starts from: the counts depend on it."""

    @pytest.mark.parametrize("state", [JobState.AWAITING, JobState.SCHEDULED, JobState.ENQUEUED, JobState.PROCESSING])
    def test_a_change_says_from_which_state_it_leads(self, state: JobState) -> None:
        job = a_stored_job(state)
        for update in (fail(job, NOON, "why", by=Author.PERSON), delete(job, NOON, "why")):
            assert update is not None
            assert (update.job_id, update.from_state) == (job.id, state)


class TestGuards:
    """Who writes, and so what it depends on."""

    def test_the_owner_is_held_to_its_token_and_keeps_it(self) -> None:
        job = a_stored_job(JobState.PROCESSING)
        for update in (
            succeed(job, NOON),
            fail(job, NOON, "it failed"),
            retry(job, NOON, after=SECOND),
            hand_back(job, NOON, "the server stops", begun=True),
            delete(job, NOON, "it deletes itself", Author.OWNER),
        ):
            assert update is not None
            assert (update.token, update.version, update.keep_token) == (job.claim_token, None, True)

    def test_the_rescuer_is_held_to_the_owners_token_and_wipes_it(self) -> None:
        job = a_stored_job(JobState.PROCESSING)
        for update in (
            fail(job, NOON, "its server is gone", by=Author.RESCUER),
            retry(job, NOON, after=SECOND, by=Author.RESCUER),
        ):
            assert (update.token, update.version, update.keep_token) == (job.claim_token, None, False)

    def test_a_person_is_held_to_the_version_that_was_read(self) -> None:
        job = a_stored_job(JobState.FAILED, version=7)
        for update in (delete(job, NOON, "why"), requeue(job, NOON, "why"), reschedule(job, NOON, NOON, "why")):
            assert update is not None
            assert (update.token, update.version, update.keep_token) == (None, 7, False)


class TestTimeOfKeeping:
    """When a job that has a rule of its own may go."""

    RULES = JobExtras(delete_succeeded_after=SECOND, delete_failed_after=2 * SECOND, purge_deleted_after=3 * SECOND)

    def test_each_end_has_its_own_rule(self) -> None:
        job = a_stored_job(JobState.PROCESSING, extras_json=encode_extras(self.RULES))
        gone = delete(job, NOON, "withdrawn")
        assert gone is not None
        assert succeed(job, NOON).expires_at == NOON + SECOND
        assert fail(job, NOON, "it failed").expires_at == NOON + 2 * SECOND
        assert gone.expires_at == NOON + 3 * SECOND

    def test_what_is_not_at_its_end_does_not_expire(self) -> None:
        job = a_stored_job(JobState.PROCESSING, extras_json=encode_extras(self.RULES))
        assert hand_back(job, NOON, "the server stops", begun=True).expires_at is None
        assert retry(job, NOON, after=SECOND).expires_at is None

    @pytest.mark.parametrize(
        "extras", [None, JobExtras(retry_on=("builtins.OSError",)), JobExtras(purge_deleted_after=SECOND)]
    )
    def test_a_job_without_a_rule_is_left_to_the_settings(self, extras: JobExtras | None) -> None:
        job = a_stored_job(JobState.PROCESSING, extras_json=extras and encode_extras(extras))
        assert succeed(job, NOON).expires_at is None

    def test_a_job_whose_rules_cannot_be_read_is_left_to_the_settings(self) -> None:
        assert expiry(a_stored_job(extras_json="not JSON"), JobState.DELETED, NOON) is None

    def test_to_be_kept_for_no_time_at_all_is_a_rule(self) -> None:
        rules = encode_extras(JobExtras(delete_succeeded_after=timedelta(0)))
        assert succeed(a_stored_job(JobState.PROCESSING, extras_json=rules), NOON).expires_at == NOON


# -- any sequence of transitions

Decision = Callable[[Job, datetime], JobUpdate | None]


@dataclass(frozen=True)
class Move:
    """A transition, and the states through which it leads by what the design says."""

    decide: Decision
    states: tuple[JobState, ...]
    of_a_person: bool = False
    fails: bool = False
    is_a_new_start: bool = False
    untries: bool = False


S = JobState
BY_THE_OWNER = [
    Move(lambda job, now: succeed(job, now, "1"), (S.SUCCEEDED,)),
    Move(lambda job, now: fail(job, now, "it failed", an_exception()), (S.FAILED,), fails=True),
    Move(
        lambda job, now: retry(job, now, after=2 * SECOND),
        (S.FAILED, S.SCHEDULED),
        fails=True,
    ),
    Move(
        lambda job, now: retry(job, now, after=AT_ONCE),
        (S.FAILED, S.ENQUEUED),
        fails=True,
    ),
    Move(lambda job, now: hand_back(job, now, "the server stops", begun=True), (S.ENQUEUED,)),
    Move(lambda job, now: hand_back(job, now, "the server stops", begun=False), (S.ENQUEUED,), untries=True),
    Move(lambda job, now: delete(job, now, "it deletes itself", Author.OWNER), (S.DELETED,)),
]
BY_OTHERS = [
    Move(lambda job, now: fail(job, now, "its server is gone", by=Author.RESCUER), (S.FAILED,), fails=True),
    Move(
        lambda job, now: retry(job, now, after=AT_ONCE, by=Author.RESCUER),
        (S.FAILED, S.ENQUEUED),
        fails=True,
    ),
    Move(lambda job, now: delete(job, now, "withdrawn"), (S.DELETED,), of_a_person=True),
    Move(lambda job, now: requeue(job, now, "again"), (S.ENQUEUED,), of_a_person=True, is_a_new_start=True),
    Move(
        lambda job, now: reschedule(job, now, now + 3 * SECOND, "later"),
        (S.SCHEDULED,),
        of_a_person=True,
        is_a_new_start=True,
    ),
]


@dataclass
class Expected:
    """What a job must be, kept beside the real one by simpler means."""

    history: list[tuple[JobState, datetime]]
    version: int
    run_at: datetime | None
    token: UUID | None = None
    written: JobUpdate | None = None
    """The update of the owner whose token is still there."""
    attempts: int = 0
    failures: int = 0

    @property
    def state(self) -> JobState:
        return self.history[-1][0]

    @property
    def state_at(self) -> datetime:
        return self.history[-1][1]

    def lets(self, update: JobUpdate) -> bool:
        """Whether an update may be written."""
        if update.version is not None:
            return update.version == self.version
        return update.token is not None and self.state is S.PROCESSING and self.token == update.token

    def becomes(self, *states: JobState, at: datetime) -> None:
        self.history += [(state, at) for state in states]
        self.version += 1


@dataclass(frozen=True)
class Sent:
    update: JobUpdate
    move: Move = field(repr=False)


class AnySequence(RuleBasedStateMachine):
    """Whatever people, owners and masters do, in whatever order, and with however old a knowledge of the job."""

    read = Bundle("read")
    """Jobs as somebody read them at some time."""
    claimed = Bundle("claimed")
    """Jobs as some owner got them at some time."""
    sent = Bundle("sent")
    """Updates that were sent, and may be sent again."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = TestClock(NOON)
        self.storage = MemoryStorageProvider(self.clock)
        self.server = a_server()
        self.storage.announce(self.server)
        self.expected: dict[JobId, Expected] = {}

    def tick(self) -> datetime:
        """No two things happen at the same moment."""
        return self.clock.advance(microseconds=1)

    @rule(target=read, state=st.sampled_from([S.AWAITING, S.SCHEDULED, S.ENQUEUED]), wait=st.integers(0, 5))
    def a_job_is_made(self, state: JobState, wait: int) -> Job:
        now = self.tick()
        new = a_job(state=state, run_at=now + wait * SECOND if state is S.SCHEDULED else None)
        self.storage.insert([new])
        job = present(self.storage, new)
        self.expected[new.id] = Expected([(state, now)], job.version, new.run_at)
        return job

    @rule(seconds=st.integers(1, 4))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds=seconds)

    @rule(target=read, job=read | claimed)
    def somebody_looks(self, job: Job) -> Job:
        return self.storage.get(job.id) or job

    @rule(target=claimed, limit=st.integers(1, 3))
    def a_server_claims(self, limit: int) -> object:
        now = self.tick()
        claimed = self.storage.claim(self.server.id, self.server.name, limit)
        for job in claimed:
            expected = self.expected[job.id]
            assert expected.state is S.ENQUEUED
            expected.becomes(S.PROCESSING, at=now)
            expected.attempts += 1
            expected.token, expected.written = job.claim_token, None
        return multiple(*claimed)

    @rule(target=sent, job=claimed, move=st.sampled_from(BY_THE_OWNER))
    def an_owner_decides(self, job: Job, move: Move) -> object:
        return self._decide(job, move)

    @rule(target=sent, job=read | claimed, move=st.sampled_from(BY_OTHERS))
    def somebody_else_decides(self, job: Job, move: Move) -> object:
        return self._decide(job, move)

    @rule(target=sent, job=read, move=st.sampled_from(BY_THE_OWNER))
    def somebody_acts_as_if_the_job_were_claimed(self, job: Job, move: Move) -> object:
        return self._decide(job, move)

    def _decide(self, job: Job, move: Move) -> object:
        now = self.tick()
        path = [job.state, *move.states]
        legal = set(pairwise(path)) <= ALLOWED
        if move.is_a_new_start and job.state is S.PROCESSING:
            legal = False
        if not legal and not (job.state is move.states[-1] and (move.of_a_person or job.state is S.DELETED)):
            with pytest.raises(IllegalJobStateChangeError):
                move.decide(job, now)
            return multiple()
        update = move.decide(job, now)
        if update is None:
            assert job.state is move.states[-1]
            return multiple()
        assert legal
        self._send(update, move)
        return Sent(update, move)

    @rule(sent=sent)
    def an_update_is_sent_again(self, sent: Sent) -> None:
        self.tick()
        self._send(sent.update, sent.move)

    def _send(self, update: JobUpdate, move: Move) -> None:
        answer = self.storage.update([update])
        expected = self.expected.get(update.job_id)
        if expected is None:
            assert not answer
        elif expected.lets(update):
            assert answer == {update.job_id}
            self._is_written(expected, update, move)
        else:
            recognised = update.token is not None and expected.token == update.token and expected.written == update
            assert answer == ({update.job_id} if recognised else frozenset())

    def _is_written(self, expected: Expected, update: JobUpdate, move: Move) -> None:
        expected.becomes(*move.states, at=update.at)
        expected.failures = 0 if move.is_a_new_start else expected.failures + move.fails
        expected.attempts -= move.untries
        expected.run_at = update.run_at
        expected.token, expected.written = (expected.token, update) if update.keep_token else (None, None)

    @rule()
    def the_master_promotes(self) -> None:
        now = self.tick()
        due = [
            expected
            for expected in self.expected.values()
            if expected.state is S.SCHEDULED and expected.run_at is not None and expected.run_at <= now
        ]
        assert self.storage.promote(1_000).count == len(due)
        for expected in due:
            expected.becomes(S.ENQUEUED, at=now)

    @rule(state=st.sampled_from([S.SUCCEEDED, S.FAILED, S.DELETED]), keep=st.integers(0, 5))
    def the_master_expires(self, state: JobState, keep: int) -> None:
        now = self.tick()
        after = keep * SECOND
        over = {i: e for i, e in self.expected.items() if e.state is state and now - e.state_at >= after}
        retention = Retention(
            delete_succeeded_after=after if state is S.SUCCEEDED else None,
            delete_failed_after=after if state is S.FAILED else None,
            purge_deleted_after=after if state is S.DELETED else None,
        )
        assert self.storage.expire(retention, 1_000) == len(over)
        for job_id, expected in over.items():
            if state is S.DELETED:
                del self.expected[job_id]
                continue
            expected.becomes(S.DELETED, at=now)
            if state is S.FAILED:
                expected.written = None  # so long after, it need not be recognised

    @invariant()
    def every_job_is_what_it_must_be(self) -> None:
        for job_id, expected in self.expected.items():
            job = self.storage.get(job_id)
            assert job is not None
            assert [(change.state, change.at) for change in job.history] == expected.history
            assert (job.state, job.state_at, job.version) == (expected.state, expected.state_at, expected.version)
            assert (job.attempts, job.failures) == (expected.attempts, expected.failures)
            assert job.claim_token == expected.token

    @invariant()
    def every_history_keeps_to_the_table(self) -> None:
        for expected in self.expected.values():
            states = [state for state, _ in expected.history]
            assert set(pairwise(states)) <= ALLOWED
            assert expected.history == sorted(expected.history, key=lambda entry: entry[1])

    @invariant()
    def every_job_is_counted(self) -> None:
        states = [expected.state for expected in self.expected.values()]
        assert self.storage.counts() == {state: states.count(state) for state in JobState}


TestAnySequence = AnySequence.TestCase
TestAnySequence.settings = settings(max_examples=100)
