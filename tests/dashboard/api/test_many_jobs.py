from __future__ import annotations

import threading
from typing import Any

from starlette.testclient import TestClient

from jobrunr import JobId, JobState
from jobrunr.storage.contract import StorageProvider


def over(api: TestClient, begun: Any) -> Any:
    """The change when it is over."""
    assert begun.status_code == 202, begun.text
    for thread in threading.enumerate():
        if thread.name == "jobrunr-change":
            thread.join(20)
    return api.get(f"/api/changes/{begun.json()['id']}").json()


def test_all_that_a_filter_finds_are_requeued(api: TestClient, storage: StorageProvider, jobs: dict[str, JobId]) -> None:
    failed = storage.counts()[JobState.FAILED]
    change = over(api, api.post("/api/jobs/requeue", json={"filter": {"state": "FAILED"}}))

    assert (change["total"], change["is_total_exact"], change["done"], change["problem"]) == (failed, True, failed, None)
    assert change["by"] == "ada"
    assert storage.counts()[JobState.FAILED] == 0


def test_jobs_with_these_ids_are_deleted(api: TestClient, storage: StorageProvider, jobs: dict[str, JobId]) -> None:
    ids = [str(jobs["urgent"]), "01940c1e-8f00-7000-8000-000000000001"]
    change = over(api, api.post("/api/jobs/delete", json={"ids": ids}))

    assert (change["total"], change["done"], change["skipped"]) == (2, 1, 1)
    job = storage.get(jobs["urgent"])
    assert job is not None and job.state is JobState.DELETED


def test_a_filter_without_conditions_never_means_all(
    api: TestClient, storage: StorageProvider, jobs: dict[str, JobId]
) -> None:
    before = storage.counts()

    assert api.post("/api/jobs/delete", json={"filter": {}}).status_code == 422
    assert storage.counts() == before


def test_a_change_that_is_not_there_is_not_found(api: TestClient, storage: StorageProvider) -> None:
    assert api.get("/api/changes/none").status_code == 404
    assert api.post("/api/changes/none/stop").status_code == 404


def test_a_change_that_is_over_cannot_be_stopped(api: TestClient, jobs: dict[str, JobId]) -> None:
    change = over(api, api.post("/api/jobs/delete", json={"ids": [str(jobs["urgent"])]}))

    assert api.post(f"/api/changes/{change['id']}/stop").status_code == 204
    assert api.get(f"/api/changes/{change['id']}").json()["problem"] is None
