from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from jobrunr import JobRunr
from jobrunr.errors import WrongSettingError
from jobrunr.storage.contract import StorageProvider
from tests.dashboard.api.conftest import USERS

WELCOME = "tests.dashboard.shop:send_welcome"
REMEMBER = "tests.dashboard.shop:remember"


@pytest.fixture
def app(storage: StorageProvider) -> JobRunr:
    return JobRunr(storage, application="tests", dashboard_users=USERS, dashboard_enqueue=[WELCOME, REMEMBER])


def test_a_job_is_made_by_target_and_arguments(api: TestClient) -> None:
    body = {"target": WELCOME, "arguments": {"email": "ada@example.org"}, "labels": ["eu {0}"], "queue": "mail"}
    made = api.post("/api/jobs", json=body)
    job = api.get(f"/api/jobs/{made.json()['id']}").json()

    assert made.status_code == 201
    assert (job["state"], job["arguments"], job["queue"]) == ("ENQUEUED", {"email": "ada@example.org"}, "mail")
    assert job["labels"] == ["eu {0}"]  # nothing is filled in
    (entry,) = api.get("/api/audit", params={"subject": job["id"]}).json()
    assert (entry["actor"], entry["action"], entry["detail"]) == ("ada", "enqueue", WELCOME)


def test_a_job_is_made_for_later(api: TestClient) -> None:
    body = {"target": WELCOME, "arguments": {"email": "ada@example.org"}, "run_at": "2099-01-01T00:00:00Z"}
    job = api.get(f"/api/jobs/{api.post('/api/jobs', json=body).json()['id']}").json()

    assert (job["state"], job["run_at"]) == ("SCHEDULED", "2099-01-01T00:00:00Z")


def test_where_and_for_how_long_a_job_runs_can_be_said(api: TestClient) -> None:
    body = {"target": WELCOME, "arguments": {"email": "ada"}, "timeout": 90, "execution": "process"}
    job = api.get(f"/api/jobs/{api.post('/api/jobs', json=body).json()['id']}").json()

    assert (job["timeout"], job["execution"]) == (90.0, "process")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("timeout", 0, "timeout cannot be 0. Allowed: a number from 0.001 to 31,536,000."),
        ("timeout", "1m", "timeout cannot be '1m'. Allowed: a number from"),
        ("timeout", True, "timeout cannot be true. Allowed: a number from"),
        ("execution", "fork", "execution cannot be 'fork'. Allowed: process, thread."),
    ],
)
def test_a_wrong_way_of_running_is_refused_with_what_is_allowed(
    api: TestClient, field: str, value: object, said: str
) -> None:
    answer = api.post("/api/jobs", json={"target": WELCOME, "arguments": {"email": "ada"}, field: value})

    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert said in answer.json()["error"]


def test_the_same_id_makes_one_job(api: TestClient, storage: StorageProvider) -> None:
    body = {"target": WELCOME, "arguments": {"email": "ada"}, "id": "01940c1e-8f00-7000-8000-000000000001"}

    assert [api.post("/api/jobs", json=body).status_code for _ in range(2)] == [201, 201]
    assert sum(storage.counts().values()) == 1


def test_arguments_of_any_kind_are_passed(api: TestClient) -> None:
    arguments = {"*": ["a", "b"], "**": {"from": "ada"}}
    made = api.post("/api/jobs", json={"target": REMEMBER, "arguments": arguments})

    assert api.get(f"/api/jobs/{made.json()['id']}").json()["arguments"] == arguments


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"target": "tests.dashboard.shop:charge", "arguments": {"order": 1}}, "target"),
        ({"target": "os:system", "arguments": {"command": "true"}}, "target"),
        ({"target": WELCOME, "arguments": {"email": 17}}, "arguments"),
        ({"target": WELCOME, "arguments": {}}, "arguments"),
        ({"target": WELCOME, "arguments": {"email": "ada", "other": 1}}, "arguments"),
        ({"target": WELCOME, "arguments": "ada"}, "arguments"),
        ({"target": WELCOME, "priority": 100_000}, "priority"),
        ({"arguments": {}}, "target"),
    ],
)
def test_what_cannot_become_a_job_is_refused(
    api: TestClient, storage: StorageProvider, body: dict[str, Any], field: str
) -> None:
    answer = api.post("/api/jobs", json=body)

    assert answer.status_code == 422
    assert answer.json()["field"] == field
    assert sum(storage.counts().values()) == 0


def test_readers_make_no_jobs(reading: TestClient, storage: StorageProvider) -> None:
    answer = reading.post("/api/jobs", json={"target": WELCOME, "arguments": {"email": "ada"}})

    assert answer.status_code == 403
    assert sum(storage.counts().values()) == 0


def test_nothing_can_be_enqueued_unless_it_is_turned_on(storage: StorageProvider) -> None:
    app = JobRunr(storage, application="tests", dashboard_users=USERS)
    api = TestClient(app.dashboard(), base_url="http://localhost")
    api.auth = ("ada", "correct horse")

    assert api.post("/api/jobs", json={"target": WELCOME, "arguments": {"email": "ada"}}).status_code == 405
    assert "post" not in api.get("/api/openapi.json").json()["paths"]["/api/jobs"]


def test_the_setting_takes_whole_targets_only() -> None:
    with pytest.raises(WrongSettingError, match="module:name"):
        JobRunr("memory://", dashboard_enqueue=["tests.dashboard"])
