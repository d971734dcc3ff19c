"""The pictures in README and documentation. With JOBRUNR_TEST_PICTURES=1 they are taken anew."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from jobrunr import JobRunr
from tests.browser.a_day import Day
from tests.browser.served import served
from tests.browser.tabs import tab

IMAGES = Path(__file__).parents[2] / "docs" / "images"
TAKE = os.environ.get("JOBRUNR_TEST_PICTURES") == "1"

pytestmark = pytest.mark.skipif(not TAKE, reason="only when somebody asks for new pictures")


def take(page: Page, name: str) -> None:
    IMAGES.mkdir(exist_ok=True)
    page.screenshot(path=IMAGES / f"{name}.png", full_page=True, animations="disabled")


def test_pictures_are_taken(chromium: Browser, trouble: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).with_name("app"))
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        monkeypatch.delitem(sys.modules, name)
    day = Day(datetime.now(UTC), import_module("shop.mail"), import_module("shop.orders"))
    invoices = day.pass_by()
    with served(JobRunr(day.storage, application="shop")) as address, tab(chromium, address, trouble) as page:
        page.goto("")
        expect(page.locator(".chart").first).to_be_visible()
        take(page, "overview")
        page.goto(f"jobs/{invoices.id}")
        expect(page.get_by_role("progressbar", name="Progress", exact=True)).to_be_visible()
        take(page, "job")
