"""Many at once, through two providers where there can be two: whoever wins, nothing is done twice and nothing is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from typing import TypeVar

from jobrunr.ids import JobId
from jobrunr.jobs import Job, NewJob
from jobrunr.states import JobState
from jobrunr.storage.contract import JobQuery, Retention, RunRecord, StorageProvider
from jobrunr.testing.clock import TestClock
from jobrunr.testing.contract.base import MANY, Contract, all_jobs, in_parallel
from jobrunr.testing.contract.decisions import hand_back, rescue, retry_at_once, succeed, withdraw
from jobrunr.testing.factories import a_job, a_scheduled_job, a_server, announced, claim_of, present

T = TypeVar("T")

CALLERS = 8


def eight_times(work: Callable[[StorageProvider], T], *storages: StorageProvider) -> list[T]:
    """Run the work in eight threads at once, spread over the providers."""
    return in_parallel([partial(work, storages[n % len(storages)]) for n in range(CALLERS)])


def each_once(answers: Iterable[Iterable[JobId]], jobs: Iterable[Job | NewJob]) -> bool:
    """Whether all answers together name every job exactly once."""
    return Counter(job_id for answer in answers for job_id in answer) == Counter(job.id for job in jobs)


class Racing(Contract):
    """What holds when many do the same at the same time."""

    def test_no_job_is_claimed_twice(self, storage: StorageProvider, second: StorageProvider) -> None:
        jobs = [a_job(priority=n % 3, queue="abc"[n % 3]) for n in range(400)]
        storage.insert(jobs)

        def claim_all(storage: StorageProvider) -> list[Job]:
            server = announced(storage)
            claimed: list[Job] = []
            while batch := storage.claim(server.id, server.name, 7):
                claimed.extend(batch)
            return claimed

        answers = eight_times(claim_all, storage, second)

        assert each_once(([job.id for job in answer] for answer in answers), jobs)
        tokens = [{job.claim_token for job in answer} for answer in answers]
        assert len(set().union(*tokens)) == sum(len(of_one) for of_one in tokens)  # no two callers share one
        assert all(storage.get(job.id) == job for answer in answers for job in answer)

    def test_no_job_is_claimed_twice_when_all_want_everything(
        self, storage: StorageProvider, second: StorageProvider
    ) -> None:
        jobs = [a_job() for _ in range(50)]
        storage.insert(jobs)
        server = announced(storage)

        answers = eight_times(lambda storage: storage.claim(server.id, server.name, MANY), storage, second)

        assert each_once(([job.id for job in answer] for answer in answers), jobs)

    def test_a_claim_finds_work_while_others_claim(self, storage: StorageProvider, second: StorageProvider) -> None:
        storage.insert([a_job() for _ in range(CALLERS * 10)])
        server = announced(storage)

        answers = eight_times(lambda storage: storage.claim(server.id, server.name, 10), storage, second)

        assert sum(len(answer) for answer in answers) == CALLERS * 10

    def test_one_of_all_who_insert_a_job_made_it(self, storage: StorageProvider, second: StorageProvider) -> None:
        jobs = [a_job() for _ in range(100)]
        answers = eight_times(lambda storage: storage.insert(jobs), storage, second)
        assert each_once(answers, jobs)

    def test_bulks_with_the_same_ids_in_another_order_do_not_block_each_other(
        self, storage: StorageProvider, second: StorageProvider
    ) -> None:
        jobs = [a_job() for _ in range(200)]
        orders = [jobs, jobs[::-1], jobs[100:] + jobs[:100], jobs[::2] + jobs[1::2]]
        storages = (storage, second)

        answers = in_parallel([partial(storages[n % 2].insert, orders[n // 2]) for n in range(CALLERS)])

        assert each_once(answers, jobs)

    def test_one_of_all_who_write_about_a_job_wins(
        self, storage: StorageProvider, second: StorageProvider, clock: TestClock
    ) -> None:
        jobs = self._claimed(storage, 40)
        decisions = [succeed, rescue, withdraw, hand_back] * 2
        storages = (storage, second)

        def write(n: int) -> Callable[[], frozenset[JobId]]:
            order = jobs if n < CALLERS // 2 else jobs[::-1]
            at = clock.now() + timedelta(seconds=n)
            return lambda: storages[n % 2].update([decisions[n](job, at) for job in order])

        answers = in_parallel([write(n) for n in range(CALLERS)])

        assert each_once(answers, jobs)
        assert [present(storage, job).version for job in jobs] == [job.version + 1 for job in jobs]
        winner = {job_id: n for n, answer in enumerate(answers) for job_id in answer}
        for job in jobs:
            assert present(storage, job).state is decisions[winner[job.id]](job, clock.now()).state

    def test_a_change_that_all_send_is_written_once(
        self, storage: StorageProvider, second: StorageProvider, clock: TestClock
    ) -> None:
        jobs = self._claimed(storage, 40)
        updates = [retry_at_once(job, clock.now()) for job in jobs]

        answers = eight_times(lambda storage: storage.update(updates), storage, second)

        assert all(answer == {job.id for job in jobs} for answer in answers)
        assert [present(storage, job).version for job in jobs] == [job.version + 1 for job in jobs]
        assert [present(storage, job).past for job in jobs] == [update.past for update in updates]

    def test_a_job_is_withdrawn_or_claimed_but_not_both(
        self, storage: StorageProvider, second: StorageProvider, clock: TestClock
    ) -> None:
        storage.insert([a_job() for _ in range(60)])
        jobs = all_jobs(storage, JobQuery(limit=MANY))
        server = announced(storage)

        def withdraw_all() -> list[JobId]:
            return [job.id for job in jobs if storage.update([withdraw(job, clock.now())])]

        def claim_all() -> list[JobId]:
            return [job.id for _ in range(60) for job in second.claim(server.id, server.name, 1)]

        withdrawn, claimed = in_parallel([withdraw_all, claim_all])

        assert each_once([withdrawn, claimed], jobs)
        assert {job.id for job in storage.find(JobQuery(state=JobState.DELETED, limit=MANY))} == set(withdrawn)
        assert {job.id for job in storage.find(JobQuery(state=JobState.PROCESSING, limit=MANY))} == set(claimed)

    def test_a_job_is_promoted_once(self, storage: StorageProvider, second: StorageProvider, clock: TestClock) -> None:
        jobs = [a_scheduled_job(clock.now()) for _ in range(200)]
        storage.insert(jobs)
        before = present(storage, jobs[0]).version

        def promote_all(storage: StorageProvider) -> int:
            return sum(storage.promote(30).count for _ in range(7))

        assert sum(eight_times(promote_all, storage, second)) == 200
        assert {job.version for job in storage.find(JobQuery(limit=MANY))} == {before + 1}
        assert storage.counts()[JobState.ENQUEUED] == 200

    def test_a_job_expires_once(self, storage: StorageProvider, second: StorageProvider, clock: TestClock) -> None:
        jobs = self._claimed(storage, 120)
        storage.update([succeed(job, clock.now()) for job in jobs])
        retention = Retention(delete_succeeded_after=timedelta(0), purge_deleted_after=timedelta(0))

        def expire_all(storage: StorageProvider) -> int:
            return sum(storage.expire(retention, 25) for _ in range(10))

        assert sum(eight_times(expire_all, storage, second)) == 240
        assert set(storage.counts().values()) == {0}

    def test_what_all_keep_about_one_run_is_kept(self, storage: StorageProvider, second: StorageProvider) -> None:
        jobs = self._claimed(storage, 10)
        records = [RunRecord(claim=claim_of(job), data={str(n): "1" for n in range(5)}) for job in jobs]

        answers = eight_times(lambda storage: storage.append(records), storage, second)

        assert all(answer == {job.id for job in jobs} for answer in answers)
        assert all(len(storage.data(job.id)) == 5 for job in jobs)

    def test_a_dead_server_is_removed_once(self, storage: StorageProvider, second: StorageProvider) -> None:
        for _ in range(10):
            announced(storage)
        dead = storage.servers()

        answers = eight_times(lambda storage: storage.remove_dead(dead), storage, second)

        assert Counter(server.id for answer in answers for server in answer) == Counter(server.id for server in dead)

    def test_a_server_is_announced_once_by_all(self, storage: StorageProvider, second: StorageProvider) -> None:
        server = a_server()
        eight_times(lambda storage: storage.announce(server), storage, second)
        assert [found.id for found in storage.servers()] == [server.id]

    def test_all_agree_on_a_value_that_is_not_to_be_overwritten(
        self, storage: StorageProvider, second: StorageProvider
    ) -> None:
        answers = eight_times(
            lambda storage: storage.put_metadata("id", str(a_server().id), overwrite=False), storage, second
        )
        assert set(answers) == {storage.get_metadata("id")}

    def test_everything_at_once_loses_nothing(
        self, storage: StorageProvider, second: StorageProvider, clock: TestClock
    ) -> None:
        goal = 240
        server = announced(storage)
        storages = (storage, second)
        retention = Retention(delete_succeeded_after=timedelta(0), purge_deleted_after=None)

        def produce(n: int) -> int:
            for _ in range(goal // 4):
                storages[n % 2].insert([a_job(), a_scheduled_job(clock.now())])
            return 0

        def consume(n: int) -> int:
            done = 0
            for _ in range(goal // 2):
                batch = storages[n % 2].claim(server.id, server.name, 5)
                done += len(storages[n % 2].update([succeed(job, clock.now()) for job in batch]))
                storages[n % 2].promote(10)
                storages[n % 2].expire(retention, 10)
            return done

        works = [partial(consume if n % 4 > 1 else produce, n) for n in range(CALLERS)]
        done = sum(in_parallel(works))
        storage.promote(MANY)
        rest = storage.claim(server.id, server.name, MANY)
        storage.expire(retention, MANY)

        counts = storage.counts()
        assert done + len(rest) == goal * 2
        assert (counts[JobState.DELETED], counts[JobState.PROCESSING]) == (done, len(rest))

    @staticmethod
    def _claimed(storage: StorageProvider, number: int) -> list[Job]:
        server = announced(storage)
        storage.insert([a_job() for _ in range(number)])
        return storage.claim(server.id, server.name, number)
