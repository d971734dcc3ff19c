from __future__ import annotations

from starlette.testclient import TestClient

from jobrunr import JobId, JobState
from jobrunr.storage.contract import StorageProvider
from jobrunr.testing.factories import enqueued


def test_the_overview_tells_how_it_goes(reading: TestClient, storage: StorageProvider, jobs: dict[str, JobId]) -> None:
    overview = reading.get("/api/overview").json()
    counts = storage.counts()

    assert overview["jobs"] == counts
    assert overview["runs"] == {"succeeded": storage.totals().succeeded, "failed": storage.totals().failed}
    assert overview["backlog"]["jobs"] == counts[JobState.ENQUEUED]
    assert overview["backlog"]["age"] > 0
    assert overview["workers"]["total"] == sum(server.workers for server in storage.servers())
    assert overview["servers"] == len(storage.servers())
    assert {"since", "until", "succeeded", "failed", "per_minute"} == overview["minutes"].keys()


def test_the_overview_of_nothing_is_calm(reading: TestClient, storage: StorageProvider) -> None:
    overview = reading.get("/api/overview").json()

    assert set(overview["jobs"].values()) == {0}
    assert overview["backlog"] == {"jobs": 0, "oldest_at": None, "age": 0.0, "finished_in": 0.0}
    assert overview["workers"] == {"total": 0, "busy": 0, "free": 0}


def test_problems_say_what_to_do(reading: TestClient, storage: StorageProvider) -> None:
    enqueued(storage)
    (problem, *_) = reading.get("/api/problems").json()

    assert problem["id"] == "no-server" and problem["is_bad"]
    assert "No server is running" in problem["what"] and "jobrunr worker" in problem["todo"]


def test_the_audit_trail_comes_page_by_page(api: TestClient, storage: StorageProvider) -> None:
    ids = [str(enqueued(storage).id) for _ in range(3)]
    for job_id in ids:
        api.delete(f"/api/jobs/{job_id}")
    first = api.get("/api/audit?limit=2").json()
    rest = api.get("/api/audit", params={"limit": 2, "before": first[-1]["at"]}).json()

    assert [entry["subject"] for entry in first + rest] == ids[::-1]
