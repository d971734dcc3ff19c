from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from jobrunr import JobId, JobState
from jobrunr.jobs import JobDetails
from jobrunr.storage.contract import StorageProvider
from jobrunr.testing.factories import enqueued

NOBODY = "01940c1e-8f00-7000-8000-000000000001"


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [job["name"] for job in answer.json()["jobs"]]


def test_jobs_are_found_by_every_condition_at_once(reading: TestClient, jobs: dict[str, JobId]) -> None:
    declined = reading.get(f"/api/jobs/{jobs['declined']}").json()
    conditions = {
        "state": "FAILED",
        "queue": declined["queue"],
        "target": declined["target"],
        "server": declined["server_name"],
        "fingerprint": declined["fingerprint"],
        "text": "CHARGE ORDER",
        "created_from": declined["created_at"],
        "changed_from": declined["state_at"],
        "changed_until": "9999-12-31T00:00:00Z",
    }

    assert names(reading.get("/api/jobs", params=conditions)) == [declined["name"]]
    for name in conditions:
        if not name.endswith(("_from", "_until")):
            unfit = conditions | {name: "SUCCEEDED" if name == "state" else "other"}
            assert names(reading.get("/api/jobs", params=unfit)) == [], name


def test_jobs_are_found_by_label_and_by_recurring_job(reading: TestClient, jobs: dict[str, JobId]) -> None:
    by_label = reading.get("/api/jobs", params={"label": "user 7"}).json()["jobs"]
    by_recurring = reading.get("/api/jobs", params={"recurring_job_id": "nightly-import"}).json()["jobs"]

    assert [job["labels"] for job in by_label] == [["bulk", "user 7"]]
    assert [job["id"] for job in by_recurring] == [str(jobs["nightly"])]


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_pages_lead_from_one_to_the_next_and_come_to_an_end(
    reading: TestClient, storage: StorageProvider, jobs: dict[str, JobId], order: str
) -> None:
    found: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = reading.get("/api/jobs", params={"limit": 10, "order": order} | after).json()
        found += [job["id"] for job in page["jobs"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}

    assert len(found) == len(set(found)) == sum(storage.counts().values())
    assert found == sorted(found, reverse=order == "newest")


def test_a_cursor_may_be_pasted_as_it_is(reading: TestClient, jobs: dict[str, JobId]) -> None:
    page = reading.get("/api/jobs?limit=1").json()

    assert len(names(reading.get(f"/api/jobs?limit=1&after={page['next']}"))) == 1


def test_jobs_are_counted_without_being_fetched(
    reading: TestClient, storage: StorageProvider, jobs: dict[str, JobId]
) -> None:
    failed = storage.counts()[JobState.FAILED]

    assert reading.get("/api/jobs/count?state=FAILED").json() == {"count": failed, "is_exact": True}


def test_a_job_comes_with_everything_about_it(reading: TestClient, jobs: dict[str, JobId]) -> None:
    job = reading.get(f"/api/jobs/{jobs['retried']}").json()

    assert job["id"] == str(jobs["retried"])
    assert job["call"].startswith(job["target"].replace(":", ".") + "(")
    assert [change["state"] for change in job["history"]][:2] == ["ENQUEUED", "PROCESSING"]
    (failure, *_) = [change["exception"] for change in job["history"] if change["exception"]]
    assert failure["type"] and failure["message"] and "Traceback" in failure["traceback"]


def test_what_a_job_keeps_comes_as_json(reading: TestClient, jobs: dict[str, JobId]) -> None:
    job = reading.get(f"/api/jobs/{jobs['running']}").json()
    progress = reading.get(f"/api/jobs/{jobs['running']}/progress").json()

    assert job["arguments"] == {"orders": [1, 2, 3]}
    assert job["progress"] == progress == [{"attempt": 1, "done": 1, "failed": 0, "total": 3, "share": 1 / 3}]


def test_a_job_that_cannot_be_read_comes_as_far_as_it_can(reading: TestClient, jobs: dict[str, JobId]) -> None:
    assert reading.get(f"/api/jobs/{jobs['garbled']}").status_code == 200


def test_secrets_stay_hidden(api: TestClient, storage: StorageProvider) -> None:
    job = enqueued(storage, details=JobDetails("tests.dashboard.shop:send_welcome", '{"password":"CANARY"}'))

    for path in (f"/api/jobs/{job.id}", "/api/jobs"):
        answer = api.get(path)
        assert answer.status_code == 200 and "CANARY" not in answer.text


def test_a_log_comes_part_by_part_and_goes_on_later(reading: TestClient, jobs: dict[str, JobId]) -> None:
    path = f"/api/jobs/{jobs['running']}/logs"
    first = reading.get(path, params={"limit": 1}).json()
    rest = reading.get(path, params={"after": first["next"]}).json()
    nothing_yet = reading.get(path, params={"after": rest["next"]}).json()

    assert [line["seq"] for line in first["lines"] + rest["lines"]] == list(range(len(rest["lines"]) + 1))
    assert nothing_yet == {"lines": [], "next": rest["next"]}


def test_a_job_is_deleted_and_requeued_and_rescheduled(
    api: TestClient, storage: StorageProvider, jobs: dict[str, JobId]
) -> None:
    path = f"/api/jobs/{jobs['declined']}"

    assert api.delete(path).status_code == 204
    assert api.get(path).json()["state"] == "DELETED"
    assert api.post(f"{path}/requeue").status_code == 204
    assert api.get(path).json()["state"] == "ENQUEUED"
    assert api.post(f"{path}/reschedule", json={"at": "2099-01-01T00:00:00+01:00"}).status_code == 204
    assert (api.get(path).json()["state"], api.get(path).json()["run_at"]) == ("SCHEDULED", "2098-12-31T23:00:00Z")
    assert api.post(f"{path}/run").status_code == 204
    assert api.get(path).json()["state"] == "ENQUEUED"
    assert {change["by"] for change in api.get(path).json()["history"][-3:]} == {"ada"}
    entries = api.get("/api/audit", params={"subject": str(jobs["declined"])}).json()
    assert [(entry["actor"], entry["action"]) for entry in entries] == [
        ("ada", "run now"),
        ("ada", "reschedule"),
        ("ada", "requeue"),
        ("ada", "delete"),
    ]


def test_a_job_is_rescheduled_by_a_delay(api: TestClient, storage: StorageProvider, jobs: dict[str, JobId]) -> None:
    before = storage.now()

    assert api.post(f"/api/jobs/{jobs['urgent']}/reschedule", json={"delay": "2h"}).status_code == 204
    job = storage.get(jobs["urgent"])
    assert job is not None and job.run_at is not None
    assert timedelta(hours=2) <= job.run_at - before < timedelta(hours=2, minutes=1)


def test_a_move_that_cannot_be_is_a_conflict(api: TestClient, jobs: dict[str, JobId]) -> None:
    for move in ("requeue", "run"):
        answer = api.post(f"/api/jobs/{jobs['running']}/{move}")
        assert answer.status_code == 409 and "PROCESSING" in answer.json()["error"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("GET", "/logs"), ("GET", "/progress"), ("DELETE", ""), ("POST", "/requeue"), ("POST", "/run")],
)
def test_a_job_that_is_not_there_is_not_found(api: TestClient, storage: StorageProvider, method: str, path: str) -> None:
    answer = api.request(method, f"/api/jobs/{NOBODY}{path}")

    assert answer.status_code == 404 and NOBODY in answer.json()["error"]


def test_failures_come_in_groups(reading: TestClient, jobs: dict[str, JobId]) -> None:
    groups = {group["fingerprint"]: group for group in reading.get("/api/failures?limit=500").json()}
    declined = reading.get(f"/api/jobs/{jobs['declined']}").json()
    group = groups[declined["fingerprint"]]

    assert group["count"] > 10
    assert group["example"]["fingerprint"] == declined["fingerprint"]
    assert group["exception"]["place"]
    assert (
        len(names(reading.get("/api/jobs", params={"state": "FAILED", "fingerprint": group["fingerprint"]})))
        == group["count"]
    )
    assert len(reading.get("/api/failures?limit=2").json()) == 2
