"""Waiting for new work: `listener`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from jobrunr.server_record import ServerRecord
from jobrunr.storage.contract import Listener, StorageProvider
from jobrunr.testing.contract.base import MANY, Contract
from jobrunr.testing.contract.decisions import hand_back, requeue, retry_at_once
from jobrunr.testing.factories import deleted, enqueued, processing, scheduled, written

LONG = 30.0
"""Seconds that nobody waits, unless something is broken."""
SHORT = 0.05
"""Seconds in which nothing is to happen."""

Preparation = Callable[[StorageProvider], Callable[[], object]]
"""Leads up to new work and returns what makes it."""


def to_enqueue(storage: StorageProvider) -> Callable[[], object]:
    return lambda: enqueued(storage)


def to_promote(storage: StorageProvider) -> Callable[[], object]:
    scheduled(storage, storage.now())
    return lambda: storage.promote(MANY)


def to_requeue(storage: StorageProvider) -> Callable[[], object]:
    job = deleted(storage)
    return lambda: written(storage, requeue(job, storage.now()))


def to_hand_back(storage: StorageProvider) -> Callable[[], object]:
    job = processing(storage)
    return lambda: written(storage, hand_back(job, storage.now()))


def to_retry_at_once(storage: StorageProvider) -> Callable[[], object]:
    job = processing(storage)
    return lambda: written(storage, retry_at_once(job, storage.now()))


every_way_to_new_work = pytest.mark.parametrize(
    "prepare", [to_enqueue, to_promote, to_requeue, to_hand_back, to_retry_at_once]
)


class Waking(Contract):
    """A listener wakes for what becomes ENQUEUED through its own provider; for the rest, its time-out is there."""

    @pytest.fixture
    def listener(self, storage: StorageProvider) -> Iterator[Listener]:
        with closing(storage.listener()) as listener:
            yield listener

    @every_way_to_new_work
    def test_new_work_wakes_who_waits(self, storage: StorageProvider, prepare: Preparation) -> None:
        make_work = prepare(storage)
        with closing(storage.listener()) as listener, ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(listener.wait, LONG)
            make_work()
            assert waiting.result() is True

    @every_way_to_new_work
    def test_new_work_before_the_wait_counts(self, storage: StorageProvider, prepare: Preparation) -> None:
        make_work = prepare(storage)
        with closing(storage.listener()) as listener:
            make_work()
            assert listener.wait(LONG) is True

    def test_new_work_made_by_another_thread_wakes(self, storage: StorageProvider, listener: Listener) -> None:
        with ThreadPoolExecutor(1) as thread:
            thread.submit(enqueued, storage)
            assert listener.wait(LONG) is True

    def test_nothing_new_does_not_wake(self, listener: Listener) -> None:
        assert listener.wait(SHORT) is False

    def test_a_time_out_of_nothing_returns_at_once(self, listener: Listener) -> None:
        assert listener.wait(0) is False

    def test_a_wake_ends_a_wait(self, listener: Listener) -> None:
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(listener.wait, LONG)
            listener.wake()
            assert waiting.result() is True

    def test_a_wake_before_the_wait_counts(self, listener: Listener) -> None:
        listener.wake()
        assert listener.wait(LONG) is True

    def test_a_wake_counts_once(self, listener: Listener) -> None:
        listener.wake()
        listener.wait(LONG)
        assert listener.wait(SHORT) is False

    def test_a_listener_wakes_again_and_again(self, storage: StorageProvider, listener: Listener) -> None:
        for _ in range(3):
            enqueued(storage)
            assert listener.wait(LONG) is True

    def test_every_listener_is_woken(self, storage: StorageProvider, listener: Listener) -> None:
        with closing(storage.listener()) as other:
            enqueued(storage)
            assert listener.wait(LONG) is True
            assert other.wait(LONG) is True

    def test_a_listener_for_some_queues_wakes_for_each_of_them(self, storage: StorageProvider) -> None:
        with closing(storage.listener(["mail", "reports"])) as listener:
            for queue in ("mail", "reports"):
                enqueued(storage, queue=queue)
                assert listener.wait(LONG) is True

    def test_who_misses_the_call_finds_the_work_all_the_same(
        self, storage: StorageProvider, server: ServerRecord, listener: Listener
    ) -> None:
        job = enqueued(storage)
        assert [claim.id for claim in storage.claim(server.id, server.name, 1)] == [job.id]

    def test_a_closed_listener_ends_its_wait(self, storage: StorageProvider) -> None:
        listener = storage.listener()
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(listener.wait, LONG)
            listener.close()
            waiting.result(timeout=LONG / 2)

    def test_a_closed_listener_can_be_closed_again_and_harms_nobody(self, storage: StorageProvider) -> None:
        listener = storage.listener()
        listener.close()
        listener.close()
        enqueued(storage)
