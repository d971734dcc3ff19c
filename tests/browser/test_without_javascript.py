"""With JavaScript switched off: everything can be read and done."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from jobrunr import JobId, JobQuery, JobRunr, JobState
from tests.browser.tabs import tab
from tests.browser.test_jobs import press


@pytest.fixture
def page(chromium: Browser, address: str, trouble: list[str]) -> Iterator[Page]:
    with tab(chromium, address, trouble, java_script_enabled=False) as page:
        yield page


def test_everything_about_a_job_is_read(page: Page, jobs: dict[str, JobId]) -> None:
    page.goto("jobs?state=FAILED&text=twice")
    page.get_by_role("link", name="charge twice").click()

    expect(page.locator("h1")).to_contain_text("charge twice")
    expect(page.locator("#log-2")).to_contain_text("second try")
    expect(page.locator("#attempt-2 .trace")).to_contain_text("was declined")
    expect(page.locator("#job-history time").first).to_contain_text("UTC")


def test_a_job_is_requeued_and_deleted(page: Page, jobs: dict[str, JobId]) -> None:
    page.goto(f"jobs/{jobs['retried']}")

    press(page, "Requeue")
    expect(page.locator("h1 .state")).to_have_text("ENQUEUED")
    press(page, "Delete")

    expect(page.locator("h1 .state")).to_have_text("DELETED")


def test_all_jobs_that_match_are_deleted(page: Page, jobrunr: JobRunr) -> None:
    page.goto("jobs")
    page.get_by_label("Label").fill("bulk")
    press(page, "Search")

    press(page, "Delete all")
    press(page, "Delete them")
    expect(page.locator("#change")).to_contain_text("of 30; begun by ada.")
    while not page.locator("#change .notice").count():
        page.reload()

    assert jobrunr.storage.count(JobQuery(label="bulk", state=JobState.DELETED)).number == 30


def test_recurring_jobs_and_servers_are_paused(page: Page) -> None:
    page.goto("recurring")
    page.get_by_label("Select nightly-import").check()
    press(page, "Pause…")
    press(page, "Pause it")
    expect(page.locator("h1 .condition")).to_have_text("paused")

    page.goto("servers")
    press(page, "Pause all")
    expect(page.locator(".machine .condition.paused")).to_have_count(2)


def test_preferences_are_kept(page: Page) -> None:
    page.goto("preferences")

    page.get_by_label("Theme").select_option("Dark")
    press(page, "Save")
    page.goto("jobs")

    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
