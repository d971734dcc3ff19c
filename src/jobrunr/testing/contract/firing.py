"""Making the jobs of recurring jobs when their time has come, and what is kept of their runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from functools import partial

import pytest
from msgspec.structs import replace

from jobrunr import transitions
from jobrunr.ids import JobId
from jobrunr.jobs import Job, JobUpdate
from jobrunr.recurring_job import RecurringJob, RecurringRun, SkipReason, Skips
from jobrunr.server_record import ServerRecord
from jobrunr.states import JobState
from jobrunr.storage.contract import DueRecurringJob, JobQuery, Listener, Promotion, Retention, StorageProvider
from jobrunr.testing.clock import TestClock
from jobrunr.testing.contract.base import MANY, Contract, in_parallel
from jobrunr.testing.contract.waking import LONG, SHORT
from jobrunr.testing.factories import (
    a_firing,
    a_scheduled_job,
    awaiting,
    enqueued,
    failed,
    present,
    processing,
    registered,
    scheduled,
    succeeded,
)

HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)
CALLERS = 8


def withdrawal(storage: StorageProvider, job: Job) -> JobUpdate:
    """What withdraws a job that did not start."""
    update = transitions.delete(job, storage.now(), "not wanted any more")
    assert update is not None
    return update


def skips(job: RecurringJob, reason: SkipReason = SkipReason.MISSED, count: int = 3) -> Skips:
    """So many runs that were left out, from the next one on."""
    assert job.next_run_at is not None
    return Skips(reason=reason, first=job.next_run_at, last=job.next_run_at + HOUR, count=count)


class Firing(Contract):
    """When the time of a recurring job has come, its job is made, once."""

    def test_it_is_due_at_its_time_and_not_before(self, storage: StorageProvider, clock: TestClock) -> None:
        job = registered(storage)
        registered(storage, look_at=None, next_run_at=None)
        assert job.look_at is not None
        clock.set(job.look_at - TICK)
        assert storage.due_recurring(MANY) == []
        clock.set(job.look_at)
        assert storage.due_recurring(MANY) == [DueRecurringJob(job, live=0, waiting=0)]

    def test_the_longest_overdue_come_first_and_no_more_than_the_limit(
        self, storage: StorageProvider, clock: TestClock
    ) -> None:
        jobs = [registered(storage, look_at=clock.now() - timedelta(seconds=n)) for n in (1, 3, 2)]
        assert [due.job for due in storage.due_recurring(2)] == [jobs[1], jobs[2]]

    def test_its_jobs_are_counted_by_whether_they_are_due_or_wait(
        self, storage: StorageProvider, server: ServerRecord, clock: TestClock
    ) -> None:
        now = clock.now()
        job = registered(storage, look_at=now)
        other = registered(storage, look_at=now + TICK)
        for made in (partial(processing, server=server), succeeded, failed, awaiting, enqueued):
            made(storage, recurring_job_id=job.id)
            made(storage)
        scheduled(storage, now, recurring_job_id=job.id)
        scheduled(storage, now + TICK, recurring_job_id=job.id)
        enqueued(storage, recurring_job_id=other.id)
        assert storage.due_recurring(MANY) == [DueRecurringJob(job, live=3, waiting=2)]

    def test_the_next_look_is_told_with_the_next_job(self, storage: StorageProvider, clock: TestClock) -> None:
        first = registered(storage, look_at=clock.now() + HOUR)
        registered(storage, look_at=clock.now() + 2 * HOUR)
        registered(storage, look_at=None)
        assert storage.promote(MANY) == Promotion(0, None, first.look_at)
        due = scheduled(storage, clock.now())
        assert storage.promote(MANY) == Promotion(1, None, first.look_at)
        assert present(storage, due).state is JobState.ENQUEUED

    def test_a_firing_makes_jobs_and_moves_the_recurring_job_on(self, storage: StorageProvider, clock: TestClock) -> None:
        job = registered(storage)
        assert job.next_run_at is not None
        clock.set(now := job.next_run_at)
        firing = a_firing(job, job.next_run_at)

        assert storage.fire([firing]) == {firing.runs[0].job.id}

        assert storage.get_recurring(job.id) == firing.after
        made = storage.get(firing.runs[0].job.id)
        assert made is not None
        assert (made.state, made.recurring_job_id, made.run_at) == (JobState.ENQUEUED, job.id, job.next_run_at)
        assert (made.created_at, made.enqueued_at) == (now, now)
        expected = RecurringRun(recurring_job_id=job.id, run_at=job.next_run_at, job_id=made.id)
        assert storage.recurring_runs(job.id, MANY) == [expected]

    def test_a_firing_sent_again_makes_nothing_more(self, storage: StorageProvider) -> None:
        job = registered(storage)
        firing = a_firing(job, storage.now())
        assert len(storage.fire([firing])) == 1
        assert storage.fire([firing]) == frozenset()
        assert storage.counts()[JobState.ENQUEUED] == 1

    @pytest.mark.parametrize("change", ["changed", "removed"])
    def test_a_firing_about_what_changed_meanwhile_writes_nothing(self, storage: StorageProvider, change: str) -> None:
        job, other = registered(storage), registered(storage)
        changed = replace(job, schedule="PT1H", version=2)
        assert storage.save_recurring(changed) if change == "changed" else storage.delete_recurring(job.id, 1)
        stale = a_firing(job, storage.now(), skips=(skips(job),))
        sound = a_firing(other, storage.now())

        assert storage.fire([stale, sound]) == {sound.runs[0].job.id}

        assert storage.get_recurring(job.id) == (changed if change == "changed" else None)
        assert storage.recurring_runs(job.id, MANY) == []

    def test_a_time_that_has_a_job_gets_no_other_under_another_definition(self, storage: StorageProvider) -> None:
        job, time = registered(storage), storage.now()
        first = a_firing(job, time)
        storage.fire([first])
        changed = replace(first.after, schedule="PT1H", version=3)
        assert storage.save_recurring(changed)
        again = a_firing(changed, time, time + HOUR)

        assert storage.fire([again]) == {again.runs[1].job.id}

        assert storage.get_recurring(job.id) == again.after
        assert [run.job_id for run in storage.recurring_runs(job.id, MANY)] == [again.runs[1].job.id, first.runs[0].job.id]

    def test_the_time_of_a_withdrawn_job_is_free_again(self, storage: StorageProvider) -> None:
        job, time = registered(storage), storage.now()
        first = a_firing(job, time)
        (made,) = storage.fire([first])
        stored = storage.get(made)
        assert stored is not None
        changed = replace(first.after, schedule="PT1H", version=3)
        assert storage.save_recurring(changed, [withdrawal(storage, stored)])
        again = a_firing(changed, time)
        assert storage.fire([again]) == {again.runs[0].job.id}

    def test_a_time_that_has_a_job_keeps_it_when_it_is_left_out_later(self, storage: StorageProvider) -> None:
        job = registered(storage, next_run_at=storage.now())
        first = a_firing(job, storage.now())
        storage.fire([first])
        left_out = a_firing(first.after, skips=(skips(job, count=1),))
        storage.fire([left_out])
        again = a_firing(left_out.after, storage.now())

        assert storage.fire([again]) == frozenset()

        made = RecurringRun(recurring_job_id=job.id, run_at=first.runs[0].run_at, job_id=first.runs[0].job.id)
        assert storage.recurring_runs(job.id, MANY) == [made]

    def test_two_recurring_jobs_may_run_at_the_same_time(self, storage: StorageProvider) -> None:
        firings = [a_firing(registered(storage), storage.now()) for _ in range(3)]
        assert storage.fire(firings) == {firing.runs[0].job.id for firing in firings}

    def test_what_ends_is_removed_and_its_runs_are_kept(self, storage: StorageProvider) -> None:
        job = registered(storage)
        last = a_firing(job, storage.now(), ends=True, next_run_at=None, look_at=None)
        assert len(storage.fire([last])) == 1
        assert storage.get_recurring(job.id) is None
        assert len(storage.recurring_runs(job.id, MANY)) == 1

    def test_skipped_runs_are_kept_as_one_entry_that_grows(self, storage: StorageProvider) -> None:
        job = registered(storage)
        few = skips(job, count=3)
        storage.fire([first := a_firing(job, skips=(few,))])
        more = replace(few, last=few.last + HOUR, count=9)
        storage.fire([second := a_firing(first.after, storage.now() + 9 * HOUR, skips=(more,))])
        entry = RecurringRun(recurring_job_id=job.id, run_at=few.first, skips=more)
        assert storage.recurring_runs(job.id, MANY, only_skipped=True) == [entry]
        run = second.runs[0]
        made = RecurringRun(recurring_job_id=job.id, run_at=run.run_at, job_id=run.job.id)
        assert storage.recurring_runs(job.id, MANY) == [made, entry]
        assert storage.recurring_runs(job.id, 1) == [made]
        assert storage.recurring_runs("another", MANY) == []

    def test_many_at_once_are_all_written(self, storage: StorageProvider, clock: TestClock) -> None:
        jobs = [registered(storage, look_at=clock.now(), id=f"job-{n}") for n in range(600)]
        firings = [a_firing(due.job, clock.now()) for due in storage.due_recurring(MANY)]
        assert len(storage.fire(firings)) == len(jobs) == storage.counts()[JobState.ENQUEUED]
        assert storage.due_recurring(MANY) == []

    def test_of_many_who_fire_the_same_one_makes_the_job(self, storage: StorageProvider, second: StorageProvider) -> None:
        jobs = [registered(storage) for _ in range(20)]
        time, storages = storage.now(), [storage, second]

        def fire(storage: StorageProvider) -> frozenset[JobId]:
            return storage.fire([a_firing(job, time) for job in jobs])

        made = in_parallel([partial(fire, storages[n % 2]) for n in range(CALLERS)])

        assert sum(map(len, made)) == len(jobs) == storage.counts()[JobState.ENQUEUED]
        found = storage.find(JobQuery(state=JobState.ENQUEUED, limit=MANY))
        assert {job.recurring_job_id for job in found} == {job.id for job in jobs}

    def test_jobs_of_a_firing_wake_those_who_wait_for_work(self, storage: StorageProvider) -> None:
        job = registered(storage)
        with closing(storage.listener(["default"])) as listener:
            listener.wait(SHORT)
            storage.fire([a_firing(job, storage.now())])
            assert listener.wait(LONG)


class ForgettingRuns(Contract):
    """What became of runs is kept for a while."""

    def test_runs_and_skips_are_forgotten_each_in_their_time(self, storage: StorageProvider, clock: TestClock) -> None:
        job = registered(storage)
        storage.fire([a_firing(job, clock.now(), skips=(skips(job),))])
        keep = Retention(forget_runs_after=HOUR, forget_skips_after=2 * HOUR, delete_succeeded_after=None)

        def left() -> list[bool]:
            assert storage.expire(keep, MANY) == 0
            return [run.skips is None for run in storage.recurring_runs(job.id, MANY)]

        clock.set(clock.now() + HOUR - TICK)
        assert sorted(left()) == [False, True]
        clock.set(clock.now() + TICK)
        assert left() == [False]
        clock.set(clock.now() + HOUR)
        assert left() == []


class WakingForTimes(Contract):
    """Who waits for the timetable wakes when something is put on it that is due soon."""

    @pytest.fixture
    def timetable(self, storage: StorageProvider) -> Iterator[Listener]:
        with closing(storage.timetable_listener()) as listener:
            while listener.wait(SHORT):
                pass
            yield listener

    @pytest.mark.parametrize(
        "put",
        [
            lambda storage: storage.insert([a_scheduled_job(storage.now() + timedelta(seconds=1))]),
            lambda storage: registered(storage, look_at=storage.now() + timedelta(seconds=1)),
        ],
        ids=["a job", "a recurring job"],
    )
    def test_it_wakes_for_what_is_due_soon(
        self, storage: StorageProvider, timetable: Listener, put: Callable[[StorageProvider], object]
    ) -> None:
        put(storage)
        assert timetable.wait(LONG)

    def test_it_wakes_for_a_job_that_is_scheduled_anew(self, storage: StorageProvider) -> None:
        job = enqueued(storage)
        with closing(storage.timetable_listener()) as listener:
            while listener.wait(SHORT):
                pass
            update = transitions.reschedule(job, storage.now(), storage.now() + timedelta(seconds=1), "later")
            storage.update([update])
            assert listener.wait(LONG)

    def test_who_waits_for_work_sleeps_on(self, storage: StorageProvider) -> None:
        with closing(storage.listener()) as everything, closing(storage.listener(["default"])) as one:
            for listener in (everything, one):
                while listener.wait(SHORT):
                    pass
            registered(storage, look_at=storage.now() + timedelta(seconds=1))
            assert not everything.wait(SHORT)
            assert not one.wait(SHORT)


class DamagingRecurring(Contract):
    """A recurring job whose row cannot be read has a problem, and hurts no other."""

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("template", "not JSON"),
            ("template", "{}"),
            ("misfire", "sometimes"),
            ("skips", "[]"),
            ("until", "not a moment"),
            ("anchor", "not a moment"),
        ],
    )
    def test_it_is_found_beside_its_neighbours_and_can_be_halted(
        self, storage: StorageProvider, clock: TestClock, field: str, value: object
    ) -> None:
        if self.not_damageable is not None:
            pytest.skip(self.not_damageable)
        broken, other = (registered(storage, look_at=clock.now() - n * TICK) for n in range(2))
        if not self.damage_recurring(storage, broken.id, field, value):
            pytest.skip(f"this storage does not take {value!r} as {field}")

        due = {each.job.id: each.job for each in storage.due_recurring(MANY)}

        assert due.keys() == {broken.id, other.id}
        assert due[other.id] == other
        problem = due[broken.id].problem
        assert problem is not None
        assert field in problem
        found = storage.get_recurring(broken.id)
        assert found is not None
        assert found.problem == problem
        halted = replace(due[broken.id], look_at=None, version=due[broken.id].version + 1)
        assert storage.save_recurring(halted)
        assert [each.job.id for each in storage.due_recurring(MANY)] == [other.id]
        assert storage.get_recurring(broken.id) == halted
