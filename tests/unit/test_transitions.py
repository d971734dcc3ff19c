from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from jobrunr.errors import IllegalJobStateChangeError
from jobrunr.history import ExceptionRecord, StateChange, read_lines, write_lines
from jobrunr.ids import JobId
from jobrunr.jobs import Job, JobExtras, JobUpdate, encode_extras
from jobrunr.states import JobState
from jobrunr.storage.contract import Retention
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing.clock import TestClock
from jobrunr.testing.contract.decisions import bury, hand_back_unbegun, rescue
from jobrunr.testing.factories import a_job, a_server, a_stored_job, an_exception, present
from jobrunr.transitions import (
    Author,
    delete,
    expiry,
    fail,
    fail_and_retry,
    hand_back,
    leave,
    requeue,
    reschedule,
    succeed,
)
from tests.conftest import examples
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
) -> JobUpdate:
    return fail_and_retry(job, now, "it failed", exception, delay=after, retry_reason=why)


class TestDecisions:
    """One transition at a time: what it says shall be written."""

    @pytest.mark.parametrize(
        "move",
        [
            succeed,
            lambda job, now: fail(job, now, "why"),
            lambda job, now: retry(job, now, after=SECOND),
            lambda job, now: hand_back(job, now, "why", begun=True),
            lambda job, now: leave(job, now, "why", delay=SECOND),
            lambda job, now: delete(job, now, "why"),
        ],
    )
    def test_nothing_happens_before_what_it_follows(self, move: Callable[[Job, datetime], JobUpdate]) -> None:
        job = a_stored_job(JobState.PROCESSING)
        update = move(job, job.state_at - SECOND)
        assert update.at == job.state_at
        assert all(change.at <= job.state_at for change in read_lines(update.past))
        assert update.run_at in (job.run_at, None, job.state_at + SECOND)

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

    def test_what_was_left_for_other_servers_was_never_tried_and_keeps_its_suspicion(self) -> None:
        job = a_stored_job(JobState.PROCESSING, attempts=3, failures=2, crashes=1)
        update = leave(job, NOON + SECOND, "it is unknown here", delay=4 * SECOND)
        assert (update.state, update.at, update.run_at) == (JobState.SCHEDULED, NOON + SECOND, NOON + 5 * SECOND)
        assert (update.attempts, update.failures, update.crashes, update.fingerprint) == (2, 2, 1, None)
        assert read_lines(update.past) == job.present

    def test_what_was_left_again_and_again_remembers_the_first_time(self) -> None:
        once = a_stored_job(JobState.PROCESSING)
        again = replace(once, past=leave(once, NOON, "why", delay=SECOND).past, scheduled_at=NOON, started_at=NOON + SECOND)
        assert leave(again, NOON + SECOND, "why", delay=SECOND).past == ""
        assert len(read_lines(fail(again, NOON + SECOND, "nobody knew it").past)) == 4, "its end is told whole"

    @pytest.mark.parametrize("before", [JobState.FAILED, JobState.ENQUEUED, JobState.SCHEDULED])
    def test_any_other_time_of_waiting_is_kept_when_it_is_left(self, before: JobState) -> None:
        job = a_stored_job(
            JobState.PROCESSING, past=write_lines([StateChange(state=before, at=NOON)]), scheduled_at=NOON, run_at=NOON
        )
        assert read_lines(leave(job, NOON, "why", delay=SECOND).past) == job.present

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
        for update in (fail(job, NOON, "why"), delete(job, NOON, "why")):
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
            leave(job, NOON, "it is unknown here", delay=SECOND),
            delete(job, NOON, "it deletes itself", Author.OWNER),
        ):
            assert update is not None
            assert (update.token, update.version, update.keep_token) == (job.claim_token, None, True)

    def test_the_rescuer_is_held_to_the_owners_token_and_wipes_it(self) -> None:
        job = a_stored_job(JobState.PROCESSING)
        for update in (
            bury(job, NOON),
            rescue(job, NOON),
            hand_back_unbegun(job, NOON),
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

S = JobState


@dataclass(frozen=True)
class Move:
    """A transition, and what the design says about it."""

    decide: Callable[[Job, datetime], JobUpdate | None]
    by: Author
    states: tuple[JobState, ...]
    """The states through which it leads."""
    wait: timedelta | None = None
    """For SCHEDULED: how long."""
    is_noted_once: bool = False
    """Of several in a row, the history keeps the beginning and the last."""
    failures: Callable[[int], int] = lambda failures: failures
    attempts: Callable[[int], int] = lambda attempts: attempts
    crashes: Callable[[int], int] = lambda _: 0


MOVES = {
    "succeed": Move(lambda job, now: succeed(job, now, "1"), Author.OWNER, (S.SUCCEEDED,)),
    "fail": Move(lambda job, now: fail(job, now, "it failed"), Author.OWNER, (S.FAILED,), failures=lambda n: n + 1),
    "retry": Move(
        lambda job, now: retry(job, now, after=2 * SECOND),
        Author.OWNER,
        (S.FAILED, S.SCHEDULED),
        wait=2 * SECOND,
        failures=lambda n: n + 1,
    ),
    "retry at once": Move(
        lambda job, now: retry(job, now, after=AT_ONCE), Author.OWNER, (S.FAILED, S.ENQUEUED), failures=lambda n: n + 1
    ),
    "hand back": Move(
        lambda job, now: hand_back(job, now, "it stops", begun=True),
        Author.OWNER,
        (S.ENQUEUED,),
        crashes=lambda n: n,
    ),
    "hand back unbegun": Move(
        lambda job, now: hand_back(job, now, "it stops", begun=False),
        Author.OWNER,
        (S.ENQUEUED,),
        attempts=lambda n: n - 1,
        crashes=lambda n: n,
    ),
    "leave": Move(
        lambda job, now: leave(job, now, "it is unknown here", delay=4 * SECOND),
        Author.OWNER,
        (S.SCHEDULED,),
        wait=4 * SECOND,
        is_noted_once=True,
        attempts=lambda n: n - 1,
        crashes=lambda n: n,
    ),
    "delete itself": Move(lambda job, now: delete(job, now, "it is done", Author.OWNER), Author.OWNER, (S.DELETED,)),
    "rescue": Move(rescue, Author.RESCUER, (S.FAILED, S.ENQUEUED), crashes=lambda n: n + 1),
    "bury": Move(bury, Author.RESCUER, (S.FAILED,), crashes=lambda n: n + 1),
    "rescue unbegun": Move(hand_back_unbegun, Author.RESCUER, (S.ENQUEUED,), attempts=lambda n: n - 1, crashes=lambda n: n),
    "delete": Move(lambda job, now: delete(job, now, "withdrawn"), Author.PERSON, (S.DELETED,)),
    "requeue": Move(lambda job, now: requeue(job, now, "again"), Author.PERSON, (S.ENQUEUED,), failures=lambda _: 0),
    "reschedule": Move(
        lambda job, now: reschedule(job, now, now + 3 * SECOND, "later"),
        Author.PERSON,
        (S.SCHEDULED,),
        wait=3 * SECOND,
        failures=lambda _: 0,
    ),
}


def is_refused(job: Job, move: Move) -> bool:
    """Whether the table, or the rule that only its owner gives a running job back, forbids a move."""
    taken_away = job.state is S.PROCESSING and move.by is Author.PERSON and move.states != (S.DELETED,)
    return taken_away or not set(pairwise((job.state, *move.states))) <= ALLOWED


@dataclass(frozen=True)
class Sent:
    """An update, and what it was decided from."""

    update: JobUpdate
    knowledge: Job
    move: Move


@dataclass
class Expected:
    """What a job must be, kept beside the real one by simpler means."""

    history: list[tuple[JobState, datetime]]
    version: int
    run_at: datetime | None
    token: UUID | None = None
    written: Sent | None = None
    """The update of the owner whose token is still there."""
    was_promoted: bool = False
    """Whether it was its time that made it ENQUEUED, and nobody's decision."""
    attempts: int = 0
    failures: int = 0
    crashes: int = 0

    @property
    def state(self) -> JobState:
        return self.history[-1][0]

    @property
    def state_at(self) -> datetime:
        return self.history[-1][1]

    def lets(self, sent: Sent) -> bool:
        """Whether an update may be written."""
        if sent.move.by is Author.PERSON:
            return self.version == sent.knowledge.version
        return self.state is S.PROCESSING and self.token == sent.knowledge.claim_token

    def becomes(self, *states: JobState, at: datetime) -> None:
        self.history += [(state, at) for state in states]
        self.version += 1

    def is_written(self, sent: Sent) -> None:
        move, at = sent.move, sent.update.at
        left_and_promoted = [S.PROCESSING, S.SCHEDULED, S.ENQUEUED, S.PROCESSING]
        if move.is_noted_once and self.was_promoted and [state for state, _ in self.history[-4:]] == left_and_promoted:
            del self.history[-3:]
        self.was_promoted = False
        self.becomes(*move.states, at=at)
        self.failures, self.attempts = move.failures(self.failures), move.attempts(self.attempts)
        self.crashes = move.crashes(self.crashes)
        if self.state is S.SCHEDULED and move.wait is not None:
            self.run_at = at + move.wait
        self.token, self.written = (self.token, sent) if move.by is Author.OWNER else (None, None)


beginnings = st.sampled_from([S.AWAITING, S.SCHEDULED, S.ENQUEUED])


class AnySequence(RuleBasedStateMachine):
    """Whatever people, owners and masters do, in whatever order, and with however old a knowledge of the job."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = TestClock(NOON)
        self.storage = MemoryStorageProvider(self.clock)
        self.server = a_server()
        self.storage.announce(self.server)
        self.expected: dict[JobId, Expected] = {}
        self.known: list[list[Job]] = []
        """For each job all that was ever read of it."""
        self.sent: list[Sent] = []

    def tick(self) -> datetime:
        """No two things happen at the same moment."""
        return self.clock.advance(microseconds=1)

    def knowledge(self, which: int, age: int) -> Job:
        """What somebody knows of a job: the present, or what was true a while ago."""
        reads = self.known[which % len(self.known)]
        job = self.storage.get(reads[0].id)
        if job is not None and job != reads[-1]:
            reads.append(job)
        return reads[-1 - min(age, len(reads) - 1)]

    @initialize(state=beginnings)
    def the_first_job_is_made(self, state: JobState) -> None:
        self._make(state)

    @precondition(lambda self: len(self.known) < 2)
    @rule(state=beginnings)
    def another_job_is_made(self, state: JobState) -> None:
        self._make(state)

    def _make(self, state: JobState) -> None:
        now = self.tick()
        new = a_job(state=state, run_at=now + SECOND if state is S.SCHEDULED else None)
        self.storage.insert([new])
        job = present(self.storage, new)
        self.expected[new.id] = Expected([(state, now)], job.version, new.run_at)
        self.known.append([job])

    @rule(seconds=st.integers(1, 4))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds=seconds)

    @rule(limit=st.integers(1, 3))
    def a_server_claims(self, limit: int) -> None:
        now = self.tick()
        waiting = sum(expected.state is S.ENQUEUED for expected in self.expected.values())
        claimed = self.storage.claim(self.server.id, self.server.name, limit)
        assert len(claimed) == min(limit, waiting)
        for job in claimed:
            expected = self.expected[job.id]
            assert expected.state is S.ENQUEUED
            expected.becomes(S.PROCESSING, at=now)
            expected.attempts += 1
            expected.token, expected.written = job.claim_token, None

    @rule(which=st.integers(0, 1), draw=st.data())
    def somebody_does_what_may_be_done(self, which: int, draw: st.DataObject) -> None:
        job = self.knowledge(which, age=0)
        possible = sorted(name for name, move in MOVES.items() if not is_refused(job, move))
        self._decide(job, draw.draw(st.sampled_from(possible)))

    @rule(name=st.sampled_from(sorted(MOVES)), which=st.integers(0, 1), age=st.integers(0, 5))
    def somebody_tries_anything(self, name: str, which: int, age: int) -> None:
        self._decide(self.knowledge(which, age), name)

    def _decide(self, job: Job, name: str) -> None:
        now, move = self.tick(), MOVES[name]
        if (name, job.state) in {("delete", S.DELETED), ("delete itself", S.DELETED), ("requeue", S.ENQUEUED)}:
            assert move.decide(job, now) is None
        elif is_refused(job, move):
            with pytest.raises(IllegalJobStateChangeError):
                move.decide(job, now)
        else:
            update = move.decide(job, now)
            assert update is not None
            self.sent.append(Sent(update, job, move))
            self._send(self.sent[-1])

    @precondition(lambda self: self.sent)
    @rule(age=st.integers(0, 9))
    def an_update_is_sent_again(self, age: int) -> None:
        self.tick()
        self._send(self.sent[-1 - min(age, len(self.sent) - 1)])

    def _send(self, sent: Sent) -> None:
        answer = self.storage.update([sent.update])
        expected = self.expected.get(sent.update.job_id)
        written = expected is not None and expected.lets(sent)
        assert answer == ({sent.update.job_id} if written or (expected and expected.written is sent) else frozenset())
        if expected is not None and written:
            expected.is_written(sent)

    @rule()
    def the_master_promotes(self) -> None:
        now = self.tick()
        waiting = [expected for expected in self.expected.values() if expected.state is S.SCHEDULED]
        due = [expected for expected in waiting if expected.run_at is not None and expected.run_at <= now]
        assert self.storage.promote(1_000).count == len(due)
        for expected in due:
            expected.becomes(S.ENQUEUED, at=now)
            expected.was_promoted = True

    @rule(state=st.sampled_from([S.SUCCEEDED, S.FAILED, S.DELETED]), keep=st.sampled_from([0, 0, 3]))
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
            assert (job.attempts, job.failures, job.crashes) == (expected.attempts, expected.failures, expected.crashes)
            assert job.claim_token == expected.token

    @invariant()
    def every_history_keeps_to_the_table(self) -> None:
        for expected in self.expected.values():
            assert set(pairwise(state for state, _ in expected.history)) <= ALLOWED
            assert expected.history == sorted(expected.history, key=lambda entry: entry[1])

    @invariant()
    def every_job_is_counted(self) -> None:
        states = [expected.state for expected in self.expected.values()]
        assert self.storage.counts() == {state: states.count(state) for state in JobState}


TestAnySequence = AnySequence.TestCase
TestAnySequence.settings = settings(max_examples=examples(300))
