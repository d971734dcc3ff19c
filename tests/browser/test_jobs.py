"""The buttons on the pages of jobs."""

from __future__ import annotations

from threading import Event

import pytest
from playwright.sync_api import Dialog, Page, expect

from jobrunr import JobId, JobQuery, JobRunr, JobState
from jobrunr.dashboard.changes import Change


def answer(page: Page, *, yes: bool) -> list[str]:
    """Answer the next dialog, and note what it asks."""
    asked: list[str] = []

    def take(dialog: Dialog) -> None:
        asked.append(dialog.message)
        (dialog.accept if yes else dialog.dismiss)()

    page.once("dialog", take)
    return asked


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def expect_change(page: Page, what: str, done: int) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(what)
    expect(page.locator("#change .notice")).to_have_text("Done.")
    expect(page.locator("#change")).to_contain_text(f"{done} done, 0 skipped")
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()


class TestOneJob:
    def test_that_failed_is_requeued(self, page: Page, jobs: dict[str, JobId]) -> None:
        page.goto(f"jobs/{jobs['retried']}")

        press(page, "Requeue")

        expect(page.locator("h1 .state")).to_have_text("ENQUEUED")
        expect(page.locator("#job-history li").last).to_contain_text("by ada")
        expect(page.locator(".audit")).to_contain_text("ada: requeue")
        expect(page.get_by_role("button", name="Requeue")).to_be_hidden()

    def test_that_is_scheduled_runs_now(self, page: Page, jobs: dict[str, JobId]) -> None:
        page.goto(f"jobs/{jobs['scheduled']}")

        press(page, "Run now")

        expect(page.locator("h1 .state")).to_have_text("ENQUEUED")
        expect(page.locator("#job-history li").last).to_contain_text("run now from the dashboard")

    def test_is_deleted_when_that_is_confirmed(self, page: Page, jobs: dict[str, JobId], jobrunr: JobRunr) -> None:
        page.goto(f"jobs/{jobs['urgent']}")

        asked = answer(page, yes=False)
        press(page, "Delete")
        assert asked == ["Delete this job? It is cancelled if it runs."]
        assert jobrunr.scheduler.get(jobs["urgent"]).state is JobState.ENQUEUED

        answer(page, yes=True)
        press(page, "Delete")
        expect(page.locator("h1 .state")).to_have_text("DELETED")

    def test_is_copied_as_a_command_line(self, page: Page, jobs: dict[str, JobId]) -> None:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto(f"jobs/{jobs['running']}")
        page.get_by_text("As a command line").click()
        button = page.locator("[data-copy]").first

        button.click()

        expect(button).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == button.get_attribute("data-copy")

    def test_shows_where_it_failed(self, page: Page, jobs: dict[str, JobId]) -> None:
        page.goto(f"jobs/{jobs['broken feed']}")
        trace = page.locator("#attempt-1 .trace").first

        expect(trace).to_contain_text("ConnectionError")
        page.get_by_role("link", name="Where").click()
        expect(page.locator("#attempt-1")).to_be_in_viewport()
        frames = page.get_by_text("of libraries").first
        frames.click()
        expect(trace.locator("details[open] pre").first).to_be_visible()

    def test_has_a_log_on_a_page_of_its_own(self, page: Page, jobs: dict[str, JobId]) -> None:
        page.goto(f"jobs/{jobs['running']}/log")

        expect(page.locator(".log")).to_contain_text("order 2 is odd")


class TestLists:
    def test_of_a_state_by_its_tab(self, page: Page) -> None:
        page.goto("jobs")

        page.get_by_role("link", name="failed").click()

        expect(page.get_by_role("navigation", name="States").locator("[aria-current]")).to_contain_text("failed")
        expect(page.locator("tbody tr").first).to_contain_text("declined")

    def test_are_searched_and_searches_are_cleared(self, page: Page) -> None:
        page.goto("jobs")

        page.get_by_label("Text in name, target or exception").fill("three orders")
        press(page, "Search")
        expect(page.locator("tbody tr")).to_have_count(1)
        page.get_by_role("link", name="Clear").click()
        expect(page.locator("tbody tr")).to_have_count(20)

        page.get_by_text("More to search by").click()
        page.get_by_label("Queue").fill("mail")
        press(page, "Search")
        expect(page.locator("tbody tr")).to_have_count(1)

    def test_have_pages(self, page: Page) -> None:
        page.goto("jobs?order=oldest")
        first = page.locator("tbody tr .name").first.inner_text()

        page.get_by_role("link", name="Next page").click()
        expect(page.locator("tbody tr .name").first).not_to_have_text(first)
        page.get_by_role("link", name="First page").click()
        expect(page.locator("tbody tr .name").first).to_have_text(first)


class TestManyJobs:
    def test_that_are_selected_are_requeued(self, page: Page, jobrunr: JobRunr) -> None:
        page.goto("jobs?state=FAILED&text=declined")

        for box in page.locator("tbody input[name=job]").all()[:2]:
            box.check()
        press(page, "Requeue selected")
        expect(page.get_by_role("heading", level=1)).to_have_text("Requeue 2 jobs?")
        press(page, "Requeue them")

        expect_change(page, "Requeue 2 selected jobs", 2)

    def test_of_a_page_are_selected_at_once(self, page: Page) -> None:
        page.goto("jobs?label=bulk")

        page.get_by_label("Select all on this page").check()
        press(page, "Delete selected")

        expect(page.get_by_role("heading", level=1)).to_have_text("Delete 20 jobs?")

    def test_that_match_are_deleted_all_of_them(self, page: Page, jobrunr: JobRunr) -> None:
        page.goto("jobs?label=bulk")

        press(page, "Delete all")
        expect(page.get_by_role("heading", level=1)).to_have_text("Delete 30 jobs?")
        press(page, "Delete them")

        expect(page.locator("#change .notice")).to_have_text("Done.")
        expect(page.locator("#change")).to_contain_text("30 done")
        assert jobrunr.storage.count(JobQuery(label="bulk", state=JobState.DELETED)).number == 30

    def test_stay_as_they_are_if_somebody_thinks_better_of_it(self, page: Page, jobrunr: JobRunr) -> None:
        page.goto("jobs?label=bulk")

        press(page, "Delete all")
        page.get_by_role("link", name="Cancel").click()

        expect(page.locator("tbody tr")).to_have_count(20)
        assert jobrunr.storage.count(JobQuery(label="bulk", state=JobState.DELETED)).number == 0

    def test_a_change_is_stopped(self, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
        go_on, note = Event(), Change.set

        def set_later(change: Change, done: int, skipped: int) -> None:
            assert go_on.wait(30)
            note(change, done, skipped)

        monkeypatch.setattr(Change, "set", set_later)
        page.goto("jobs?label=bulk")
        press(page, "Delete all")
        press(page, "Delete them")

        press(page, "Stop")
        go_on.set()

        expect(page.locator("#change .notice")).to_have_text("It was stopped.")


class TestFailures:
    def test_alike_are_retried_all_of_them(self, page: Page, jobrunr: JobRunr) -> None:
        page.goto("failures")
        group = page.locator(".failure-group", has_text="PermissionError")

        group.get_by_role("button", name="Retry all like this").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Requeue 13 jobs?")
        press(page, "Requeue them")

        expect(page.locator("#change .notice")).to_have_text("Done.")
        expect(page.locator("#change")).to_contain_text("13 done")

    def test_alike_are_shown_and_deleted(self, page: Page) -> None:
        page.goto("failures")
        group = page.locator(".failure-group", has_text="ConnectionError")

        group.get_by_role("link", name="Show all like this").click()
        expect(page.locator("tbody tr")).to_have_count(1)
        page.go_back()
        group.get_by_role("button", name="Delete all like this").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Delete 1 job?")
        press(page, "Delete it")
        expect(page.locator("#change .notice")).to_have_text("Done.")
