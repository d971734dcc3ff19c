from __future__ import annotations

import re

import pytest
from starlette.testclient import TestClient

from jobrunr import JobId, transitions
from jobrunr.storage.contract import StorageProvider
from jobrunr.testing import factories
from tests.dashboard.hostile import Tags
from tests.dashboard.populate import MODULE, populate


@pytest.mark.parametrize("storage", ["memory", "sqlite"], indirect=True)
def test_jobs_that_failed_alike_are_one_group(ada: TestClient, storage: StorageProvider) -> None:
    jobs = populate(storage, hostile=())
    answer = ada.get("/failures")
    groups = {" ".join(Tags(group).text.split()) for group in re.findall(r"<article.*?</article>", answer.text, re.DOTALL)}
    (declined,) = [group for group in groups if "PermissionError" in group]
    assert declined.startswith(f"13\N{MULTIPLICATION SIGN} PermissionError in {MODULE}:charge card of order 11 was declined")
    assert "for example charge order 11" in declined
    assert len(groups) == 4
    assert f"jobs/{jobs['declined']}" in Tags(answer.text).addresses


def test_a_group_leads_to_all_its_jobs(ada: TestClient, storage: StorageProvider) -> None:
    populate(storage, hostile=())
    links = [link for link in Tags(ada.get("/failures").text).addresses if "fingerprint=" in link]
    found = [Tags(ada.get(f"/{link}").text).text for link in links]
    assert sorted(page.count("was declined") for page in found) == [0, 0, 0, 13]


def test_a_group_says_where_it_was_raised(ada: TestClient, storage: StorageProvider) -> None:
    populate(storage, hostile=["shop/mail.py:42 in send"])
    assert "at shop/mail.py:42 in send, first" in " ".join(Tags(ada.get("/failures").text).text.split())


def test_without_failures_it_says_so(ada: TestClient, storage: StorageProvider) -> None:
    factories.succeeded(storage)
    assert "No job is FAILED" in ada.get("/failures").text


def test_a_failure_without_an_exception_shows_its_reason(ada: TestClient, storage: StorageProvider) -> None:
    job = factories.processing(storage)
    factories.written(storage, transitions.fail(job, storage.now(), "nobody knows why"))
    page = " ".join(Tags(ada.get("/failures").text).text.split())
    assert "No exception in shop.mail:send_welcome nobody knows why" in page


def test_readers_see_failures_but_nothing_to_change_them(ada: TestClient, rita: TestClient, jobs: dict[str, JobId]) -> None:
    assert "Retry all like this" in ada.get("/failures").text
    page = rita.get("/failures").text
    assert "Retry all" not in page and "Delete all" not in page and "Show all like this" in page
