"""Every page, full of jobs that mean harm: it does none, can be read by everybody, and fits on a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from jobrunr import JobRunr
from jobrunr.dashboard.endpoints import Kind
from jobrunr.storage.contract import AuditEntry, JobOrder, JobQuery, StorageProvider
from jobrunr.storage.sql import SqlStorageProvider
from jobrunr.testing import factories
from tests.browser.served import served
from tests.browser.tabs import DESK, PHONE, is_wider_than_its_window, tab
from tests.dashboard.doors import SHOWING, a_jobrunr
from tests.dashboard.hostile import HOSTILE
from tests.dashboard.populate import populate

PAGES = {
    "/": ["./"],
    "/jobs": ["jobs?size=100", "jobs?state=FAILED&size=100", "jobs?state=SCHEDULED", "jobs?text=nothing+is+like+that"],
    "/jobs/confirm": [
        "jobs/confirm?of=matching&verb=delete&label=hostile",
        "jobs/confirm?of=matching&verb=requeue&text=none",
    ],
    "/jobs/{id}": [
        f"jobs/{{{name}}}" for name in ("running", "broken feed", "retried", "gone", "lost", "by position", "long")
    ]
    + [f"jobs/{{{name}}}" for name in ("succeeded", "deleted", "garbled", "unfitting", "awaiting", "hostile", "worst")],
    "/jobs/{id}/log": ["jobs/{running}/log", "jobs/{hostile}/log"],
    "/changes/{id}": ["changes/{change}"],
    "/failures": ["failures"],
    "/recurring": ["recurring"],
    "/recurring/job": ["recurring/job?id=nightly-import", "recurring/job?id=%3Cscript%3Ealert%281%29%3C%2Fscript%3E"],
    "/servers": ["servers"],
    "/audit": ["audit"],
    "/preferences": ["preferences"],
    "/api": ["api"],
}
"""By the path of their route, addresses to look at."""


@dataclass(frozen=True)
class Shop:
    """A dashboard, and the ids of what is to be seen in it."""

    address: str
    ids: dict[str, str]
    with_texts: list[str]
    """The ids of the jobs that carry one text each."""

    def path(self, template: str) -> str:
        return re.sub(r"\{(.+?)\}", lambda match: self.ids[match[1]], template)


def populate_everything(storage: StorageProvider, texts: tuple[str, ...]) -> tuple[dict[str, str], list[str]]:
    """Put each text everywhere where somebody can put one."""
    ids = {name: str(job_id) for name, job_id in populate(storage, hostile=texts).items()}
    for text in texts:
        factories.registered(storage, id=text[:100], pause_reason=text, paused_at=storage.now())
        short = text[:100]
        storage.record_audit([AuditEntry(actor=short, action=short, subject=f"recurring:{short}", detail=text)])
    with_texts = [str(job.id) for job in storage.find(JobQuery(label="hostile", order=JobOrder.OLDEST, limit=100))]
    return ids | {"hostile": with_texts[1], "worst": with_texts[texts.index("x" * 3000) * 2 + 1]}, with_texts


@contextmanager
def a_shop(file: Path, chromium: Browser, texts: tuple[str, ...]) -> Iterator[Shop]:
    with SqlStorageProvider(f"sqlite:///{file}") as storage:
        storage.set_up()
        ids, with_texts = populate_everything(storage, texts)
        with served(JobRunr(storage, application="tests")) as address:
            yield Shop(address, ids | {"change": a_change(chromium, address)}, with_texts)


def a_change(chromium: Browser, address: str) -> str:
    """The id of one that was made."""
    with tab(chromium, address, []) as page:
        page.goto("jobs/confirm?of=matching&verb=requeue&label=user+1")
        page.get_by_role("button", name="Requeue it").click()
        page.wait_for_url("**/changes/*")
        return page.url.rpartition("/")[2]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> Iterator[Shop]:
    """One in which whatever can be said is hostile."""
    with a_shop(tmp_path_factory.mktemp("hostile") / "jobs.db", chromium, HOSTILE) as shop:
        yield shop


@pytest.fixture(scope="module")
def harmless_shop(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> Iterator[Shop]:
    """The same with texts that mean no harm."""
    texts = (*(f"word {number}" for number in range(len(HOSTILE) - 1)), "x" * 3000)
    with a_shop(tmp_path_factory.mktemp("harmless") / "jobs.db", chromium, texts) as shop:
        yield shop


@pytest.fixture
def page(chromium: Browser, shop: Shop, trouble: list[str]) -> Iterator[Page]:
    with tab(chromium, shop.address, trouble) as page:
        page.on("dialog", lambda dialog: trouble.append(f"a dialog: {dialog.message}") or dialog.dismiss())
        yield page
        assert page.evaluate("window.__pwned") is None


def axe_on(page: Page, **options: Any) -> list[str]:
    """What it finds that is serious or worse."""
    found = Axe().run(page, options={"resultTypes": ["violations"], "preload": False} | options).response["violations"]
    return [
        f"{problem['id']}: {node['html'][:200]} {node['failureSummary']}"
        for problem in found
        if problem["impact"] in {"serious", "critical"}
        for node in problem["nodes"]
    ]


def assert_fit_for_everybody(page: Page) -> None:
    """In light and dark, which differ in colours only."""
    page.emulate_media(color_scheme="light")
    assert axe_on(page) == []
    page.emulate_media(color_scheme="dark")
    assert axe_on(page, runOnly=["color-contrast", "link-in-text-block"]) == []


def test_every_page_that_there_is_is_looked_at() -> None:
    assert {way.endpoint.path for way in SHOWING if way.endpoint.kind is Kind.PAGE} - {"/sign-in"} == PAGES.keys()


@pytest.mark.parametrize("template", [template for templates in PAGES.values() for template in templates])
def test_a_page_is_sound(page: Page, shop: Shop, template: str) -> None:
    """No trouble, no problem for anybody in light and dark, no scrolling sideways."""
    page.goto(shop.path(template))

    expect(page.locator("h1")).to_have_count(1)
    assert_fit_for_everybody(page)
    for window in (DESK, PHONE):
        page.set_viewport_size(window)
        assert not is_wider_than_its_window(page), window


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("nothing/like/that", 404),
        ("jobs/00000000-0000-7000-8000-000000000000", 404),
        ("jobs?size=many", 422),
        ("recurring/job?id=gone", 404),
        ("changes/00000000-0000-7000-8000-000000000000", 404),
    ],
)
def test_a_page_that_says_no_is_sound(page: Page, trouble: list[str], path: str, status: int) -> None:
    answer = page.goto(path)

    assert answer is not None and answer.status == status
    expect(page.locator("h1")).to_have_count(1)
    assert_fit_for_everybody(page)
    page.set_viewport_size(PHONE)
    assert not is_wider_than_its_window(page)
    assert [message for message in trouble if f"{status}" not in message] == []
    trouble.clear()  # the browser notes each status that is not 200


def test_the_page_to_sign_in_is_sound(chromium: Browser, trouble: list[str]) -> None:
    with a_jobrunr() as jobrunr, served(jobrunr, user=None) as address, tab(chromium, address, trouble) as page:
        page.goto("sign-in")
        assert_fit_for_everybody(page)
        page.set_viewport_size(PHONE)
        assert not is_wider_than_its_window(page)


LISTS = ("./", "jobs?size=100", "jobs?state=FAILED&size=100", "failures", "recurring", "servers", "audit")


def kinds_of_elements(page: Page) -> set[str]:
    """The names of all elements on a page, each with the names of its attributes."""
    script = "[...document.querySelectorAll('*')].map(e => [e.localName, ...e.getAttributeNames().sort()].join(' '))"
    return set(page.evaluate(script))


def kinds_in(page: Page, shop: Shop) -> set[str]:
    """On all pages that show texts; of jobs, those that failed, which carry them in most places."""
    found = set()
    for path in [*LISTS, *(f"jobs/{id}" for id in shop.with_texts[1::2])]:
        page.goto(shop.address + path)
        found |= kinds_of_elements(page)
    return found


def test_hostile_texts_add_no_element_and_no_attribute(page: Page, shop: Shop, harmless_shop: Shop) -> None:
    harmless = kinds_in(page, replace(harmless_shop, with_texts=harmless_shop.with_texts[-6:]))

    assert kinds_in(page, shop) - harmless == set()
