"""Who changed what, and when."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from jobrunr.dashboard.pages.audit import PAGE
from jobrunr.storage.contract import AuditEntry, StorageProvider
from jobrunr.testing import factories
from tests.dashboard.hostile import HOSTILE, Tags


def note(storage: StorageProvider, subject: str, detail: str = "", actor: str = "ada") -> None:
    storage.record_audit([AuditEntry(actor=actor, action="delete", subject=subject, detail=detail)])


def shown(html: str) -> str:
    return " ".join(Tags(html).text.split())


def test_the_newest_comes_first(ada: TestClient, storage: StorageProvider) -> None:
    note(storage, "recurring:nightly", "before")
    note(storage, "recurring:nightly", "afterwards")
    page = ada.get("/audit").text
    assert page.index("afterwards") < page.index("before</td>") and "ada" in page


def test_pages_lead_through_all_of_it(ada: TestClient, storage: StorageProvider) -> None:
    details = [f"entry {number:04}" for number in range(2 * PAGE + 3)]
    storage.record_audit([AuditEntry(actor="ada", action="delete", subject="jobs", detail=detail) for detail in details])
    found: list[str] = []
    address: str | None = "audit"
    while address is not None:
        page = ada.get(f"/{address}").text
        found += [word for word in details[::-1] if word in page]
        address = next((link for link in Tags(page).addresses if "before=" in link), None)
    assert found == details[::-1]


def test_only_what_was_done_to_one_thing_is_shown(ada: TestClient, storage: StorageProvider) -> None:
    note(storage, "recurring:a b/c", "this one")
    note(storage, "recurring:other", "that one")
    (address,) = {link for link in Tags(ada.get("/audit").text).addresses if link.startswith("audit?") and "c" in link[-3:]}
    page = ada.get(f"/{address}").text
    assert "this one" in page and "that one" not in page


def test_older_pages_keep_to_the_one_thing(ada: TestClient, storage: StorageProvider) -> None:
    for _ in range(PAGE + 1):
        note(storage, "recurring:a")
    note(storage, "recurring:b", "that one")
    (address,) = [link for link in Tags(ada.get("/audit?subject=recurring:a").text).addresses if "before=" in link]
    page = ada.get(f"/{address}").text
    assert page.count("<tr>") == 2 and "that one" not in page


def test_it_leads_to_what_was_changed(ada: TestClient, storage: StorageProvider) -> None:
    job = factories.enqueued(storage)
    for subject in (str(job.id), "recurring:a/b", "server:x", "jobs"):
        note(storage, subject)
    addresses = Tags(ada.get("/audit").text).addresses
    assert {f"jobs/{job.id}", "recurring/job?id=a%2Fb", "servers"} <= set(addresses)


def test_it_says_that_nobody_changed_anything(ada: TestClient) -> None:
    assert "Nobody changed anything by hand yet." in shown(ada.get("/audit").text)
    assert "Nobody changed server:1 by hand." in shown(ada.get("/audit?subject=server:1").text)


@pytest.mark.parametrize("before", ["yesterday", "2026-13-01", "0001-01-01T00:00:00+23:00"])
def test_a_moment_that_is_none_is_refused(ada: TestClient, before: str) -> None:
    assert ada.get("/audit", params={"before": before}).status_code == 422


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_noted_is_text(ada: TestClient, storage: StorageProvider, text: str) -> None:
    note(storage, "subject", "detail", "actor")
    before = Tags(ada.get("/audit").text).counted
    note(storage, text, text, text)
    added = Tags(ada.get("/audit").text).counted - before
    assert set(added) <= set(before)
    assert ada.get("/audit", params={"subject": text}).status_code == 200
