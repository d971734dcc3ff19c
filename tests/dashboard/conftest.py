"""A dashboard over a storage full of jobs, and browsers to look at it with."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from starlette.testclient import TestClient

from jobrunr import JobId, JobRunr
from jobrunr.dashboard.access import Role, User
from jobrunr.storage.contract import StorageProvider
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.storage.sql import SqlStorageProvider
from tests.dashboard.browsers import Browser
from tests.dashboard.populate import populate


@pytest.fixture
def storage(request: pytest.FixtureRequest) -> Iterator[StorageProvider]:
    """In memory; in a database for tests that say so: ``parametrize("storage", ["memory", "sqlite"], indirect=True)``."""
    in_database = getattr(request, "param", "memory") == "sqlite"
    url = f"sqlite:///{request.getfixturevalue('ready_file')}" if in_database else ""
    with SqlStorageProvider(url) if in_database else MemoryStorageProvider() as storage:
        storage.set_up()
        yield storage


@pytest.fixture
def jobs(storage: StorageProvider) -> dict[str, JobId]:
    """The ids of the jobs in the storage that have a name of their own; see `populate`."""
    return populate(storage)


@pytest.fixture
def app(storage: StorageProvider) -> JobRunr:
    return JobRunr(storage, application="tests")


@pytest.fixture
def browsers(app: JobRunr) -> Callable[[User], TestClient]:
    """Makes a browser in which somebody is signed in; it follows redirects."""
    return lambda user: Browser(app.dashboard(authorize=lambda request: user))


@pytest.fixture
def ada(browsers: Callable[[User], TestClient]) -> TestClient:
    """The browser of an operator."""
    return browsers(User("ada", Role.OPERATOR))


@pytest.fixture
def rita(browsers: Callable[[User], TestClient]) -> TestClient:
    """The browser of a reader."""
    return browsers(User("rita", Role.READER))
