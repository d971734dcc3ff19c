"""Beginning and end of a storage: `set_up`, `close`, `now`."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobrunr.errors import StorageError
from jobrunr.ids import JobId
from jobrunr.storage.contract import JobQuery, StorageProvider
from jobrunr.testing.clock import TestClock
from jobrunr.testing.contract.base import Contract, in_parallel
from jobrunr.testing.factories import a_job, a_server, enqueued, present


class Living(Contract):
    """A storage can be set up again and again, and is of no use once it is closed."""

    def test_setting_up_again_keeps_everything(self, storage: StorageProvider) -> None:
        job = enqueued(storage)
        storage.set_up()
        storage.set_up(migrate=False)
        assert storage.get(job.id) == job

    def test_setting_up_from_elsewhere_keeps_everything(self, storage: StorageProvider, second: StorageProvider) -> None:
        job = enqueued(storage)
        second.set_up()
        assert second.get(job.id) == job

    def test_many_can_set_up_at_once(self, storage: StorageProvider, second: StorageProvider) -> None:
        job = enqueued(storage)
        in_parallel([storage.set_up, second.set_up] * 4)
        assert storage.get(job.id) == job

    def test_what_one_writes_the_other_reads(self, storage: StorageProvider, second: StorageProvider) -> None:
        job = a_job()
        storage.insert([job])
        assert present(second, job) == present(storage, job)
        assert second.counts() == storage.counts()

    def test_the_time_is_that_of_its_clock(self, storage: StorageProvider, clock: TestClock) -> None:
        now = clock.advance(microseconds=123_457)
        assert storage.now() == now
        assert storage.now().utcoffset() == timedelta(0)

    def test_a_closed_storage_refuses_every_call(self, storage: StorageProvider, second: StorageProvider) -> None:
        if self.one_provider_only is not None:
            pytest.skip(self.one_provider_only)
        second.close()
        second.close()
        for call in (
            lambda: second.insert([a_job()]),
            lambda: second.get(JobId.new()),
            lambda: second.find(JobQuery()),
            lambda: second.claim(a_server().id, "shop-1:1", 1),
            second.counts,
            lambda: second.announce(a_server()),
            second.listener,
        ):
            with pytest.raises(StorageError, match="closed"):
                call()
        assert len(storage.find(JobQuery())) == 0
