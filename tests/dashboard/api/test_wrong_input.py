from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from jobrunr import JobId

NO_MOMENT = "Allowed: a moment with its distance from UTC, such as 2026-11-26T02:00:00Z."


@pytest.mark.parametrize(
    ("query", "field", "said"),
    [
        ("limit=501", "limit", "limit cannot be 501. Allowed: a whole number from 1 to 500."),
        ("limit=many", "limit", "limit cannot be 'many'. Allowed: a whole number from 1 to 500."),
        ("limit=1&limit=2", "limit", "limit is given twice."),
        ("state=failed", "state", "state cannot be 'failed'. Allowed: AWAITING, SCHEDULED, ENQUEUED, PROCESSING"),
        ("order=up", "order", "order cannot be 'up'. Allowed: newest, oldest."),
        ("created_from=2026-11-26", "created_from", f"created_from cannot be '2026-11-26'. {NO_MOMENT}"),
        ("created_from=2026-11-26T02:00:00", "created_from", f"created_from cannot be '2026-11-26T02:00:00'. {NO_MOMENT}"),
        ("changed_until=0001-01-01T00:00:00%2B23:59", "changed_until", NO_MOMENT),
        ("queue=", "queue", "queue cannot be ''. Allowed: a text of 1 to 255 characters."),
        ("label=a%00b", "label", "label cannot have a NUL character in it."),
        ("sort=name", "sort", "There is no parameter sort. There are: state, queue, label, target"),
        ("after=nonsense", None, "after cannot be 'nonsense'; it is the `next` of the page before."),
    ],
)
def test_a_wrong_parameter_is_refused_with_what_is_allowed(
    reading: TestClient, jobs: dict[str, JobId], query: str, field: str | None, said: str
) -> None:
    answer = reading.get(f"/api/jobs?{query}")

    assert answer.status_code == 422
    assert answer.json().get("field") == field
    assert said in answer.json()["error"]


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ([], None, "The body is []; it has to be a JSON object."),
        ({}, "ids", "Say ids or filter, one of them."),
        ({"ids": ["x"], "filter": {"state": "FAILED"}}, "ids", 'ids cannot be ["x"]. Allowed: a list of 1 to 1,000'),
        ({"ids": []}, "ids", "ids cannot be []. Allowed: a list of 1 to 1,000, each of them an id"),
        ({"filter": {}}, "filter", "at least one of them"),
        ({"filter": {"state": 1}}, "filter.state", "filter.state cannot be 1. Allowed: AWAITING"),
        ({"filter": {"limit": 1}}, "filter.limit", "There is no field filter.limit. There are: filter.state, filter.queue"),
        ({"filter": "FAILED"}, "filter", "filter cannot be 'FAILED'. Allowed: a JSON object."),
        ({"all": True}, "all", "There is no field all. There are: ids, filter."),
    ],
)
def test_a_wrong_body_is_refused_with_what_is_allowed(
    api: TestClient, jobs: dict[str, JobId], body: Any, field: str | None, said: str
) -> None:
    answer = api.post("/api/jobs/delete", json=body)

    assert answer.status_code == 422
    assert answer.json().get("field") == field
    assert said in answer.json()["error"]


@pytest.mark.parametrize(
    ("sent", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"ids":"\xff"}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"ids=1", "application/x-www-form-urlencoded", 415),
        (b"{}", "text/plain", 415),
        (b" " * 1_048_577, "application/json", 413),
    ],
)
def test_what_cannot_be_read_is_refused(
    api: TestClient, jobs: dict[str, JobId], sent: bytes, kind: str, status: int
) -> None:
    answer = api.post("/api/jobs/delete", content=sent, headers={"Content-Type": kind})

    assert answer.status_code == status
    assert answer.json()["error"]


def test_a_body_where_none_belongs_is_refused(api: TestClient, jobs: dict[str, JobId]) -> None:
    answer = api.post(f"/api/jobs/{jobs['urgent']}/requeue", json={"reason": "why not"})

    assert answer.status_code == 422 and "Nothing is to be sent" in answer.json()["error"]


@pytest.mark.parametrize("path", ["/api/version", "/api/problems", "/livez", "/readyz", "/metrics", "/api/openapi.json"])
def test_an_address_without_parameters_takes_none(reading: TestClient, jobs: dict[str, JobId], path: str) -> None:
    answer = reading.get(f"{path}?verbose=1")

    assert answer.status_code == 422
    assert answer.json() == {"error": "There is no parameter verbose. There is none.", "field": "verbose"}


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/api/jobs", {"GET", "HEAD"}),
        ("GET", "/api/jobs/requeue", {"POST"}),
        ("PATCH", "/api/jobs/01940c1e-8f00-7000-8000-000000000001", {"GET", "HEAD", "DELETE"}),
        ("POST", "/api/servers", {"GET", "HEAD"}),
    ],
)
def test_another_method_is_refused_with_those_that_there_are(
    api: TestClient, method: str, path: str, allow: set[str]
) -> None:
    answer = api.request(method, path)

    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == allow
    assert answer.json()["error"]


@pytest.mark.parametrize("path", ["/api/nothing", "/api/jobs/no-id", "/api/servers/no-id/pause"])
def test_an_address_that_is_none_is_not_found(api: TestClient, path: str) -> None:
    answer = api.get(path)

    assert answer.status_code == 404
    assert answer.json() == {"error": "There is nothing at this address."}
