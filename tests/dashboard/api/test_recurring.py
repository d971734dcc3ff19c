from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from starlette.testclient import TestClient

from jobrunr import JobState
from jobrunr.jobs import JobDetails
from jobrunr.recurring_job import JobTemplate
from jobrunr.storage.contract import StorageProvider
from jobrunr.testing.factories import registered

IDS = ["nightly", "shop/orders?x=1#y", "..", "ünï çødé", "a+b&c=d", "%2F", "'\"<b>"]
TEMPLATE = JobTemplate(details=JobDetails("tests.dashboard.shop:import_orders", '{"orders":[17]}'), name="import")


@pytest.fixture(params=IDS)
def recurring_id(request: pytest.FixtureRequest, storage: StorageProvider) -> str:
    registered(storage, id=request.param, template=TEMPLATE, schedule="0 3 * * *", zone="Europe/Brussels")
    return str(request.param)


def test_recurring_jobs_come_in_pages_in_the_order_of_their_ids(reading: TestClient, storage: StorageProvider) -> None:
    for number in range(5):
        registered(storage, id=f"job {number}", template=TEMPLATE)
    first = reading.get("/api/recurring?limit=3").json()
    rest = reading.get("/api/recurring", params={"after": first["next"]}).json()

    assert [job["id"] for job in first["recurring"] + rest["recurring"]] == [f"job {number}" for number in range(5)]
    assert rest["next"] is None


def test_a_recurring_job_comes_with_everything_about_it(reading: TestClient, recurring_id: str) -> None:
    job = reading.get("/api/recurring/job", params={"id": recurring_id}).json()

    assert (job["id"], job["target"], job["arguments"]) == (recurring_id, TEMPLATE.details.target, {"orders": [17]})
    assert (job["schedule"], job["zone"], job["words"]) == ("0 3 * * *", "Europe/Brussels", "At 03:00 every day")


def test_its_next_runs_are_told_in_utc(reading: TestClient, recurring_id: str) -> None:
    runs = reading.get("/api/recurring/next", params={"id": recurring_id, "count": 3}).json()

    assert len(runs) == 3
    assert all(run.endswith("Z") for run in runs)
    moments = [datetime.fromisoformat(run) for run in runs]
    assert timedelta(hours=23) <= moments[1] - moments[0] <= timedelta(hours=25)


def test_it_is_paused_with_a_reason_triggered_resumed_and_deleted(
    api: TestClient, storage: StorageProvider, recurring_id: str
) -> None:
    which = {"id": recurring_id}

    assert api.post("/api/recurring/pause", params=which, json={"reason": "the disk is full"}).status_code == 204
    paused = api.get("/api/recurring/job", params=which).json()
    assert (paused["is_paused"], paused["pause_reason"]) == (True, "the disk is full")
    made = api.post("/api/recurring/trigger", params=which)
    assert made.status_code == 200
    job = api.get(f"/api/jobs/{made.json()['id']}").json()
    assert (job["recurring_job_id"], job["state"]) == (recurring_id, JobState.ENQUEUED)
    assert api.post("/api/recurring/resume", params=which).status_code == 204
    assert not api.get("/api/recurring/job", params=which).json()["is_paused"]
    assert api.delete("/api/recurring/job", params=which).status_code == 204
    assert api.get("/api/recurring/job", params=which).status_code == 404
    entries = api.get("/api/audit", params={"subject": f"recurring:{recurring_id}"}).json()
    assert [entry["action"] for entry in entries] == ["delete", "resume", "trigger", "pause"]


def test_its_runs_are_told(api: TestClient, recurring_id: str) -> None:
    assert api.get("/api/recurring/runs", params={"id": recurring_id}).json() == []
    assert api.get("/api/recurring/runs", params={"id": recurring_id, "only_skipped": "true"}).json() == []
    answer = api.get("/api/recurring/runs", params={"id": recurring_id, "only_skipped": "yes"})
    assert answer.status_code == 422 and answer.json()["error"] == "only_skipped cannot be 'yes'. Allowed: true, false."


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "job"),
        ("GET", "runs"),
        ("GET", "next"),
        ("POST", "trigger"),
        ("POST", "pause"),
        ("POST", "resume"),
        ("DELETE", "job"),
    ],
)
def test_a_recurring_job_that_is_not_there_is_not_found(
    api: TestClient, storage: StorageProvider, method: str, path: str
) -> None:
    answer = api.request(method, f"/api/recurring/{path}", params={"id": "nobody"})

    assert answer.status_code == 404 and "'nobody'" in answer.json()["error"]
    assert api.request(method, f"/api/recurring/{path}").json()["field"] == "id"
