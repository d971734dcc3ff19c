"""Signing in at a provider of OpenID Connect: the code flow with PKCE (RFC 7636), as RFC 9700 wants it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Self

import msgspec

from jobrunr.dashboard.access import Role, User
from jobrunr.dashboard.guard.id_token import claims_of
from jobrunr.dashboard.guard.provider import Provider, ProviderError
from jobrunr.dashboard.guard.revocations import Revocations
from jobrunr.dashboard.guard.signing import Signing, is_equal, random_text
from jobrunr.dashboard.refusal import Refusal
from jobrunr.errors import MissingExtraError
from jobrunr.settings import Settings

_log = logging.getLogger("jobrunr.dashboard")

_PURPOSE = "openid"
_LASTS = 600.0
"""Seconds between leaving for the provider and coming back."""
_AGAIN = "Signing in did not work. Begin again."


class Leaving(msgspec.Struct, frozen=True):
    """Somebody who was sent to the provider. Kept in a cookie, and so bound to the browser.

    Arguments:
        state: comes back from the provider; good once.
        nonce: stands in the id token.
        verifier: by which the provider knows that whoever brings the code also asked for it.
        redirect_uri: where the provider sends people.
        then: which page they wanted.
        ends: seconds since 1970.
    """

    state: str
    nonce: str
    verifier: str
    redirect_uri: str
    then: str
    ends: float


class OpenId:
    """One provider.

    Arguments:
        provider: asks it.
        scope: what to ask it for.
        claim: what decides about the role.
        roles: from values of the claim.
        signing: signs who was sent there.
        revocations: knows which states have come back.
        now: seconds since 1970.
    """

    def __init__(
        self,
        provider: Provider,
        *,
        scope: str,
        claim: str,
        roles: Mapping[str, Role],
        signing: Signing,
        revocations: Revocations,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._provider = provider
        self._scope = scope
        self._claim = claim
        self._roles = roles
        self._signing = signing
        self._revocations = revocations
        self._now = now
        self.ground = repr((provider.url, provider.client_id, claim, sorted(roles.items())))
        """On what sessions stand."""

    @classmethod
    def of(
        cls, settings: Settings, signing: Signing, revocations: Revocations, now: Callable[[], float] = time.time
    ) -> Self | None:
        """That of the settings, if there is one.

        Raises:
            MissingExtraError: what it takes is not installed.
        """
        if settings.dashboard_openid_url is None:
            return None
        for module in ("authlib", "joserfc", "httpx2"):
            try:
                import_module(module)
            except ModuleNotFoundError:
                raise MissingExtraError("Signing in with OpenID Connect", module, "openid") from None
        assert settings.dashboard_openid_client_id is not None
        provider = Provider(
            settings.dashboard_openid_url, settings.dashboard_openid_client_id, settings.dashboard_openid_client_secret
        )
        pairs = (pair.rpartition("=") for pair in settings.dashboard_openid_roles)
        roles = {value: Role[role.upper()] for value, _, role in pairs}
        return cls(
            provider,
            scope=settings.dashboard_openid_scope,
            claim=settings.dashboard_openid_claim,
            roles=roles,
            signing=signing,
            revocations=revocations,
            now=now,
        )

    def leave(self, redirect_uri: str, then: str) -> tuple[str, str]:
        """Send somebody to the provider: its address, and what to keep in a cookie.

        Raises:
            Refusal: the provider does not answer.
        """
        state, nonce, verifier = random_text(), random_text(), random_text()
        leaving = Leaving(state, nonce, verifier, redirect_uri, then, self._now() + _LASTS)
        try:
            url = self._provider.address(self._scope, redirect_uri, state, nonce, verifier)
        except ProviderError as error:
            raise self._no(error) from error
        return url, self._signing.seal(_PURPOSE, msgspec.json.encode(leaving))

    def come_back(self, said: Mapping[str, str], sealed: str | None) -> tuple[User, str]:
        """Let somebody in who comes from the provider: who it is, and which page they wanted.

        Arguments:
            said: the parameters of the address.
            sealed: what was kept in the cookie.

        Raises:
            Refusal: no.
        """
        leaving = self._leaving(said, sealed)
        try:
            self._provider.check_sender(said.get("iss"))
            if "code" not in said:
                raise ProviderError(f"it said no: {said.get('error', '')[:100]!r}")
            token = self._provider.exchange(said["code"], leaving.redirect_uri, leaving.verifier)
            claims = claims_of(token, self._provider, leaving.nonce, self._now())
        except ProviderError as error:
            raise self._no(error) from error
        return self._user(claims), leaving.then

    def _leaving(self, said: Mapping[str, str], sealed: str | None) -> Leaving:
        content = self._signing.open(_PURPOSE, sealed or "")
        leaving = None if content is None else msgspec.json.decode(content, type=Leaving)
        if leaving is None or leaving.ends <= self._now() or not is_equal(said.get("state", ""), leaving.state):
            raise Refusal(403, _AGAIN)
        if not self._revocations.add(leaving.state, leaving.ends):
            raise Refusal(403, _AGAIN)
        return leaving

    def _user(self, claims: Mapping[str, Any]) -> User:
        name = _name_of(claims)
        roles = [self._roles[value] for value in self._values(claims) if value in self._roles]
        if not roles:
            _log.warning("%r was not let in: %s has none of the values that have a role", name, self._claim)
            raise Refusal(403, f"You are {name}, but nobody of your groups may use this dashboard.")
        return User(name, max(roles))

    def _values(self, claims: Mapping[str, Any]) -> list[str]:
        """The values of the claim."""
        if self._claim == "email" and claims.get("email_verified") is not True:
            return []
        found: Any = claims.get(self._claim)
        if found is None:
            found = claims
            for name in self._claim.split("."):
                found = found.get(name) if isinstance(found, dict) else None
        values = found if isinstance(found, list) else [found]
        return [value for value in values if isinstance(value, str)]

    @staticmethod
    def _no(error: ProviderError) -> Refusal:
        _log.warning("signing in with OpenID Connect failed: %s", error)
        return Refusal(403, _AGAIN)


def _name_of(claims: Mapping[str, Any]) -> str:
    """What stands in histories: an address that the provider knows to be theirs, or else what nobody else can have."""
    subject, preferred = claims["sub"][:100], claims.get("preferred_username")
    if claims.get("email_verified") is True and isinstance(claims.get("email"), str):
        return str(claims["email"])[:100]
    return f"{preferred[:100]} ({subject})" if isinstance(preferred, str) else str(subject)
