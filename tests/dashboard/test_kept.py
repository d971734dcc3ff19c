"""What is too dear to be read for every look at a page."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count

import pytest

from jobrunr.dashboard.kept import MOST_KEYS, Kept, KeptEach
from jobrunr.errors import StorageUnavailableError


@pytest.fixture
def now() -> list[float]:
    return [0.0]


@pytest.fixture
def kept(now: list[float]) -> Kept[int]:
    return Kept(count().__next__, seconds=10, monotonic=lambda: now[0])


def one_after_the_other(*reads: Callable[[], int]) -> Callable[[], int]:
    remaining = list(reads)

    def read() -> int:
        return remaining.pop(0)()

    return read


def test_it_is_read_once_until_it_is_old(kept: Kept[int], now: list[float]) -> None:
    seen = []
    for now[0] in (0, 9.9, 10, 19.9, 20):
        seen.append(kept.get())
    assert seen == [0, 0, 1, 1, 2]


def test_what_was_changed_is_read_anew(kept: Kept[int]) -> None:
    kept.get()
    kept.forget()
    assert kept.get() == 1


def test_a_failure_is_not_kept() -> None:
    kept = Kept(one_after_the_other(_unavailable, lambda: 7), seconds=10)
    with pytest.raises(StorageUnavailableError):
        kept.get()
    assert kept.get() == 7


def test_while_one_reads_it_anew_others_get_the_one_before(now: list[float]) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def slowly() -> int:
        begun.set()
        may_end.wait(10)
        return 2

    kept = Kept(one_after_the_other(lambda: 1, slowly), seconds=10, monotonic=lambda: now[0])
    kept.get()
    now[0] = 11
    reader = threading.Thread(target=kept.get)
    reader.start()
    assert begun.wait(10)
    assert kept.get() == 1
    may_end.set()
    reader.join(10)
    assert kept.get() == 2


def test_each_key_has_a_value_of_its_own_and_there_are_never_too_many() -> None:
    read: list[int] = []
    kept: KeptEach[int, int] = KeptEach(lambda key: read.append(key) or key * key, seconds=60)
    assert [kept.get(key) for key in (2, 3, 2)] == [4, 9, 4] and read == [2, 3]
    for key in range(2 * MOST_KEYS):
        kept.get(key)
    assert len(kept._kept) <= MOST_KEYS


def _unavailable() -> int:
    raise StorageUnavailableError("of the test", "the connection was refused")
