"""The buttons on the pages of recurring jobs, servers and the audit trail."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from jobrunr import JobRunr
from jobrunr.testing import factories
from tests.browser.test_jobs import answer, press

MODULE = "tests.browser.shop"


@pytest.fixture
def recurring_page(page: Page, jobrunr: JobRunr) -> Page:
    """The list, with three recurring jobs."""
    for id in ("greet-ada", "greet-bob"):
        factories.registered(jobrunr.storage, id=id)
    page.goto("recurring")
    expect(page.locator("tbody tr")).to_have_count(3)
    return page


class TestRecurringJob:
    def test_is_triggered(self, page: Page, jobrunr: JobRunr) -> None:
        page.goto("recurring/job?id=nightly-import")

        press(page, "Trigger now")

        expect(page.locator(".audit")).to_contain_text("ada: trigger")
        assert len(jobrunr.scheduler.find(recurring_job_id="nightly-import")) == 2

    def test_is_paused_with_a_reason_and_resumed(self, page: Page) -> None:
        page.goto("recurring/job?id=nightly-import")

        page.get_by_label("Why it is paused").fill("the shop is closed")
        press(page, "Pause")
        expect(page.locator("#recurring-head")).to_contain_text("the shop is closed")
        expect(page.locator("h1 .condition")).to_have_text("paused")
        press(page, "Resume")
        expect(page.locator("h1 .condition")).to_have_text("active")

    def test_is_deleted_when_that_is_confirmed(self, page: Page, jobrunr: JobRunr) -> None:
        page.goto("recurring/job?id=nightly-import")

        press(page, "Delete…")
        page.get_by_role("link", name="Cancel").click()
        assert jobrunr.storage.get_recurring("nightly-import") is not None
        press(page, "Delete…")
        press(page, "Delete it")

        expect(page.get_by_role("status").filter(has_text="Deleted: 1.")).to_be_visible()
        assert jobrunr.storage.get_recurring("nightly-import") is None


@pytest.mark.parametrize(("verb", "says"), [("Trigger", "Triggered: 3."), ("Delete", "Deleted: 3.")])
def test_all_recurring_jobs_of_a_page(recurring_page: Page, verb: str, says: str) -> None:
    recurring_page.get_by_label("Select all on this page").check()

    press(recurring_page, f"{verb}…")
    press(recurring_page, f"{verb} them")

    expect(recurring_page.get_by_role("status").filter(has_text=says)).to_be_visible()


def test_some_recurring_jobs_are_paused_and_resumed(recurring_page: Page) -> None:
    page = recurring_page
    for id in ("greet-ada", "greet-bob"):
        page.get_by_label(f"Select {id}").check()
    press(page, "Pause…")
    page.get_by_label("Reason, shown to others").fill("holidays")
    press(page, "Pause them")
    expect(page.locator("tbody .condition.paused")).to_have_count(2)
    expect(page.locator("tbody tr", has_text="greet-bob")).to_contain_text("holidays")

    page.get_by_label("Select greet-ada").check()
    press(page, "Resume…")
    press(page, "Resume it")

    expect(page.locator("h1 .condition")).to_have_text("active")


class TestServers:
    def test_one_is_paused_and_resumed(self, page: Page) -> None:
        page.goto("servers")
        machine = page.locator(".machine", has_text="shop-2:17")

        press(page, "Pause shop-2:17")
        expect(machine.locator(".condition.paused")).to_have_text("paused")
        press(page, "Resume shop-2:17")

        expect(page.get_by_role("button", name="Pause shop-2:17")).to_be_visible()
        expect(machine.locator(".condition.paused")).to_have_count(0)

    def test_all_are_paused_when_that_is_confirmed_and_resumed(self, page: Page, jobrunr: JobRunr) -> None:
        page.goto("servers")

        answer(page, yes=False)
        press(page, "Pause all")
        assert not any(server.is_paused for server in jobrunr.storage.servers())
        answer(page, yes=True)
        press(page, "Pause all")
        expect(page.locator(".machine .condition.paused")).to_have_count(2)
        press(page, "Resume all")

        expect(page.locator(".machine .condition.paused")).to_have_count(0)

    def test_lead_to_the_jobs_that_run_on_them(self, page: Page) -> None:
        page.goto("servers")

        page.locator(".machine", has_text="shop-1:4711").get_by_role("link", name="Jobs that run on it").click()

        expect(page.locator("tbody tr")).to_have_count(1)
        expect(page.locator("tbody tr")).to_contain_text("import three orders")


def test_the_audit_trail_shows_everything_or_what_was_done_to_one_thing(page: Page) -> None:
    page.goto("recurring/job?id=nightly-import")
    press(page, "Trigger now")
    page.goto("servers")
    press(page, "Pause shop-2:17")
    page.get_by_role("link", name="Audit").click()
    expect(page.locator("tbody tr")).to_have_count(2)

    page.get_by_label("Only recurring:nightly-import").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Everything").click()
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_label("Only what was done to").fill("recurring:nightly-import")
    press(page, "Show")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="recurring:nightly-import").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("nightly-import")
