"""What holds for every test."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from shutil import copyfile

import pytest
from hypothesis import settings

from jobrunr.storage.sql import SqlStorageProvider

ON_CI = os.environ.get("CI") == "true"
"""Whether a robot runs the tests: a provider that cannot be had is then a failure."""

IS_BRIEF = "JOBRUNR_TEST_BRIEFLY" in os.environ
"""Whether few of the generated examples do: for one more Python, whose own bugs are not what is looked for."""


def examples(count: int) -> int:
    """How many examples to generate where so many would be thorough."""
    return max(count // 10, 5) if IS_BRIEF else count


settings.register_profile("here", max_examples=examples(50), deadline=None)
settings.register_profile("ci", max_examples=examples(50), deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if ON_CI else "here")

if "PYTEST_XDIST_WORKER" in os.environ:
    # These processes are measured, but not those that tests start: coverage would slow them down, and it loses what it
    # knows about those that are killed.
    os.environ.pop("COVERAGE_PROCESS_CONFIG", None)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Examples in docstrings are tests in src only; here, what is no test is imported by those that need it, or never."""
    return True if collection_path.suffix == ".py" and not collection_path.name.startswith("test_") else None


def pytest_collection_finish() -> None:
    """Nine thousand tests are a million objects, which the collector of garbage need not look at again and again."""
    gc.freeze()


@pytest.fixture(scope="session")
def file_to_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database with our tables and nothing in them. To copy it takes no time; to make the tables does."""
    file = tmp_path_factory.mktemp("ready") / "jobs.db"
    with SqlStorageProvider(f"sqlite:///{file}") as storage:
        storage.set_up()
    file.chmod(0o444)
    return file


@pytest.fixture
def ready_file(file_to_copy: Path, tmp_path: Path) -> Path:
    """The same for a test alone."""
    return copyfile(file_to_copy, tmp_path / "ready.db")
