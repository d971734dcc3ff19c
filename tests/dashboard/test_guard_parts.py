"""The parts of the guard by themselves."""

from __future__ import annotations

from collections import deque

import pytest
from starlette.requests import Request

from jobrunr.dashboard.guard.attempts import MOST, WITHIN, Attempts
from jobrunr.dashboard.guard.hosts import AllowedHosts, is_own_address, read_host
from jobrunr.dashboard.guard.passwords import hash_password, is_password
from jobrunr.dashboard.redaction import HIDDEN, Redaction
from jobrunr.dashboard.refusal import Refusal

KEYS = "password|passwd|secret|token|api[_-]?key|authorization"


@pytest.mark.parametrize(
    ("host", "is_allowed"),
    [
        ("localhost", True),
        ("LOCALHOST:1", True),
        ("127.0.0.1:65535", True),
        ("[::1]:8000", True),
        ("jobs.example.org", True),
        ("Jobs.Example.org:443", True),
        ("secure.example.org:8443", True),
        ("secure.example.org", False),
        ("secure.example.org:84430", False),
        ("example.org", False),
        ("jobs.example.org.", False),
        ("xjobs.example.org", False),
    ],
)
def test_hosts_are_allowed_by_name_or_by_name_and_port(host: str, is_allowed: bool) -> None:
    allowed = AllowedHosts(["jobs.example.org", "secure.example.org:8443"])
    read = read_host(host)

    assert (read is not None and allowed.allow(read)) is is_allowed


@pytest.mark.parametrize(
    ("address", "asked", "is_answered"),
    [
        ("10.0.0.5", "10.0.0.5:8000", True),
        ("fd00::5", "[fd00::5]:8000", True),
        ("10.0.0.5", "10.0.0.6:8000", False),
        ("10.0.0.5", "10.0.0.5.evil.com", False),
        ("pod", "pod", False),
        ("10.0.0.5", "0x0a000005", False),
        (None, "10.0.0.5", False),
    ],
)
def test_probes_may_ask_by_the_address_at_which_they_arrive(address: str | None, asked: str, is_answered: bool) -> None:
    host = read_host(asked)
    assert host is not None
    request = Request({"type": "http", "server": address and (address, 8000)})

    assert is_own_address(request, host) is is_answered


class TestAttempts:
    @pytest.fixture
    def moment(self) -> list[float]:
        return [0.0]

    @pytest.fixture
    def attempts(self, moment: list[float]) -> Attempts:
        return Attempts(lambda: moment[0])

    def test_failures_are_counted_for_a_name_from_anywhere(self, attempts: Attempts) -> None:
        for number in range(MOST):
            attempts.begin("olga", f"10.0.0.{number}")

        with pytest.raises(Refusal) as refusal:
            attempts.begin("olga", "10.0.0.99")
        assert refusal.value.status == 429
        attempts.begin("rita", "10.0.0.99")

    def test_failures_are_counted_for_an_address_with_any_name(self, attempts: Attempts) -> None:
        for number in range(MOST):
            attempts.begin(f"name {number}", "10.0.0.1")

        with pytest.raises(Refusal):
            attempts.begin("olga", "10.0.0.1")
        attempts.begin("olga", "10.0.0.2")

    def test_they_are_forgotten_after_five_minutes(self, attempts: Attempts, moment: list[float]) -> None:
        for _ in range(MOST):
            attempts.begin("olga", "10.0.0.1")
            moment[0] += 1

        with pytest.raises(Refusal) as refusal:
            attempts.begin("olga", "10.0.0.1")
        assert refusal.value.headers["Retry-After"] == str(int(WITHIN) - MOST)
        moment[0] += WITHIN - MOST
        attempts.begin("olga", "10.0.0.1")

    def test_successes_are_no_failures(self, attempts: Attempts) -> None:
        for _ in range(5 * MOST):
            attempts.begin("olga", "10.0.0.1")
            attempts.succeeded("olga", "10.0.0.1")

    def test_many_at_once_are_counted_before_they_have_failed(self, attempts: Attempts) -> None:
        for _ in range(MOST):
            attempts.begin("olga", "10.0.0.1")

        with pytest.raises(Refusal):
            attempts.begin("olga", "10.0.0.1")
        attempts.succeeded("olga", "10.0.0.1")
        attempts.begin("olga", "10.0.0.1")

    def test_an_owner_of_many_addresses_is_one(self, attempts: Attempts) -> None:
        for number in range(MOST):
            attempts.begin(f"name {number}", f"2001:db8:1:2::{number:x}")

        with pytest.raises(Refusal):
            attempts.begin("olga", "2001:db8:1:2:ffff::1")
        attempts.begin("olga", "2001:db8:1:3::1")

    def test_what_is_remembered_has_a_limit(self, attempts: Attempts) -> None:
        for number in range(25_000):
            attempts._failures[f"name {number}"] = deque([0.0])
        attempts.begin("olga", "10.0.0.1")

        assert len(attempts._failures) <= 20_002


class TestPasswords:
    def test_a_password_is_known_again_and_no_other(self) -> None:
        kept = hash_password("correct horse")

        assert is_password("correct horse", kept)
        assert not is_password("Correct horse", kept)
        assert not is_password("", kept)

    def test_the_same_password_is_kept_differently_each_time(self) -> None:
        assert hash_password("correct horse") != hash_password("correct horse")

    def test_letters_are_the_same_however_a_keyboard_writes_them(self) -> None:
        assert is_password("cafe\u0301", hash_password("caf\u00e9"))

    def test_a_hash_of_other_parameters_is_read_with_them(self) -> None:
        assert is_password("a", "scrypt.2.1.1.c2FsdA.7XAhp4mVyhg7cJRuA3RQM6pYKx0VJhkt1pSJPhHBPNs") is False


class TestRedaction:
    @pytest.mark.parametrize(
        ("stored", "shown"),
        [
            ('{"name": "ada", "password": "x"}', '{"name": "ada", "password": "***"}'),
            ('{"user": {"API_KEY": "x", "n": [1, {"access_token": {"a": 1}}]}}', None),
            ('[{"Authorization": ["x"]}]', '[{"Authorization": "***"}]'),
            ('{"name":"ada","n":12345678901234567890}', '{"name":"ada","n":12345678901234567890}'),
            ('"password"', '"password"'),
            ("null", "null"),
        ],
    )
    def test_the_values_of_keys_that_look_like_secrets_are_hidden(self, stored: str, shown: str | None) -> None:
        expected = shown or '{"user": {"API_KEY": "***", "n": [1, {"access_token": "***"}]}}'

        assert [Redaction(KEYS)(kind, stored) for kind in ("arguments", "result", "metadata")] == [expected] * 3

    def test_logs_and_exceptions_are_shown_as_they_are(self) -> None:
        assert Redaction(KEYS)("log", "password=1") == "password=1"
        assert Redaction(KEYS)("exception", '{"password": 1}') == '{"password": 1}'

    @pytest.mark.parametrize("stored", ["{", "", "[" * 100_000, '{"a": 1'])
    def test_what_cannot_be_read_is_hidden(self, stored: str) -> None:
        assert Redaction(KEYS)("arguments", stored) == HIDDEN

    def test_the_application_has_the_last_word(self) -> None:
        redact = Redaction(KEYS, lambda kind, text: f"{kind}: {text.replace('ada', '…')}")

        assert redact("log", "mail to ada") == "log: mail to …"
        assert redact("arguments", '{"name": "ada", "token": 1}') == 'arguments: {"name": "…", "token": "***"}'

    @pytest.mark.parametrize("hook", [lambda kind, text: 1 / 0, lambda kind, text: None, lambda: "x"])
    def test_a_hook_that_fails_hides_everything(self, hook: object) -> None:
        assert Redaction(KEYS, hook)("log", "mail to ada") == HIDDEN  # type: ignore[arg-type]
