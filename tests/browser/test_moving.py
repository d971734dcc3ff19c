"""What moves without a reload."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from jobrunr import JobRunr
from tests.browser import shop
from tests.browser.served import served
from tests.browser.tabs import tab


@pytest.fixture
def at_work(jobrunr: JobRunr) -> Iterator[JobRunr]:
    """An application with a server; jobs of the queue `moving` are run."""
    with jobrunr.server(workers=2, queues=["moving"]):
        yield jobrunr


def test_a_job_is_watched_from_its_beginning_to_its_end(page: Page, at_work: JobRunr) -> None:
    job_id = at_work.scheduler.options(queue="moving").schedule(timedelta(hours=1), shop.pack, 4)
    page.goto(f"jobs/{job_id}")
    page.evaluate("window.isMarked = true")
    expect(page.get_by_text("No server has taken this job yet.")).to_be_visible()

    at_work.scheduler.requeue(job_id)
    expect(page.locator("h1 .state")).to_have_text("PROCESSING")
    shop.STEPS.put("box 1 is packed")
    expect(page.locator("#log-1")).to_contain_text("box 1 is packed")
    expect(page.get_by_role("progressbar", name="Progress of attempt 1")).to_have_attribute("value", "0.2500")
    expect(page.locator("#attempt-1 .progress")).to_contain_text("25 %, 1 of 4")
    for box in (2, 3, 4):
        shop.STEPS.put(f"box {box} is packed")

    expect(page.locator("h1 .state")).to_have_text("SUCCEEDED")
    expect(page.locator("#log-1 > div")).to_have_count(4)
    expect(page.locator("#attempt-1 .progress")).to_contain_text("100 %, 4 of 4")
    expect(page.locator("#job-kept")).to_contain_text("packed 4")
    expect(page.get_by_role("button", name="Requeue")).to_be_visible()
    assert page.evaluate("window.isMarked") is True, "the page was loaded anew"


def test_counts_move_on_the_overview_and_above_the_list(page: Page, at_work: JobRunr) -> None:
    counts = at_work.scheduler.counts()
    page.goto("")
    page.evaluate("window.isMarked = true")
    listed = page.context.new_page()
    listed.goto("jobs")

    at_work.scheduler.options(queue="moving").enqueue_many(shop.greet, [("ada",), ("bob",), ("eve",)])

    done = f"{counts['SUCCEEDED'] + 3}"
    expect(page.locator("#counts .card", has_text="SUCCEEDED").locator("b")).to_have_text(done)
    expect(page.locator("#flow-minutes .up b")).to_have_text("3")
    expect(listed.locator("#count-SUCCEEDED")).to_have_text(done)
    assert page.evaluate("window.isMarked") is True, "the page was loaded anew"


def test_a_server_that_starts_appears_and_goes_when_it_stops(page: Page, jobrunr: JobRunr) -> None:
    page.goto("servers")
    expect(page.locator(".machine")).to_have_count(2)

    with jobrunr.server(queues=["moving"]):
        expect(page.locator(".machine")).to_have_count(3)
    expect(page.locator(".machine")).to_have_count(2)


def test_recurring_jobs_that_come_and_go_are_told_of(page: Page, jobrunr: JobRunr) -> None:
    page.goto("recurring")
    page.evaluate("window.isMarked = true")
    expect(page.locator("tbody tr")).to_have_count(1)
    told = page.get_by_text("There are recurring jobs that this page does not show yet.")
    expect(told).to_be_hidden()

    jobrunr.scheduler.recurring.delete("nightly-import")
    expect(page.locator("tbody tr")).to_have_count(0)
    jobrunr.scheduler.options(id="new").schedule_recurrently("0 3 * * *", shop.greet, "ada")
    expect(told).to_be_visible()
    assert page.evaluate("window.isMarked") is True, "the page was loaded anew"
    page.get_by_role("link", name="Show them").click()
    expect(page.locator("tbody tr")).to_contain_text("new")
    expect(told).to_be_hidden()


def test_a_dropped_connection_comes_back_by_itself(chromium: Browser, jobrunr: JobRunr, trouble: list[str]) -> None:
    with served(jobrunr) as address:
        port = urlsplit(address).port or 0
        waiting = tab(chromium, address, trouble)
        page = waiting.__enter__()
        page.goto("jobs")
        expect(page.locator("#count-ENQUEUED")).to_have_text(str(jobrunr.scheduler.counts()["ENQUEUED"]))
    expect(page.get_by_text("not connected; trying again")).to_be_visible()
    with served(jobrunr, port=port):
        expect(page.get_by_text("not connected; trying again")).to_be_hidden()
        more = jobrunr.scheduler.counts()["ENQUEUED"] + 1
        jobrunr.scheduler.enqueue(shop.greet, "ada")
        expect(page.locator("#count-ENQUEUED")).to_have_text(str(more))
        waiting.__exit__(None, None, None)
    assert {message for message in trouble if "ERR_" in message} == set(trouble)
    trouble.clear()
