from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Barrier
from typing import Any
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobrunr import ids
from jobrunr.errors import JobRunrError, WrongIdError
from jobrunr.ids import JobId, new_token

keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@pytest.fixture
def clock_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look at the clock finds the next millisecond, and no id was made before."""
    milliseconds = count(time.time_ns() // 1_000_000)
    monkeypatch.setattr(ids, "_last", 0)
    monkeypatch.setattr(time, "time_ns", lambda: next(milliseconds) * 1_000_000)
    monkeypatch.setattr(ids, "_last", 0)  # put back behind the test: the next one would find ids from the future


class TestNewIds:
    def test_an_id_is_a_uuid_of_version_7(self) -> None:
        job_id = JobId.new()
        assert isinstance(job_id, UUID)
        assert (job_id.version, job_id.variant) == (7, RFC_4122)

    def test_an_id_begins_with_the_milliseconds_of_its_making(self) -> None:
        before = time.time_ns() // 1_000_000
        milliseconds = JobId.new().int >> 80
        assert before <= milliseconds <= time.time_ns() // 1_000_000 + 1

    def test_every_id_is_greater_than_the_one_before(self) -> None:
        made = [JobId.new() for _ in range(20_000)]
        assert made == sorted(set(made))

    def test_the_texts_of_ids_sort_as_the_ids_do(self) -> None:
        made = [str(JobId.new()) for _ in range(1_000)]
        assert made == sorted(made)

    def test_ids_keep_their_order_when_the_clock_of_the_machine_is_set_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        before = JobId.new()
        monkeypatch.setattr(time, "time_ns", lambda: 1_000_000_000)
        made = [before, *(JobId.new() for _ in range(100))]
        assert made == sorted(set(made))
        assert {job_id.version for job_id in made} == {7}

    def test_ids_made_by_many_threads_at_once_are_all_different(self) -> None:
        start = Barrier(8)

        def make() -> list[JobId]:
            start.wait(timeout=30)
            return [JobId.new() for _ in range(2_000)]

        with ThreadPoolExecutor(8) as threads:
            made = [job_id for batch in [threads.submit(make) for _ in range(8)] for job_id in batch.result()]

        assert len(set(made)) == 16_000

    def test_what_follows_the_milliseconds_is_random(self, clock_of_the_machine: None) -> None:
        made = [JobId.new().int for _ in range(200)]
        never_set = [bit for bit in range(80) if not any(job_id >> bit & 1 for job_id in made)]
        always_set = [bit for bit in range(80) if all(job_id >> bit & 1 for job_id in made)]
        version_variant_and_room_to_count = [62, 75, 79]
        assert never_set == version_variant_and_room_to_count
        assert always_set == [63, 76, 77, 78]

    def test_seeding_the_random_numbers_of_the_process_repeats_no_id(self, clock_of_the_machine: None) -> None:
        state = random.getstate()
        try:
            random.seed(17)
            first = [JobId.new().int & (2**62 - 1) for _ in range(3)]
            random.seed(17)
            second = [JobId.new().int & (2**62 - 1) for _ in range(3)]
        finally:
            random.setstate(state)
        assert set(first).isdisjoint(second)

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
    def test_a_forked_process_makes_other_ids_than_its_parent(self) -> None:
        # In a process of its own: a fork of this one would take pytest's threads and files with it.
        script = """
import os
from jobrunr.ids import JobId
import jobrunr.ids
jobrunr.ids.time.time_ns = lambda: 1_700_000_000_000_000_000
JobId.new()
reader, writer = os.pipe()
if os.fork() == 0:
    os.write(writer, "".join(str(JobId.new()) for _ in range(100)).encode())
    os._exit(0)
mine = {str(JobId.new()) for _ in range(100)}
os.wait()
theirs = os.read(reader, 3_600).decode()
print(len(mine | {theirs[n:n + 36] for n in range(0, 3_600, 36)}))
"""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
        assert done.stdout.strip() == "200"


class TestIdsOfKeys:
    @given(keys)
    def test_a_key_has_one_id(self, key: str) -> None:
        assert JobId.from_key(key) == JobId.from_key(key)
        assert isinstance(JobId.from_key(key), JobId)

    @given(st.lists(keys, unique=True, max_size=50))
    def test_different_keys_have_different_ids(self, keys: list[str]) -> None:
        assert len({JobId.from_key(key) for key in keys}) == len(keys)

    def test_the_id_of_a_key_never_changes_with_a_release(self) -> None:
        assert str(JobId.from_key("order-17")) == "e043a60f-5693-5e95-a1f9-19e80207a926"

    @pytest.mark.parametrize("key", ["", 17, None, b"order-17"])
    def test_what_is_no_key_is_refused(self, key: Any) -> None:
        with pytest.raises(WrongIdError, match="is no key; a key is a text"):
            JobId.from_key(key)

    def test_the_id_of_a_key_and_a_new_id_never_meet(self) -> None:
        assert JobId.from_key("order-17").version == 5


class TestReadingIds:
    @given(st.uuids())
    def test_a_uuid_and_its_text_are_read(self, uuid: UUID) -> None:
        assert JobId.of(uuid) == JobId.of(str(uuid)) == uuid
        assert type(JobId.of(uuid)) is type(JobId.of(str(uuid))) is JobId

    def test_an_id_stays_the_same_object(self) -> None:
        job_id = JobId.new()
        assert JobId.of(job_id) is job_id

    def test_an_id_and_its_uuid_find_the_same_thing(self) -> None:
        job_id = JobId.new()
        assert {UUID(int=job_id.int): "found"}[job_id] == "found"

    @pytest.mark.parametrize("text", ["", "17", "order-17", "0190f2b1-5c7e-7000-8000-00000000000", "z" * 36])
    def test_any_other_text_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="UUID") as caught:
            JobId.of(text)
        assert isinstance(caught.value, JobRunrError)


class TestTokens:
    def test_no_token_comes_twice(self) -> None:
        assert len({new_token() for _ in range(10_000)}) == 10_000

    def test_a_token_is_random_from_end_to_end(self) -> None:
        tokens = [new_token() for _ in range(200)]
        assert {token.version for token in tokens} == {4}
        fixed = [bit for bit in range(128) if len({token.int >> bit & 1 for token in tokens}) == 1]
        assert len(fixed) == 6  # version and variant
