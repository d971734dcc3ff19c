"""The memory provider: held to the storage law, and what only it promises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from cProfile import Profile
from datetime import UTC, datetime, timedelta

import pytest

from jobrunr.errors import StorageError
from jobrunr.ids import JobId
from jobrunr.jobs import Job
from jobrunr.storage.contract import JobQuery, Retention, StorageProvider
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing.clock import TestClock
from jobrunr.testing.contract import StorageContract
from jobrunr.testing.factories import a_job, a_server, announced, deleted, enqueued, failed, scheduled, succeeded
from jobrunr.transitions import succeed


class TestMemory(StorageContract):
    one_provider_only = "what is in memory belongs to one provider"
    takes_any_text = "a text in memory needs no encoding"
    not_damageable = "nobody gets at the jobs in memory but their provider"
    no_presence = "what is in memory dies with the process"

    @pytest.fixture
    def storage(self, clock: TestClock) -> Iterator[StorageProvider]:
        with MemoryStorageProvider(clock) as storage:
            storage.set_up()
            yield storage


class TestEnd:
    @pytest.mark.parametrize(
        "call",
        [
            lambda storage: storage.insert([a_job()]),
            lambda storage: storage.get(JobId.new()),
            lambda storage: storage.find(JobQuery()),
            lambda storage: storage.claim(a_server().id, "shop-1:1", 1),
            lambda storage: storage.counts(),
            lambda storage: storage.announce(a_server()),
            lambda storage: storage.listener(),
        ],
    )
    def test_a_closed_storage_refuses_every_call(self, call: Callable[[StorageProvider], object]) -> None:
        storage = MemoryStorageProvider()
        storage.close()
        storage.close()
        with pytest.raises(StorageError, match="memory:// was closed"):
            call(storage)

    def test_closing_the_storage_ends_every_wait(self) -> None:
        storage = MemoryStorageProvider()
        with closing(storage.listener()) as listener:
            storage.close()
            assert listener.wait(30) is True


class TestClocks:
    def test_the_clock_of_the_machine_is_the_default(self) -> None:
        before = datetime.now(UTC)
        with MemoryStorageProvider() as storage:
            assert before <= storage.now() <= datetime.now(UTC)


class TestListeners:
    def test_a_listener_is_not_woken_for_queues_that_are_not_its_own(self) -> None:
        with MemoryStorageProvider() as storage, closing(storage.listener(["mail"])) as listener:
            enqueued(storage, queue="reports")
            assert listener.wait(0) is False

    @pytest.mark.parametrize("make", [scheduled, succeeded, failed, deleted])
    def test_a_listener_is_not_woken_for_jobs_that_are_not_enqueued(self, make: Callable[..., Job]) -> None:
        with MemoryStorageProvider() as storage, closing(storage.listener(["mail"])) as listener:
            make(storage, queue="mail")
            listener.wait(0)  # some of them were enqueued on their way
            storage.expire(Retention(delete_succeeded_after=timedelta(0), delete_failed_after=timedelta(0)), 10)
            assert listener.wait(0) is False


class TestCosts:
    """What a server does again and again costs the same among ten finished jobs and among thousands.

    Counted in calls of functions, so that a busy machine makes no difference.
    """

    def test_the_work_of_a_server_does_not_grow_with_history(self) -> None:
        few, many = self._cost_of_a_round(10), self._cost_of_a_round(5_000)
        assert many < few * 1.5

    def _cost_of_a_round(self, finished: int) -> int:
        with MemoryStorageProvider(TestClock()) as storage:
            server = announced(storage)

            def run_a_batch() -> None:
                jobs = storage.claim(server.id, server.name, 10)
                storage.update([succeed(job, storage.now()) for job in jobs])
                storage.promote(10)
                storage.orphans(10)
                storage.expire(Retention(), 10)
                storage.counts()
                storage.oldest_enqueued_at()

            storage.insert([a_job() for _ in range(finished + 10)])
            for _ in range(finished // 10):
                run_a_batch()
            return calls_made_by(run_a_batch)


def calls_made_by(work: Callable[[], object]) -> int:
    """How many functions are called, ours and built-in ones."""
    profile = Profile()
    profile.runcall(work)
    return sum(function.callcount for function in profile.getstats())
