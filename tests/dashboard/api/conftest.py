"""Programs that use the dashboard over a storage full of jobs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from jobrunr import JobRunr
from jobrunr.storage.contract import StorageProvider
from tests.dashboard.browsers import Browser
from tests.dashboard.doors import PASSWORD, quick_hash

USERS = [f"ada:operator:{quick_hash()}", f"rita:reader:{quick_hash()}"]


@pytest.fixture
def app(storage: StorageProvider) -> JobRunr:
    return JobRunr(storage, application="tests", dashboard_users=USERS)


@pytest.fixture
def programs(app: JobRunr) -> Callable[[str | None], TestClient]:
    """Makes a program that signs in by this name."""
    dashboard = app.dashboard()

    def program(name: str | None) -> TestClient:
        client = Browser(dashboard)
        client.auth = (name, PASSWORD) if name else None
        return client

    return program


@pytest.fixture
def api(programs: Callable[[str | None], TestClient]) -> TestClient:
    """A program of an operator."""
    return programs("ada")


@pytest.fixture
def reading(programs: Callable[[str | None], TestClient]) -> TestClient:
    """A program of a reader."""
    return programs("rita")
