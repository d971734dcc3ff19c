"""What somebody likes, kept in the browser."""

from __future__ import annotations

import re

import pytest
from starlette.testclient import TestClient

from tests.dashboard.doors import token_on


def chosen(browser: TestClient) -> list[str]:
    return re.findall(r'<option value="(\w+)" selected>', browser.get("/preferences").text)


def save(browser: TestClient, **fields: str) -> int:
    token = token_on(browser.get("/preferences").text)
    return browser.post("/preferences", data=fields | {"token": token}).status_code


def test_at_first_it_is_as_the_system_has_it(ada: TestClient) -> None:
    assert chosen(ada) == ["system", "relative"]
    assert 'data-theme="system"' in ada.get("/").text


def test_what_was_saved_is_kept_in_the_browser_and_holds_on_every_page(ada: TestClient) -> None:
    assert save(ada, theme="dark", times="utc") == 200
    assert chosen(ada) == ["dark", "utc"]
    assert all('data-theme="dark"' in ada.get(path).text for path in ("/", "/servers", "/jobs"))
    assert dict(ada.cookies)["jobrunr_times"] == "utc"


def test_readers_have_preferences_too(rita: TestClient) -> None:
    assert save(rita, theme="light", times="local") == 200
    assert chosen(rita) == ["light", "local"]


@pytest.mark.parametrize("fields", [{"theme": "pink", "times": "utc"}, {"theme": "dark", "times": "<b>"}, {"theme": "dark"}])
def test_what_cannot_be_chosen_is_refused(ada: TestClient, fields: dict[str, str]) -> None:
    assert save(ada, **fields) == 422
    assert chosen(ada) == ["system", "relative"]


def test_a_cookie_that_says_anything_else_does_no_harm(ada: TestClient) -> None:
    ada.cookies.set("jobrunr_theme", "pink%22%3E%3Cscript%3E")
    answer = ada.get("/preferences")
    assert answer.status_code == 200 and "<script>" not in answer.text


def test_whoever_looks_is_told_who_he_is_and_what_he_may_do(ada: TestClient, rita: TestClient) -> None:
    assert "<b>ada</b>, and may look and change things" in ada.get("/preferences").text
    assert "<b>rita</b>, and may look, but change nothing" in rita.get("/preferences").text
