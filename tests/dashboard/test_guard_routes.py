"""What holds for every route that there is. The list is read from the application."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette

from jobrunr import JobRunr
from jobrunr.dashboard.access import Role
from jobrunr.dashboard.endpoints import Kind
from jobrunr.storage.contract import JobQuery
from jobrunr.testing.factories import enqueued
from tests.dashboard.doors import (
    CHANGES,
    CHANGING,
    EVERY_WAY,
    FOR_PEOPLE,
    OPENID,
    SHOWING,
    Way,
    a_jobrunr,
    browser,
    signed_in,
    token_of,
)

OPEN = {
    "GET /sign-in",
    "POST /sign-in",
    "POST /sign-out",
    "GET /sign-in/openid",
    "GET /sign-in/openid/back",
    "GET /static/{name}",
    "GET /livez",
    "GET /readyz",
}
OF_THE_BROWSER = {"POST /preferences"}
"""What changes nothing but what somebody sees."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'self'; frame-ancestors 'none'"
)
REBINDING = (
    "evil.com",
    "127.0.0.1.evil.com",
    "127.0.0.1:evil.com",
    "localhost.",
    "localhost.:8000",
    "localhost:",
    "localhost:8000:8000",
    "localhost:99999",
    "localhost:-1",
    "localhost@evil.com",
    "evil.com#localhost",
    "localhost/evil.com",
    "[::1]%25x",
    "[::1%25x]",
    "[::1].evil.com",
    "[::ffff:127.0.0.1]",
    "127.1",
    "0.0.0.0",
    "2130706433",
    "0x7f000001",
    "localhost, evil.com",
    "localhost evil.com",
    "",
)


ELSEWHERE = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "Same-Origin"},
    {"Origin": "http://evil.com"},
    {"Origin": "null"},
    {"Origin": "http://localhost:3000"},
    {"Origin": "http://localhost.evil.com"},
    {"Origin": "http://evil.com@localhost"},
    {"Origin": "http://localhost/"},
    {"Origin": "file://"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://evil.com"},
)
"""Headers of requests that a page of another site makes."""


@pytest.fixture(scope="module")
def jobrunr() -> JobRunr:
    jobrunr = a_jobrunr(**OPENID)
    for _ in range(3):
        enqueued(jobrunr.storage)
    return jobrunr


@pytest.fixture(scope="module")
def dashboard(jobrunr: JobRunr) -> Starlette:
    return jobrunr.dashboard()


@pytest.fixture(scope="module")
def operator(dashboard: Starlette) -> Any:
    return signed_in(dashboard)


@pytest.fixture(scope="module")
def reader(dashboard: Starlette) -> Any:
    return signed_in(dashboard, "rita")


def all_there_is(jobrunr: JobRunr) -> Any:
    """What a change would change."""
    storage = jobrunr.storage
    recurring = jobrunr.scheduler.recurring.list()
    return storage.find(JobQuery()), storage.counts(), storage.servers(), storage.audits(), recurring


every_way = pytest.mark.parametrize("way", EVERY_WAY, ids=str)
every_change = pytest.mark.parametrize("way", CHANGES, ids=str)


def test_nobody_else_is_let_in_without_signing_in_than_these() -> None:
    assert {str(way) for way in EVERY_WAY if way.is_open} <= OPEN


def test_every_change_of_jobs_is_for_operators() -> None:
    others = {str(way) for way in CHANGES if not way.is_open and way.endpoint.role is not Role.OPERATOR}
    assert others <= OF_THE_BROWSER


@every_way
def test_whoever_has_not_signed_in_sees_nothing(dashboard: Starlette, way: Way) -> None:
    answer = browser(dashboard).request(way.endpoint.method, way.path)

    if way.is_open:
        assert answer.status_code != 401
    elif way.endpoint.kind in FOR_PEOPLE:
        assert answer.status_code == 303 and "sign-in" in answer.headers["location"]
    else:
        assert answer.status_code == 401 and answer.json() == {"error": "Sign in first."}


@pytest.mark.parametrize("path", ["/nothing", "/api/nothing", "/static/../guard.py", "/jobs/a/b/c/d"])
def test_whoever_has_not_signed_in_does_not_learn_what_is_not_there(dashboard: Starlette, path: str) -> None:
    assert browser(dashboard).get(path).status_code in (303, 401)


@every_way
def test_readers_change_nothing(dashboard: Starlette, reader: Any, jobrunr: JobRunr, way: Way) -> None:
    if way.endpoint.role is not Role.OPERATOR:
        pytest.skip("readers may")
    before = all_there_is(jobrunr)
    answer = reader.request(way.endpoint.method, way.path, headers={"X-CSRF-Token": token_of(reader)})

    assert answer.status_code == 403
    assert all_there_is(jobrunr) == before


@every_change
def test_a_change_needs_the_token_of_the_session(operator: Any, reader: Any, jobrunr: JobRunr, way: Way) -> None:
    before = all_there_is(jobrunr)
    for token in (None, "", "wrong", token_of(reader)):
        by_header = operator.request(way.endpoint.method, way.path, headers={} if token is None else {"X-CSRF-Token": token})
        by_form = operator.request(way.endpoint.method, way.path, data={} if token is None else {"token": token})
        assert (by_header.status_code, by_form.status_code) == (403, 403), token
    assert all_there_is(jobrunr) == before
    assert operator.get("/").status_code == 200  # not even signed out


@every_change
def test_another_site_changes_nothing_even_with_the_token(operator: Any, jobrunr: JobRunr, way: Way) -> None:
    before = all_there_is(jobrunr)
    token = token_of(operator)
    for headers in ELSEWHERE:
        answer = operator.request(way.endpoint.method, way.path, headers={"X-CSRF-Token": token} | headers)
        assert answer.status_code == 403, headers
    assert all_there_is(jobrunr) == before


@every_change
def test_a_body_that_any_page_can_send_is_refused(operator: Any, jobrunr: JobRunr, way: Way) -> None:
    before = all_there_is(jobrunr)
    body = f'{{"token": "{token_of(operator)}"}}'
    for kind in ("text/plain", "multipart/form-data; boundary=x", "", "application/json-patch+json"):
        answer = operator.request(way.endpoint.method, way.path, content=body, headers={"Content-Type": kind})
        assert answer.status_code in (403, 415), kind
    assert all_there_is(jobrunr) == before


@pytest.mark.parametrize("way", SHOWING, ids=str)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_looking_changes_nothing(operator: Any, jobrunr: JobRunr, way: Way, method: str) -> None:
    before = all_there_is(jobrunr)
    answer = operator.request(method, way.path)

    assert answer.status_code != 500
    assert all_there_is(jobrunr) == before
    assert "access-control-allow-origin" not in answer.headers


@every_way
def test_a_method_that_an_address_does_not_have_is_refused(operator: Any, way: Way) -> None:
    headers = {"X-CSRF-Token": token_of(operator)}
    its_own = {other.endpoint.method for other in EVERY_WAY if other.path == way.path}
    for method in {*CHANGING, "OPTIONS", "TRACE", "CONNECT", "GET"} - its_own:
        from_here = operator.request(method, way.path, headers=headers)
        from_elsewhere = operator.request(method, way.path, headers=headers | {"Sec-Fetch-Site": "cross-site"})
        assert from_here.status_code == 405, method
        assert from_elsewhere.status_code in (403, 405), method


@every_way
def test_another_host_gets_no_answer(operator: Any, way: Way) -> None:
    for host in REBINDING:
        headers = {"Host": host, "X-Forwarded-Host": "localhost", "Forwarded": "host=localhost"}
        answer = operator.request(way.endpoint.method, way.path, headers=headers)
        assert answer.status_code == 421, host
        assert answer.headers["content-type"].startswith("text/plain")


@every_way
def test_two_hosts_are_none(operator: Any, way: Way) -> None:
    headers = [("Host", "localhost"), ("Host", "localhost")]

    assert operator.request(way.endpoint.method, way.path, headers=headers).status_code == 421


@every_way
@pytest.mark.parametrize("who", ["nobody", "reader", "operator"])
def test_every_answer_has_the_headers_that_protect(
    dashboard: Starlette, operator: Any, reader: Any, way: Way, who: str
) -> None:
    client = {"nobody": browser(dashboard), "reader": reader, "operator": operator}[who]
    answer = client.request(way.endpoint.method, way.path)

    assert {name: answer.headers.get(name) for name in EXPECTED} == EXPECTED
    assert [name for name in answer.headers if name.startswith("access-control")] == []
    if way.endpoint.kind is not Kind.FILE:
        assert answer.headers["cache-control"] == "no-store"


EXPECTED = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@pytest.mark.parametrize("path", ["/nothing", "/api/nothing", "/static/nothing.css"])
def test_so_has_an_answer_that_there_is_nothing(operator: Any, path: str) -> None:
    answer = operator.get(path)

    assert answer.status_code == 404
    assert {name: answer.headers.get(name) for name in EXPECTED} == EXPECTED
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "name", ["..%2fguard%2fguard.py", "%2e%2e/site.py", "..\\site.py", "style.css%00", "%2fetc%2fpasswd", "style.css/x"]
)
def test_no_other_file_is_served(operator: Any, name: str) -> None:
    assert operator.get(f"/static/{name}").status_code == 404
