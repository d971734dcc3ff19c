"""Signing in with a password, and what a session is worth."""

from __future__ import annotations

import base64
import time
from typing import Any

import pytest
from starlette.applications import Starlette

from jobrunr import JobRunr
from jobrunr.dashboard.factory import make_dashboard
from jobrunr.dashboard.guard import Guard, passwords
from jobrunr.dashboard.guard.passwords import hash_password
from jobrunr.dashboard.guard.revocations import Revocations
from jobrunr.dashboard.guard.sessions import LONGEST
from jobrunr.dashboard.site import Site
from jobrunr.errors import WrongSettingError
from jobrunr.run_figures import RunFigures
from jobrunr.storage.memory import MemoryStorageProvider
from tests.dashboard.doors import PASSWORD, USERS, a_jobrunr, browser, sign_in, signed_in, token_of, token_on


@pytest.fixture
def storage() -> MemoryStorageProvider:
    return MemoryStorageProvider()


def another_process(storage: MemoryStorageProvider, **settings: Any) -> Starlette:
    """A dashboard that shares nothing but the storage."""
    return JobRunr(storage, application="tests", **({"dashboard_users": USERS} | settings)).dashboard()


def session_of(client: Any) -> str:
    (found,) = (cookie.value for cookie in client.cookies.jar if cookie.name.startswith("jobrunr_session_"))
    return str(found)


def with_cookies_of(client: Any, application: Starlette) -> Any:
    return browser(application, cookies=dict(client.cookies))


def test_the_session_is_in_a_cookie_that_scripts_and_other_sites_do_not_get() -> None:
    client = browser(a_jobrunr().dashboard())
    cookie = sign_in(client).headers["set-cookie"]

    assert {"HttpOnly", "SameSite=lax", "Path=/", "Max-Age=43200"} <= set(cookie.split("; "))
    assert "Secure" not in cookie


def test_over_https_the_cookies_stay_on_https() -> None:
    client = browser(a_jobrunr().dashboard(), scheme="https")

    assert "; Secure" in client.get("/sign-in").headers["set-cookie"]
    assert "; Secure" in sign_in(client).headers["set-cookie"]


def test_every_sign_in_makes_another_session_and_ends_the_one_before() -> None:
    dashboard = a_jobrunr().dashboard()
    client = signed_in(dashboard)
    before = with_cookies_of(client, dashboard)
    token = token_of(client)
    client.post("/sign-in", data={"token": token, "name": "olga", "password": PASSWORD})

    assert client.get("/").status_code == 200
    assert session_of(client) != session_of(before)
    assert before.get("/").status_code == 303


def test_signing_out_ends_the_session_in_every_process(storage: MemoryStorageProvider) -> None:
    here, there = another_process(storage), another_process(storage)
    client = signed_in(here)
    copy = with_cookies_of(client, there)
    assert copy.get("/").status_code == 200

    assert client.post("/sign-out", data={"token": token_of(client)}).status_code == 303
    assert (client.get("/").status_code, copy.get("/").status_code) == (303, 303)


def test_other_sessions_of_the_same_user_go_on(storage: MemoryStorageProvider) -> None:
    dashboard = another_process(storage)
    one, other = signed_in(dashboard), signed_in(dashboard)
    one.post("/sign-out", data={"token": token_of(one)})

    assert other.get("/").status_code == 200


@pytest.mark.parametrize(
    "users",
    [
        [f"olga:operator:{hash_password(PASSWORD)}"],
        [USERS[0].replace("operator", "reader")],
        [USERS[1]],
    ],
    ids=["another password", "another role", "gone"],
)
def test_a_session_ends_when_its_user_changes(storage: MemoryStorageProvider, users: list[str]) -> None:
    client = signed_in(another_process(storage))

    assert with_cookies_of(client, another_process(storage)).get("/").status_code == 200
    assert with_cookies_of(client, another_process(storage, dashboard_users=users)).get("/").status_code == 303


def test_a_session_ends_after_twelve_hours(storage: MemoryStorageProvider) -> None:
    jobrunr = JobRunr(storage, dashboard_users=USERS)
    moment = [time.time()]
    guard = Guard(jobrunr.settings, lambda: storage, now=lambda: moment[0])
    site = Site(lambda: storage, jobrunr.scheduler, jobrunr.registry, jobrunr.settings, "1", run_figures=RunFigures())
    client = signed_in(make_dashboard(site, guard))

    moment[0] += LONGEST - 1
    assert client.get("/").status_code == 200
    moment[0] += 2
    assert client.get("/").status_code == 303


def test_a_session_that_was_changed_is_none() -> None:
    dashboard = a_jobrunr().dashboard()
    client = signed_in(dashboard, "rita")
    (name,) = (name for name in client.cookies if name.startswith("jobrunr_session_"))
    body, _, code = client.cookies[name].rpartition(".")
    operator = base64.urlsafe_b64decode(body + "===").replace(b'"role":1', b'"role":2')
    forged = base64.urlsafe_b64encode(operator).decode().rstrip("=")

    for cookie in (f"{forged}.{code}", f"{body}.", body, f"{body}.{'A' * len(code)}", f".{code}", "a.b.c", "ä.ö", ""):
        assert browser(dashboard, headers={"Cookie": f"{name}={cookie}".encode()}).get("/").status_code == 303


def test_a_session_of_another_secret_is_none(storage: MemoryStorageProvider) -> None:
    client = signed_in(another_process(storage, dashboard_secret="a" * 32))

    assert with_cookies_of(client, another_process(storage, dashboard_secret="a" * 32)).get("/").status_code == 200
    assert with_cookies_of(client, another_process(storage, dashboard_secret="b" * 32)).get("/").status_code == 303


def test_what_was_revoked_is_forgotten_when_it_has_ended_anyway(storage: MemoryStorageProvider) -> None:
    moment = [0.0]
    revocations = Revocations(lambda: storage, lambda: moment[0])
    for number in range(500):
        assert revocations.add(f"early {number}", ends=10)
    moment[0] = 11
    for number in range(500):
        revocations.add(f"late {number}", ends=20)

    assert all(f"late {number}" in revocations for number in range(500))
    assert not any(f"early {number}" in revocations for number in range(500))
    assert not revocations.add("late 7", ends=20)


# -- the page to sign in


def test_whoever_signs_in_comes_to_the_page_they_wanted() -> None:
    client = browser(a_jobrunr().dashboard())
    leads_to = client.get("/?state=FAILED&label=a%26b").headers["location"]
    then = client.get(leads_to).text

    assert 'name="next" value="?state=FAILED' in then
    assert sign_in(client, next="jobs?state=FAILED").headers["location"] == "./jobs?state=FAILED"
    assert client.get("/sign-in?next=jobs").headers["location"] == "./jobs"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "//evil.com",
        "///evil.com",
        "/\\evil.com",
        "\\\\evil.com",
        "https://evil.com",
        "https:evil.com",
        "http:/evil.com",
        "javascript:alert(1)",
        "data:text/html,x",
        "/admin",
        "../admin",
        "jobs/../../admin",
        "jobs/%2e%2e/%2e%2e/admin",
        "%252e%252e/admin",
        "%2f%2fevil.com",
        "%5c%5cevil.com",
        "\t//evil.com",
        " //evil.com",
        "jobs\r\nSet-Cookie: a=b",
        "jobs%0d%0aSet-Cookie:a=b",
        "//evil.com@localhost",
        "。。/evil.com",
    ],
)
def test_nobody_is_led_elsewhere(elsewhere: str) -> None:
    answer = sign_in(browser(a_jobrunr().dashboard()), next=elsewhere)
    location = answer.headers["location"]

    assert answer.status_code == 303
    assert location.startswith("./") and ".." not in location.partition("?")[0] and "//" not in location.partition("?")[0]
    assert "set-cookie: a" not in str(answer.headers).lower()


@pytest.mark.parametrize(
    ("name", "password"), [("olga", "wrong"), ("nobody", PASSWORD), ("olga", ""), ("", PASSWORD), ("OLGA", PASSWORD)]
)
def test_a_wrong_name_or_password_is_told_alike(name: str, password: str) -> None:
    answer = sign_in(browser(a_jobrunr().dashboard()), name, password)

    assert answer.status_code == 401
    assert "Name or password is wrong." in answer.text
    assert "jobrunr_session" not in answer.headers.get("set-cookie", "")


def test_an_unknown_name_is_compared_like_a_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    work: list[tuple[int, int, int]] = []
    real = passwords._scrypt

    def counted(password: str, salt: bytes, *parameters: int) -> bytes:
        work.append(parameters)
        return real(password, salt, *parameters)

    monkeypatch.setattr(passwords, "_scrypt", counted)
    client = browser(a_jobrunr().dashboard())
    sign_in(client, "olga", "wrong")
    sign_in(client, "nobody", "wrong")

    assert work[0] == work[1] and len(work) == 2


def test_markup_in_a_name_is_text() -> None:
    answer = sign_in(browser(a_jobrunr().dashboard()), '"><script>alert(1)</script>', "wrong")

    assert "<script>alert" not in answer.text


def test_after_ten_failures_there_is_a_pause_even_with_the_right_password() -> None:
    client = browser(a_jobrunr().dashboard())
    assert [sign_in(client, "olga", "wrong").status_code for _ in range(10)] == [401] * 10

    answer = sign_in(client)
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 300
    assert sign_in(client, "rita").status_code == 429  # the same address


def test_a_page_from_before_signing_in_changes_nothing() -> None:
    client = browser(a_jobrunr().dashboard())
    old = token_on(client.get("/sign-in").text)
    sign_in(client)

    answer = client.post("/sign-out", data={"token": old})
    assert answer.status_code == 403
    assert "This page is too old" in answer.text


# -- users


def test_a_user_cannot_stand_twice() -> None:
    with pytest.raises(WrongSettingError, match="each name once"):
        a_jobrunr(dashboard_users=[USERS[0], USERS[0]]).dashboard()


@pytest.mark.parametrize(
    "line",
    [
        "olga",
        "olga:admin:scrypt.16384.8.5.a.b",
        "olga:reader:secret",
        "ol ga:reader:scrypt.16384.8.5.aaaa.bbbb",
        "olga:reader:",
    ],
)
def test_a_line_that_is_none_is_refused_without_showing_it(line: str) -> None:
    with pytest.raises(WrongSettingError, match=r"dashboard_users cannot be '\*\*\*'"):
        a_jobrunr(dashboard_users=[line])


@pytest.mark.parametrize("kept", ["scrypt.1000.8.5.aaaa.bbbb", "scrypt.1073741824.8.5.aaaa.bbbb", "scrypt.16384.8.5.a.b"])
def test_a_hash_that_cannot_be_one_is_refused_at_the_start(kept: str) -> None:
    with pytest.raises(WrongSettingError, match="dashboard-user"):
        a_jobrunr(dashboard_users=[f"olga:reader:{kept}"]).dashboard()


def test_no_secret_is_shown_with_the_settings() -> None:
    shown = repr(a_jobrunr(dashboard_secret="x" * 40).settings)

    assert "scrypt" not in shown and "xxxx" not in shown
    assert "dashboard_users='***'" in shown
