"""Without a mouse."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from jobrunr import JobId

FOCUSED = """() => {
  const focused = document.activeElement;
  return (focused.getAttribute("aria-label") || focused.innerText || focused.name || focused.tagName).trim();
}"""


def tab_through(page: Page, most: int = 60) -> list[str]:
    """What has the focus, one after the other, until it is nothing on the page."""
    seen = []
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            break
        seen.append(page.evaluate(FOCUSED))
    return seen


def tab_to(page: Page, name: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(FOCUSED) == name:
            return
    raise AssertionError(f"{name} never had the focus")


def test_the_focus_goes_through_a_page_in_the_order_of_reading(page: Page, jobs: dict[str, JobId]) -> None:
    page.goto(f"jobs/{jobs['retried']}")

    order = tab_through(page)

    assert order[:9] == [
        *("Skip to the content", "JobRunr", "Overview", "Jobs", "Failures", "Recurring", "Servers", "Audit"),
        "ada: preferences",
    ]
    assert order[9:12] == ["Where", "Requeue", "Delete"]
    assert order[-1] == "API"


def test_whatever_has_the_focus_shows_it(page: Page) -> None:
    page.goto("jobs")

    tab_to(page, "Search")

    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_the_first_link_leads_past_the_header(page: Page) -> None:
    page.goto("jobs?state=FAILED")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")

    expect(page.locator("main")).to_be_focused()
    assert page.url.endswith("jobs?state=FAILED#main")


def test_a_job_is_requeued_by_enter_and_deleted_by_space(page: Page, jobs: dict[str, JobId]) -> None:
    page.goto(f"jobs/{jobs['retried']}")

    tab_to(page, "Requeue")
    page.keyboard.press("Enter")
    expect(page.locator("h1 .state")).to_have_text("ENQUEUED")

    page.once("dialog", lambda dialog: dialog.accept())
    tab_to(page, "Delete")
    page.keyboard.press("Space")
    expect(page.locator("h1 .state")).to_have_text("DELETED")


def test_jobs_are_selected_by_space(page: Page) -> None:
    page.goto("jobs?state=FAILED&text=declined")

    tab_to(page, "Select all on this page")
    page.keyboard.press("Space")
    tab_to(page, "Requeue selected")
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_contain_text("Requeue")


def test_a_list_that_scrolls_is_scrolled_by_the_keyboard(page: Page, jobs: dict[str, JobId]) -> None:
    page.goto(f"jobs/{jobs['running']}")

    tab_to(page, "Log of attempt 1")

    expect(page.locator("#log-1")).to_be_focused()
