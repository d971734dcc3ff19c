"""Programs that use the dashboard over a storage full of jobs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from jobrunr import JobRunr
from jobrunr.dashboard.guard.passwords import hash_password
from jobrunr.storage.contract import StorageProvider

PASSWORD = hash_password("correct horse")
USERS = [f"ada:operator:{PASSWORD}", f"rita:reader:{PASSWORD}"]


@pytest.fixture
def app(storage: StorageProvider) -> JobRunr:
    return JobRunr(storage, application="tests", dashboard_users=USERS)


@pytest.fixture
def programs(app: JobRunr) -> Callable[[str | None], TestClient]:
    """Makes a program that signs in by this name."""
    dashboard = app.dashboard()

    def program(name: str | None) -> TestClient:
        client = TestClient(dashboard, base_url="http://localhost")
        client.auth = (name, "correct horse") if name else None
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
