"""Who sees what, and how they like it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from jobrunr import JobId, JobRunr
from tests.browser.served import RITA, served
from tests.browser.tabs import tab
from tests.browser.test_jobs import press
from tests.dashboard.doors import PASSWORD, a_jobrunr


@pytest.fixture
def stranger(chromium: Browser, trouble: list[str]) -> Iterator[Page]:
    """The tab of somebody who has to sign in."""
    with a_jobrunr() as jobrunr, served(jobrunr, user=None) as address, tab(chromium, address, trouble) as page:
        yield page


def sign_in(page: Page, password: str = PASSWORD) -> None:
    page.get_by_label("Name").fill("olga")
    page.get_by_label("Password").fill(password)
    press(page, "Sign in")


def test_who_signs_in_sees_the_page_they_wanted_until_they_sign_out(stranger: Page) -> None:
    stranger.goto("jobs?state=FAILED")
    expect(stranger).to_have_title("Sign in · JobRunr")

    sign_in(stranger)
    expect(stranger).to_have_title("FAILED · JobRunr")
    expect(stranger.get_by_label("olga: preferences")).to_be_visible()
    press(stranger, "Sign out")
    expect(stranger).to_have_title("Sign in · JobRunr")

    stranger.goto("jobs")
    expect(stranger).to_have_title("Sign in · JobRunr")


def test_a_wrong_password_is_told_and_can_be_mended(stranger: Page, trouble: list[str]) -> None:
    stranger.goto("")

    sign_in(stranger, "wrong")
    expect(stranger.get_by_role("alert")).to_have_text("Name or password is wrong.")
    expect(stranger.get_by_label("Password")).to_be_focused()
    assert trouble == ["Failed to load resource: the server responded with a status of 401 (Unauthorized)"]
    trouble.clear()

    sign_in(stranger)
    expect(stranger).to_have_title("Overview · JobRunr")


def test_readers_see_no_buttons(chromium: Browser, jobrunr: JobRunr, jobs: dict[str, JobId], trouble: list[str]) -> None:
    with served(jobrunr, RITA) as address, tab(chromium, address, trouble) as page:
        for path in (
            "jobs",
            f"jobs/{jobs['retried']}",
            "failures",
            "recurring",
            "recurring/job?id=nightly-import",
            "servers",
        ):
            page.goto(path)
            expect(page.locator("h1")).to_be_visible()
            assert page.locator("form[method=post] button, button[name=verb], input[type=checkbox]").count() == 0, path


def test_the_theme_changes_at_once_and_stays(page: Page) -> None:
    page.goto("preferences")

    page.get_by_label("Theme").select_option("Dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(16, 21, 29)"
    page.get_by_label("Times").select_option("UTC")
    expect(page.locator("main time")).to_contain_text("UTC")
    page.goto("jobs")

    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("tbody time").first).to_contain_text("UTC")


def test_preferences_are_saved(page: Page) -> None:
    page.goto("preferences")

    page.get_by_label("Theme").select_option("Light")
    press(page, "Save")

    expect(page.get_by_role("status").filter(has_text="Saved in this browser.")).to_be_visible()
    expect(page.get_by_label("Theme")).to_have_value("light")


def test_the_api_is_described(page: Page) -> None:
    page.goto("")
    page.get_by_role("contentinfo").get_by_role("link", name="API").click()
    operation = page.get_by_role("navigation", name="Operations").get_by_role("link").first
    target = (operation.get_attribute("href") or "").partition("#")[2]

    operation.click()

    expect(page.locator(f"[id='{target}']")).to_be_in_viewport()
    answer = page.request.get("api/openapi.json")
    assert answer.json()["openapi"].startswith("3.1")
