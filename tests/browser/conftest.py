from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from jobrunr import JobId, JobRunr
from jobrunr.storage.sql import SqlStorageProvider
from tests.browser.served import served
from tests.browser.tabs import tab
from tests.conftest import ON_CI
from tests.dashboard.populate import populate

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",  # it sees no pages but ours, and root has no other way
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

expect.set_options(timeout=15_000)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser of this machine."""
    program = os.environ.get("JOBRUNR_TEST_BROWSER") or next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        say = pytest.fail if ON_CI else pytest.skip
        say("There is no Chromium on this machine. Install it, or set JOBRUNR_TEST_BROWSER to its path.")
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=program, args=FLAGS) as browser:
        yield browser


@pytest.fixture
def trouble() -> Iterator[list[str]]:
    """What goes wrong in the tabs of a test; nothing may be left at its end."""
    found: list[str] = []
    yield found
    assert found == []


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, JobId]]:
    """A database full of jobs, to be copied; and the ids of those jobs that have a name of their own."""
    file = tmp_path_factory.mktemp("filled") / "jobs.db"
    with SqlStorageProvider(f"sqlite:///{file}") as storage:
        storage.set_up()
        return file, populate(storage, hostile=())


@pytest.fixture
def jobrunr(filled: tuple[Path, dict[str, JobId]], tmp_path: Path) -> Iterator[JobRunr]:
    """An application whose storage is full of jobs."""
    file, _ = filled
    for ending in ("", "-wal", "-shm"):
        if Path(f"{file}{ending}").exists():
            shutil.copy(f"{file}{ending}", tmp_path / f"jobs.db{ending}")
    settings = {"poll_interval": "200ms", "server_timeout": "1h"}  # the servers in the storage are only written there
    with JobRunr(f"sqlite:///{tmp_path}/jobs.db", application="tests", **settings) as jobrunr:
        yield jobrunr


@pytest.fixture
def jobs(filled: tuple[Path, dict[str, JobId]]) -> dict[str, JobId]:
    return filled[1]


@pytest.fixture
def address(jobrunr: JobRunr) -> Iterator[str]:
    """Where its dashboard is; an operator uses it."""
    with served(jobrunr) as address:
        yield address


@pytest.fixture
def page(chromium: Browser, address: str, trouble: list[str]) -> Iterator[Page]:
    """A tab of an operator."""
    with tab(chromium, address, trouble) as page:
        yield page
