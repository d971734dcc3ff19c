from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from jobrunr import JobId, JobRunr, JobState
from jobrunr.errors import StorageUnavailableError
from jobrunr.filters import JobFilter
from jobrunr.jobs import Job, JobDetails
from jobrunr.run_figures import MOST_NAMES, RunFigures
from jobrunr.states import FINISHED
from jobrunr.storage.contract import StorageProvider
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing.factories import announced, processing
from tests.dashboard import shop
from tests.dashboard.api.conftest import USERS


class Away(MemoryStorageProvider):
    """Does not answer."""

    def set_up(self, *, migrate: bool = True) -> None:
        raise StorageUnavailableError("postgresql://db.internal/shop", "connection refused by 10.0.0.7")


def figures(text: str) -> dict[tuple[str, ...], float]:
    """The value of each series, by its name and its labels in the order of their names."""
    families = text_string_to_metric_families(text)
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def test_the_process_is_alive_and_ready(programs: Callable[[str | None], TestClient]) -> None:
    anybody = programs(None)

    assert anybody.get("/livez").json() == {"status": "alive"}
    assert anybody.get("/readyz").json() == {"status": "ready"}


def test_without_a_storage_the_process_is_alive_but_not_ready() -> None:
    app = JobRunr(Away(), application="tests", dashboard_users=USERS)
    anybody = TestClient(app.dashboard(), base_url="http://localhost")

    assert anybody.get("/livez").status_code == 200
    answer = anybody.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"error": "The storage does not answer."}


def test_a_storage_that_does_not_answer_is_said_in_so_many_words() -> None:
    app = JobRunr(Away(), application="tests")
    api = TestClient(app.dashboard(authorize=lambda request: "reader"), base_url="http://localhost")

    assert api.get("/api/jobs").status_code == 503
    assert api.get("/metrics").status_code == 503


def test_metrics_tell_of_jobs_servers_and_failures(
    reading: TestClient, storage: StorageProvider, jobs: dict[str, JobId]
) -> None:
    answer = reading.get("/metrics")
    found = figures(answer.text)

    assert answer.headers["content-type"].startswith("text/plain")
    for state, count in storage.counts().items():
        assert found["jobrunr_jobs", state] == count
    assert found["jobrunr_runs_total", "failed"] == storage.totals().failed
    assert found["jobrunr_backlog_age_seconds",] > 0
    assert found["jobrunr_servers",] == len(storage.servers())
    assert found["jobrunr_workers",] == sum(server.workers for server in storage.servers())
    assert found["jobrunr_failed_jobs", "tests.dashboard.shop:charge"] > 10
    failed = [value for (name, *_), value in found.items() if name == "jobrunr_failed_jobs"]
    assert sum(failed) == storage.counts()[JobState.FAILED]


class Ended(JobFilter):
    """Knows when some jobs have ended."""

    def __init__(self, count: int) -> None:
        self._ended = threading.Semaphore(0)
        self._count = count

    def state_changed(self, job: Job, old: JobState, new: JobState) -> None:
        if new in FINISHED:
            self._ended.release()

    def wait(self) -> bool:
        return all(self._ended.acquire(timeout=20) for _ in range(self._count))


def test_metrics_tell_of_the_runs_of_this_process(storage: StorageProvider) -> None:
    ended = Ended(2)
    app = JobRunr(storage, application="tests", filters=[ended])
    app.scheduler.enqueue(shop.send_welcome, "ada")
    app.scheduler.options(retries=0).enqueue(shop.charge, 1)
    with app.server(workers=1):
        assert ended.wait()
    reading = TestClient(app.dashboard(authorize=lambda request: "reader"), base_url="http://localhost")
    found = figures(reading.get("/metrics").text)

    assert found["jobrunr_process_runs_total", "succeeded", "tests.dashboard.shop:send_welcome"] == 1
    assert found["jobrunr_process_runs_total", "failed", "tests.dashboard.shop:charge"] == 1
    assert found["jobrunr_process_run_seconds_count", "tests.dashboard.shop:charge"] == 1
    assert found["jobrunr_process_wait_seconds_count", "default"] == 2


def test_the_page_about_metrics_names_those_that_there_are(reading: TestClient) -> None:
    page = (Path(__file__).parents[3] / "docs/how-to/metrics.md").read_text(encoding="utf-8")
    told = {f"{family.name}_total" if family.type == "counter" else family.name for family in families_of(reading)}

    assert set(re.findall(r"\bjobrunr_(?!runs\b)[a-z_]+\b", page)) == told


def families_of(reading: TestClient) -> Iterator[Metric]:
    return text_string_to_metric_families(reading.get("/metrics").text)


def test_the_number_of_targets_in_metrics_has_an_end(storage: StorageProvider) -> None:
    counted = RunFigures()
    server = announced(storage)
    for number in range(MOST_NAMES + 50):
        job = processing(storage, server, details=JobDetails(f"shop:function_{number}"), queue=f"queue {number}")
        counted.ended(job, JobState.SUCCEEDED, storage.now())
    targets, waits = counted.snapshot()

    assert len(targets) == len(waits) == MOST_NAMES + 1
    assert targets["other"].succeeded == 50


def test_a_duration_is_counted_in_its_bucket(storage: StorageProvider) -> None:
    counted = RunFigures()
    job = processing(storage, announced(storage))
    assert job.started_at is not None
    for seconds in (0.005, 0.006, 100_000.0):
        counted.ended(job, JobState.SUCCEEDED, job.started_at + timedelta(seconds=seconds))
    durations = counted.snapshot()[0][job.target].durations

    assert (durations.counts[0], durations.counts[1], durations.counts[-1]) == (1, 1, 1)
    assert durations.total == pytest.approx(100_000.011)


def test_metrics_are_for_readers_unless_they_are_open(
    programs: Callable[[str | None], TestClient], storage: StorageProvider
) -> None:
    assert programs(None).get("/metrics").status_code == 401
    opened = JobRunr(storage, application="tests", dashboard_users=USERS, dashboard_metrics_open=True)
    assert TestClient(opened.dashboard(), base_url="http://localhost").get("/metrics").status_code == 200


def test_the_version_says_what_runs_here(reading: TestClient) -> None:
    answer = reading.get("/api/version").json()

    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", answer["version"])
    assert answer["storage"] == "MemoryStorageProvider"
    assert datetime.fromisoformat(reading.get("/api/overview").json()["at"]).tzinfo == UTC
