"""Tabs of a browser, and what goes wrong in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, Request, ViewportSize

PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1280, "height": 800}

_TELL_VIOLATIONS = """addEventListener("securitypolicyviolation", (event) =>
    console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`))"""


@contextmanager
def tab(browser: Browser, address: str, trouble: list[str], **options: Any) -> Iterator[Page]:
    """A tab of its own, with cookies of its own.

    Arguments:
        address: of a dashboard; other addresses are below it.
        trouble: is filled with errors of scripts, messages to the console, reports of the Content-Security-Policy, failed
            requests and dialogs that nobody waits for.
        options: of the browser's context.
    """
    with browser.new_context(**({"base_url": address, "viewport": DESK} | options)) as context:
        context.set_default_timeout(15_000)
        context.add_init_script(_TELL_VIOLATIONS)
        page = context.new_page()
        page.on("console", lambda message: message.type in ("error", "warning") and trouble.append(message.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("requestfailed", lambda request: trouble.extend(_failure(request)))
        yield page
        page.evaluate("1")  # whatever happened before is heard of before


def _failure(request: Request) -> Iterator[str]:
    """How a request failed. What is cut off when somebody leaves the page, such as a stream of events, has not failed."""
    if request.failure != "net::ERR_ABORTED":
        yield f"{request.method} {request.url}: {request.failure}"


def is_wider_than_its_window(page: Page) -> bool:
    """Whether one would have to scroll sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))
