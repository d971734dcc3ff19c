"""The storage law itself: that all of it is there, and that none of it is lost on the way."""

from __future__ import annotations

from collections import Counter

import pytest

from jobrunr.testing.contract import StorageContract
from jobrunr.testing.contract.base import Contract


def test_no_chapter_hides_a_case_of_another() -> None:
    cases = Counter(
        name
        for chapter in StorageContract.__mro__
        for name in vars(chapter)
        if name.startswith("test_") and chapter is not StorageContract
    )
    assert [name for name, times in cases.items() if times > 1] == []


def test_every_chapter_is_part_of_the_law() -> None:
    def descendants(cls: type[object]) -> set[type[object]]:
        return {cls}.union(*map(descendants, cls.__subclasses__()))

    written = {cls for cls in descendants(Contract) if cls.__module__.startswith("jobrunr.testing.contract.")}
    assert written == {cls for cls in StorageContract.__mro__ if cls.__module__.startswith("jobrunr.testing.contract.")}


def test_an_author_who_forgets_the_storage_is_told_what_to_write(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from jobrunr.testing.contract import StorageContract

        class TestMine(StorageContract):
            pass
        """
    )
    result = pytester.runpytest_subprocess(
        "-k", "test_no_updates_are_no_error", "-p", "no:randomly", "-p", "no:cacheprovider"
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*NotImplementedError: Give your class a fixture `storage`*"])


def test_an_author_runs_the_law_with_a_few_lines_and_a_broken_provider_breaks_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from jobrunr.storage.memory import MemoryStorageProvider
        from jobrunr.testing.contract import StorageContract

        class Forgetful(MemoryStorageProvider):
            def insert(self, jobs):
                super().insert(jobs[:-1])
                return frozenset(job.id for job in jobs)

        class TestForgetful(StorageContract):
            one_provider_only = takes_any_text = not_damageable = "it is only an example"

            @pytest.fixture
            def storage(self, clock):
                with Forgetful(clock) as storage:
                    storage.set_up()
                    yield storage
        """
    )
    result = pytester.runpytest_subprocess(
        "-k", "bulk_of_thousands or empty_bulk", "-p", "no:randomly", "-p", "no:cacheprovider"
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*assert 2499 == 2500*"])  # assertions of the law explain themselves
