"""What all parts of the storage law share: the fixtures, and what the author of a provider says about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import ClassVar, TypeVar
from uuid import UUID

import pytest

from jobrunr.jobs import Job
from jobrunr.server_record import ServerRecord
from jobrunr.states import JobState
from jobrunr.storage.contract import JobQuery, StorageProvider
from jobrunr.testing.clock import TestClock
from jobrunr.testing.factories import announced

T = TypeVar("T")

Maker = Callable[[StorageProvider], Job]
"""One of the factories that bring a job into a state."""

MANY = 10_000
"""A limit that no case reaches."""

TEXTS = {
    "ascii": "plain",
    "accents": "żółć, ñandú, Ωmega",
    "composed and not": "\u00e9 e\u0301",
    "beyond the basic plane": "\U0001f600 \U0001d518\U0001d52b\U0001d526 \U0001f3f3\ufe0f\u200d\U0001f308",
    "right to left": "שלום عليكم \u202e\u200f",
    "quotes": """it's "so" `so` \\ \\\\ \\n""",
    "like parameters": "%s %(a)s :name ? $1 {0} {name} %% ",
    "white space": " \t\r\n leading and trailing \u00a0\u2003 ",
    "controls": "\x01\x07\x1b[31m\x7f\x85",
    "words": "NULL",
    "long": "größer" * 10_000,
}
"""Texts that have been mangled somewhere before."""


class Contract:
    """Fixtures and capabilities. A provider's own test class overrides what is said here."""

    one_provider_only: ClassVar[str | None] = None
    """Why there cannot be a second provider over the same storage; None when there can."""

    takes_any_text: ClassVar[str | None] = None
    """Why no job is refused for its text; None when a text that is no Unicode (a lone surrogate) is."""

    not_damageable: ClassVar[str | None] = None
    """Why nobody can change a stored job behind the provider's back; None when one can."""

    no_presence: ClassVar[str | None] = None
    """Why servers prove by nothing but heartbeats that they live; None when they hold locks."""

    def another(self, storage: StorageProvider, clock: TestClock) -> StorageProvider:
        """A second provider over the same storage, as another process would have, with the same clock."""
        raise NotImplementedError("Override another(), or say in one_provider_only why there is none.")

    def damage(self, storage: StorageProvider, job_id: UUID, field: str, value: object) -> bool:
        """Write nonsense into a stored job.

        Arguments:
            field: into the place where this field of `Job`, or of its `details`, is kept.

        Returns:
            False when the storage itself refuses to hold such a value there.
        """
        raise NotImplementedError("Override damage(), or say in not_damageable why it cannot be done.")

    def damage_recurring(self, storage: StorageProvider, recurring_job_id: str, field: str, value: object) -> bool:
        """Write nonsense into a stored recurring job; otherwise as `damage`."""
        raise NotImplementedError("Override damage_recurring(), or say in not_damageable why it cannot be done.")

    @pytest.fixture
    def clock(self) -> TestClock:
        return TestClock()

    @pytest.fixture
    def storage(self, clock: TestClock) -> Iterator[StorageProvider]:
        raise NotImplementedError("Give your class a fixture `storage`: a provider that is set up, empty, and uses `clock`.")

    @pytest.fixture
    def second(self, storage: StorageProvider, clock: TestClock) -> Iterator[StorageProvider]:
        """Another caller of the same storage: with a provider of its own, where there can be one."""
        if self.one_provider_only is not None:
            yield storage
            return
        with self.another(storage, clock) as second:
            yield second

    @pytest.fixture
    def server(self, storage: StorageProvider) -> ServerRecord:
        """A registered server."""
        return announced(storage)

    @pytest.fixture(autouse=True)
    def counts_add_up_in_the_end(self, storage: StorageProvider) -> Iterator[None]:
        """Whatever a test did, the counts that are kept are the counts that a search finds."""
        yield
        storage.tidy()
        kept = storage.counts()
        assert kept == {state: len(all_jobs(storage, JobQuery(state=state, limit=MANY))) for state in JobState}


def all_jobs(storage: StorageProvider, query: JobQuery) -> list[Job]:
    """What a query finds, on one page."""
    page = storage.find(query)
    assert page.next is None
    return list(page)


def in_parallel(works: Sequence[Callable[[], T]]) -> list[T]:
    """Run functions at the same time, each in a thread of its own, and return what they return, in their order."""
    start = Barrier(len(works))

    def run(work: Callable[[], T]) -> T:
        start.wait(timeout=30)
        return work()

    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(run, works))
