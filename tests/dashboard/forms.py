"""Forms on pages, filled in and sent as a browser does."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from starlette.testclient import TestClient


class Form(HTMLParser):
    """The first form of a page that leads to an address and has a button, with the fields that are hidden or chosen."""

    def __init__(self, html: str, action: str, button: str | None = None) -> None:
        super().__init__()
        self.fields: dict[str, list[str]] = {}
        self.buttons: list[tuple[str, str]] = []
        self._action = action
        self._button = button
        self._is_inside = False
        self._is_over = False
        self.feed(html)
        assert self._is_over, f"no form leads to {action} by {button}: {html}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and given.get("action") == self._action and not self._is_over:
            self._is_inside, self.fields, self.buttons = True, {}, []
        if not self._is_inside:
            return
        if tag == "input" and (given.get("type") == "hidden" or "checked" in given):
            self.fields.setdefault(given["name"], []).append(given["value"])
        if tag == "button" and "name" in given:
            self.buttons.append((given["name"], given["value"]))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self._is_inside:
            self._is_inside = False
            self._is_over = self._button is None or self._button in [value for _, value in self.buttons]


def send(browser: TestClient, page: str, action: str, button: str, **fields: str | list[str]) -> Any:
    """Press a button of a form. The answer, behind redirects."""
    form = Form(page, action, button)
    (name,) = {name for name, value in form.buttons if value == button}
    return browser.post(f"/{action}", data=form.fields | fields | {name: button})
