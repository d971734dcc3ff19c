"""The memory provider, held to the storage law."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jobrunr.storage.contract import StorageProvider
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing.clock import TestClock
from jobrunr.testing.contract import StorageContract


class TestMemory(StorageContract):
    one_provider_only = "memory belongs to one provider"
    takes_any_text = "a text in memory needs no encoding"
    not_damageable = "nobody gets at the jobs but the provider"

    @pytest.fixture
    def storage(self, clock: TestClock) -> Iterator[StorageProvider]:
        with MemoryStorageProvider(clock) as storage:
            storage.set_up()
            yield storage
