from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from openapi_spec_validator import validate
from starlette.testclient import TestClient

from jobrunr.dashboard.access import Role
from jobrunr.dashboard.api import operations_for
from jobrunr.dashboard.endpoints import Kind
from jobrunr.settings import Settings
from tests.dashboard.doors import EVERY_WAY, a_jobrunr, signed_in

TWINS = {
    "POST /changes": ("POST /api/jobs/requeue", "POST /api/jobs/delete"),
    "POST /changes/{id}/stop": ("POST /api/changes/{id}/stop",),
    "POST /jobs/{id}/requeue": ("POST /api/jobs/{id}/requeue",),
    "POST /jobs/{id}/run": ("POST /api/jobs/{id}/run",),
    "POST /jobs/{id}/delete": ("DELETE /api/jobs/{id}",),
    "POST /recurring/change": (
        "POST /api/recurring/trigger",
        "POST /api/recurring/pause",
        "POST /api/recurring/resume",
        "DELETE /api/recurring/job",
    ),
    "POST /servers/change": (
        "POST /api/servers/{id}/pause",
        "POST /api/servers/{id}/resume",
        "POST /api/servers/pause",
        "POST /api/servers/resume",
    ),
}


@pytest.fixture
def description(reading: TestClient) -> dict[str, Any]:
    described: dict[str, Any] = reading.get("/api/openapi.json").json()
    return described


def operations(description: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_the_description_is_openapi(description: dict[str, Any]) -> None:
    validate(description)


def test_every_address_of_the_api_is_described(description: dict[str, Any]) -> None:
    served = {re.sub(r":\w+}", "}", str(way)) for way in EVERY_WAY if way.endpoint.kind is Kind.API}

    assert dict(operations(description)).keys() == served


def test_everything_has_a_description(description: dict[str, Any]) -> None:
    for name, operation in operations(description):
        assert operation["summary"].endswith("."), name
        for parameter in operation["parameters"]:
            assert parameter["description"].endswith((".", "…`.")), (name, parameter)
    for name, schema in description["components"]["schemas"].items():
        assert schema.get("description"), name


def test_operations_have_names_of_their_own() -> None:
    names = [operation.name for operation in operations_for(Settings(dashboard_enqueue=("shop:send",)))]

    assert len(names) == len(set(names))


def test_whatever_can_be_changed_on_a_page_can_be_changed_through_the_api(description: dict[str, Any]) -> None:
    described = dict(operations(description))
    ways = [way for way in EVERY_WAY if way.endpoint.kind is Kind.ACTION and way.endpoint.role is Role.OPERATOR]

    assert {str(way) for way in ways} == TWINS.keys()
    assert {twin for twins in TWINS.values() for twin in twins} <= described.keys()


def test_the_description_can_be_read_by_people(description: dict[str, Any]) -> None:
    page = signed_in(a_jobrunr().dashboard()).get("/api").text
    read = Ids()
    read.feed(page)

    assert {operation["operationId"] for _, operation in operations(description)} <= read.ids
    assert {f"type-{name}" for name in description["components"]["schemas"]} <= read.ids
    assert {link.partition("#")[2] for link in read.links if "#" in link} <= read.ids
    assert "<script" not in page.replace('<script type="module" src="static/dashboard.js"></script>', "")


class Ids(HTMLParser):
    """The ids on a page, and what its links lead to."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids.add(values.get("id") or "")
        if tag == "a":
            self.links.append(values.get("href") or "")
