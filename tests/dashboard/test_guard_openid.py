"""Signing in with OpenID Connect, at a provider that lies in every way it can."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from jobrunr import JobRunr
from jobrunr.errors import WrongSettingError
from tests.dashboard.doors import browser, token_of
from tests.dashboard.openid_provider import LocalProvider, a_curve, another_key, signed_with_the_public_key, unsigned

BACK = "/sign-in/openid/back"


@pytest.fixture
def provider() -> Iterator[LocalProvider]:
    provider = LocalProvider()
    yield provider
    provider.close()


def a_dashboard(provider: LocalProvider, **settings: Any) -> Starlette:
    return JobRunr("memory://", application="tests", **provider.settings(**settings)).dashboard()


def leave(client: Any, then: str = "") -> str:
    """The address at the provider."""
    answer = client.get("/sign-in/openid", params={"next": then})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def come(client: Any, provider: LocalProvider, **changed: str) -> Any:
    """The whole way there and back."""
    return client.get(BACK, params=provider.authorize(leave(client)) | changed)


def is_in(client: Any) -> bool:
    return bool(client.get("/").status_code == 200)


def test_whoever_has_a_role_is_in_and_comes_to_the_page_they_wanted(provider: LocalProvider) -> None:
    client = browser(a_dashboard(provider))
    assert 'href="sign-in/openid?next=' in client.get("/sign-in?next=jobs").text
    answer = client.get(BACK, params=provider.authorize(leave(client, "jobs?state=FAILED")))

    assert answer.headers["location"] == "../../jobs?state=FAILED"
    assert is_in(client)
    assert "ada@example.org" in client.get("/").text


def test_the_provider_is_asked_as_it_should_be(provider: LocalProvider) -> None:
    come(browser(a_dashboard(provider)), provider)
    come(browser(a_dashboard(provider)), provider)
    one, other = provider.authorizations

    assert one["response_type"] == "code" and one["code_challenge_method"] == "S256"
    assert one["redirect_uri"] == "http://localhost/sign-in/openid/back"
    assert one["scope"] == "openid profile email" and one["client_id"] == "jobs"
    assert all(len(one[name]) >= 43 and one[name] != other[name] for name in ("state", "nonce", "code_challenge"))
    assert "client_secret" not in one


def test_where_it_is_mounted_the_provider_leads_back_there(provider: LocalProvider) -> None:
    client = browser(Starlette(routes=[Mount("/team/jobs", a_dashboard(provider))]), "localhost:8000", "https")
    address = client.get("/team/jobs/sign-in/openid").headers["location"]

    assert parse_qs(urlsplit(address).query)["redirect_uri"] == ["https://localhost:8000/team/jobs/sign-in/openid/back"]
    answer = client.get("/team/jobs/sign-in/openid/back", params=provider.authorize(address))
    assert answer.headers["location"] == "../.././"
    assert client.get("/team/jobs/").status_code == 200


def test_a_client_without_a_secret_has_pkce(provider: LocalProvider) -> None:
    provider.has_secret = False
    client = browser(a_dashboard(provider, dashboard_openid_client_secret=None))
    come(client, provider)

    assert is_in(client)


def test_keys_on_curves_will_do(provider: LocalProvider) -> None:
    provider.key, provider.algorithm = a_curve(), "ES256"
    provider.published = [another_key(), provider.key]
    client = browser(a_dashboard(provider))
    come(client, provider)

    assert is_in(client)


# -- the way there and back


@pytest.mark.parametrize(
    "changed", [{"state": "x"}, {"state": ""}, {"state": "ä"}, {"iss": "https://evil.com"}, {"code": "x"}]
)
def test_an_answer_that_is_not_for_this_question_is_refused(provider: LocalProvider, changed: dict[str, str]) -> None:
    client = browser(a_dashboard(provider))

    assert come(client, provider, **changed).status_code == 403
    assert not is_in(client)


def test_an_answer_in_another_browser_is_refused(provider: LocalProvider) -> None:
    dashboard = a_dashboard(provider)
    mine, theirs = browser(dashboard), browser(dashboard)
    answer = provider.authorize(leave(mine))

    assert theirs.get(BACK, params=answer).status_code == 403
    leave(theirs)
    assert theirs.get(BACK, params=answer).status_code == 403
    assert not is_in(theirs)


def test_a_state_is_good_once(provider: LocalProvider) -> None:
    dashboard = a_dashboard(provider)
    client = browser(dashboard)
    address = leave(client)
    copy = browser(dashboard, cookies=dict(client.cookies))

    assert client.get(BACK, params=provider.authorize(address)).status_code == 303
    assert client.get(BACK, params=provider.authorize(address)).status_code == 403
    assert copy.get(BACK, params=provider.authorize(address)).status_code == 403


def test_a_no_of_the_provider_is_a_no_without_its_words(provider: LocalProvider) -> None:
    client = browser(a_dashboard(provider))
    state = provider.authorize(leave(client))["state"]
    answer = client.get(BACK, params={"error": "<script>", "error_description": "<script>", "state": state})

    assert answer.status_code == 403
    assert "<script>" not in answer.text and "&lt;script" not in answer.text


def test_a_provider_that_says_who_it_is_has_to(provider: LocalProvider) -> None:
    provider.about = {"authorization_response_iss_parameter_supported": True}
    client = browser(a_dashboard(provider))

    assert come(client, provider).status_code == 403
    assert come(client, provider, iss=provider.url).status_code == 303


# -- the id token


def at(claims: dict[str, Any]) -> dict[str, Any]:
    """The moments in claims are seconds from now."""
    now = int(time.time())
    return {name: now + value if name in MOMENTS and isinstance(value, int) else value for name, value in claims.items()}


MOMENTS = ("exp", "iat", "nbf")
WRONG_CLAIMS: list[dict[str, Any]] = [
    {"iss": "https://evil.com"},
    {"iss": None},
    {"aud": "another"},
    {"aud": ["another"]},
    {"aud": None},
    {"aud": ["jobs", "another"]},
    {"aud": ["jobs", "another"], "azp": "another"},
    {"azp": "another"},
    {"exp": -120},
    {"exp": None},
    {"exp": "soon"},
    {"iat": 600},
    {"iat": None},
    {"nbf": 600},
    {"nonce": "another"},
    {"nonce": None},
    {"sub": None},
    {"sub": ""},
    {"sub": 7},
]


@pytest.mark.parametrize("wrong", WRONG_CLAIMS, ids=str)
def test_an_id_token_with_a_wrong_claim_is_refused(provider: LocalProvider, wrong: dict[str, Any]) -> None:
    provider.claims |= at(wrong)
    client = browser(a_dashboard(provider))

    assert come(client, provider).status_code == 403
    assert not is_in(client)


@pytest.mark.parametrize(
    "right",
    [
        {"aud": ["jobs"]},
        {"aud": ["jobs", "another"], "azp": "jobs"},
        {"exp": -20},
        {"iat": 30},
        {"nbf": 30},
    ],
    ids=str,
)
def test_clocks_may_differ_a_little_and_tokens_be_for_several(provider: LocalProvider, right: dict[str, Any]) -> None:
    provider.claims |= at(right)
    client = browser(a_dashboard(provider))
    come(client, provider)

    assert is_in(client)


def test_a_token_that_nobody_signed_is_refused(provider: LocalProvider) -> None:
    provider.sign = unsigned

    assert come(browser(a_dashboard(provider)), provider).status_code == 403


def test_a_token_signed_with_what_everybody_can_read_is_refused(provider: LocalProvider) -> None:
    provider.sign = signed_with_the_public_key(provider)

    assert come(browser(a_dashboard(provider)), provider).status_code == 403


def test_a_token_of_a_key_that_is_not_published_is_refused_behind_one_look(provider: LocalProvider) -> None:
    client = browser(a_dashboard(provider))
    come(client, provider)
    provider.key = another_key()
    for _ in range(5):
        assert come(client, provider).status_code == 403

    assert provider.asked.count("/keys") <= 2


def test_a_token_of_another_key_under_a_known_name_is_refused(provider: LocalProvider) -> None:
    provider.key = another_key(kid="one")

    assert come(browser(a_dashboard(provider)), provider).status_code == 403


def test_a_token_that_brings_its_own_key_is_refused(provider: LocalProvider) -> None:
    provider.key = another_key(kid="one")
    provider.header = {"jwk": provider.key.as_dict(private=False)}

    assert come(browser(a_dashboard(provider)), provider).status_code == 403


def test_keys_that_change_are_looked_at_again(provider: LocalProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobrunr.dashboard.guard.provider._KEYS_AT_MOST_EVERY", 0.0)
    dashboard = a_dashboard(provider)
    come(browser(dashboard), provider)
    provider.key = another_key()
    provider.published = [provider.key]
    client = browser(dashboard)
    come(client, provider)

    assert is_in(client)
    assert provider.asked.count("/keys") == 2


# -- roles


@pytest.mark.parametrize(
    ("groups", "is_let_in"),
    [
        (["staff"], True),
        ("staff", True),
        (["other", "staff"], True),
        (["Staff"], False),
        (["staff "], False),
        (["staff.evil.com"], False),
        (["xstaff"], False),
        (["\N{FULLWIDTH LATIN SMALL LETTER S}taff"], False),
        ([], False),
        (None, False),
        ([["staff"]], False),
        ({"staff": True}, False),
        (True, False),
    ],
)
def test_values_have_to_be_equal(provider: LocalProvider, groups: object, is_let_in: bool) -> None:
    provider.claims["groups"] = groups
    client = browser(a_dashboard(provider))
    answer = come(client, provider)

    assert (answer.status_code, is_in(client)) == ((303, True) if is_let_in else (403, False))


def test_of_several_roles_the_greatest_counts(provider: LocalProvider) -> None:
    provider.claims["groups"] = ["staff", "admins"]
    client = browser(a_dashboard(provider))
    come(client, provider)

    assert client.post("/sign-out", data={"token": token_of(client)}).status_code == 303


def test_a_claim_can_be_inside_another(provider: LocalProvider) -> None:
    provider.claims = {"sub": "4711", "realm_access": {"roles": ["admins"]}, "preferred_username": "ada"}
    client = browser(a_dashboard(provider, dashboard_openid_claim="realm_access.roles"))
    come(client, provider)

    assert "ada (4711)" in client.get("/").text


@pytest.mark.parametrize(("verified", "is_let_in"), [(True, True), (False, False), (None, False), ("true", False)])
def test_an_address_counts_only_if_the_provider_knows_it(provider: LocalProvider, verified: object, is_let_in: bool) -> None:
    provider.claims |= {"email_verified": verified}
    client = browser(
        a_dashboard(provider, dashboard_openid_claim="email", dashboard_openid_roles=["ada@example.org=operator"])
    )
    come(client, provider)

    assert is_in(client) is is_let_in


def test_a_session_ends_when_the_roles_are_changed(provider: LocalProvider) -> None:
    secret = "s" * 40
    client = browser(a_dashboard(provider, dashboard_secret=secret))
    come(client, provider)
    for roles, status in (["staff=reader", "admins=operator"], 200), (["admins=operator"], 303):
        other = a_dashboard(provider, dashboard_secret=secret, dashboard_openid_roles=roles)
        assert browser(other, cookies=dict(client.cookies)).get("/").status_code == status


# -- the provider itself


@pytest.mark.parametrize(
    "about",
    [
        {"issuer": "https://evil.com"},
        {"issuer": None},
        {"token_endpoint": "http://evil.com/token"},
        {"jwks_uri": "http://169.254.169.254/keys"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": None},
    ],
    ids=str,
)
def test_a_description_that_is_not_right_is_not_used(provider: LocalProvider, about: dict[str, Any]) -> None:
    provider.about = about

    assert browser(a_dashboard(provider)).get("/sign-in/openid").status_code == 403


def test_where_it_leads_elsewhere_is_not_followed(provider: LocalProvider) -> None:
    provider.about = {"jwks_uri": f"{provider.url}/elsewhere"}

    assert come(browser(a_dashboard(provider)), provider).status_code == 403


def test_a_provider_that_is_away_is_told_without_details() -> None:
    jobrunr = JobRunr(
        "memory://",
        dashboard_openid_url="http://localhost:1",
        dashboard_openid_client_id="jobs",
        dashboard_openid_roles=["a=reader"],
    )
    answer = browser(jobrunr.dashboard()).get("/sign-in/openid")

    assert answer.status_code == 403
    assert "localhost:1" not in answer.text


@pytest.mark.parametrize("missing", ["dashboard_openid_client_id", "dashboard_openid_roles"])
def test_the_settings_belong_together(provider: LocalProvider, missing: str) -> None:
    with pytest.raises(WrongSettingError, match=missing):
        a_dashboard(provider, **{missing: None if missing.endswith("id") else []})


@pytest.mark.parametrize(
    "url", ["http://evil.com", "ftp://localhost", "localhost", "http://localhost.evil.com", "http://localhost@evil.com"]
)
def test_a_provider_is_reached_over_https(provider: LocalProvider, url: str) -> None:
    with pytest.raises(WrongSettingError, match="https"):
        a_dashboard(provider, dashboard_openid_url=url)
