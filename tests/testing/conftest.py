from __future__ import annotations

from collections.abc import Iterator

import pytest

from jobrunr import JobRunr
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing import TestClock
from tests.testing import jobs


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture
def app(clock: TestClock) -> Iterator[JobRunr]:
    """The application of `tests.testing.jobs`, by a clock that stands still."""
    jobs.order.clear()
    with MemoryStorageProvider(clock) as storage, jobs.app.using(storage):
        yield jobs.app
