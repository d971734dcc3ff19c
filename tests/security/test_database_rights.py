"""Database users that may do no more than they need, as `docs/how-to/migrate.md` says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from sqlalchemy import URL, NullPool, create_engine
from starlette.testclient import TestClient

from jobrunr import JobRunr
from jobrunr.dashboard.access import Role, User
from jobrunr.errors import StorageSetupError
from jobrunr.states import JobState
from jobrunr.testing import drain
from tests.dashboard import shop
from tests.dashboard.doors import token_on
from tests.storage.sql_contract import remove_everything

WORK, LOOK = "SELECT, INSERT, UPDATE, DELETE", "SELECT"


@contextmanager
def user_with(rights: str, url: URL) -> Iterator[URL]:
    """The database as somebody sees it who has these rights on all tables."""
    name = f"jobrunr_test_{uuid4().hex[:12]}"
    is_postgresql = url.get_backend_name() == "postgresql"
    if is_postgresql:
        begin = [f"CREATE USER {name}", f"GRANT {rights} ON ALL TABLES IN SCHEMA public TO {name}"]
        end = [f"DROP OWNED BY {name}", f"DROP USER {name}"]
    else:
        begin = [f"CREATE USER {name} IDENTIFIED BY 'secret'", f"GRANT {rights} ON {url.database}.* TO {name}"]
        end = [f"DROP USER {name}"]
    with create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT").connect() as connection:
        for statement in begin:
            connection.exec_driver_sql(statement)
        try:
            yield url.set(username=name, password=None if is_postgresql else "secret")
        finally:
            for statement in end:
                connection.exec_driver_sql(statement)


@pytest.fixture(params=["postgresql", "mariadb"])
def tables(request: pytest.FixtureRequest) -> Iterator[URL]:
    """A database with our tables."""
    url: URL = request.getfixturevalue(request.param)
    with JobRunr(url.render_as_string(hide_password=False), application="tests") as owner:
        owner.storage.set_up()
        yield url
        remove_everything(owner.storage)


def test_who_may_write_rows_makes_and_runs_jobs(tables: URL) -> None:
    with user_with(WORK, tables) as url, JobRunr(url.render_as_string(hide_password=False), migrate=False) as jobrunr:
        job_id = jobrunr.scheduler.enqueue(shop.send_welcome, "ada@example.org")
        drain(jobrunr)
        assert jobrunr.scheduler.get(job_id).state is JobState.SUCCEEDED


def test_who_may_read_rows_looks_at_the_dashboard_and_changes_nothing(tables: URL) -> None:
    with JobRunr(tables.render_as_string(hide_password=False), application="tests") as owner:
        job_id = owner.scheduler.enqueue(shop.send_welcome, "ada@example.org")
    with user_with(LOOK, tables) as url, JobRunr(url.render_as_string(hide_password=False), migrate=False) as jobrunr:
        dashboard = jobrunr.dashboard(authorize=lambda request: User("ada", Role.OPERATOR))
        browser = TestClient(dashboard, base_url="http://localhost", follow_redirects=False)
        for page in (
            "/",
            "/jobs",
            f"/jobs/{job_id}",
            "/failures",
            "/recurring",
            "/servers",
            "/audit",
            "/api/jobs",
            "/readyz",
        ):
            assert browser.get(page).status_code == 200, page

        refused = browser.post(f"/jobs/{job_id}/delete", data={"token": token_on(browser.get(f"/jobs/{job_id}").text)})

        assert refused.status_code == 503
        assert "refuses us" in refused.text and "denied" in refused.text
        with pytest.raises(StorageSetupError, match="denied"):
            jobrunr.scheduler.enqueue(shop.send_welcome, "eve@example.org")
        assert jobrunr.scheduler.counts()[JobState.ENQUEUED] == 1
