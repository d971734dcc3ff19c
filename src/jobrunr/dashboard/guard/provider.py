"""Asks a provider of OpenID Connect. It needs the extra ``openid``, which is imported when it is used."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

_WELL_KNOWN = "/.well-known/openid-configuration"
_TIMEOUT = 5.0
_LARGEST = 1_048_576
_KEEP = 3600.0
"""Seconds that what the provider says of itself is good."""
_KEYS_AT_MOST_EVERY = 10.0
"""Seconds between two looks at its keys: nobody makes us ask all the time by inventing keys."""
_LOCAL = re.compile(r"http://(localhost|127\.0\.0\.1)(:\d+)?(/.*)?")


class ProviderError(Exception):
    """The provider does not answer, or not as it should."""


class About(msgspec.Struct, frozen=True):
    """What a provider says of itself (OpenID Connect Discovery 1.0)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class Provider:
    """One provider.

    Arguments:
        url: its issuer, or the address of its description.
        client_id: what it calls us.
        client_secret: what it knows us by; none when PKCE is enough for it.
        monotonic: seconds on a clock that never jumps.
    """

    def __init__(
        self,
        url: str,
        client_id: str,
        client_secret: str | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = url.removesuffix(_WELL_KNOWN)
        self.client_id = client_id
        self._client_secret = client_secret
        self._monotonic = monotonic
        self._lock = Lock()
        self._about: tuple[About, float] | None = None
        self._keys: tuple[KeySet, float] | None = None

    @property
    def about(self) -> About:
        """What it says of itself.

        Raises:
            ProviderError: nothing, or not what it should.
        """
        with self._lock:
            if self._about is None or self._about[1] <= self._monotonic():
                self._about = self._ask_about(), self._monotonic() + _KEEP
            return self._about[0]

    def address(self, scope: str, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Where people sign in."""
        about = self.about
        with self._client(scope=scope, redirect_uri=redirect_uri, code_challenge_method="S256") as client:
            url: str = client.create_authorization_url(
                about.authorization_endpoint, state=state, code_verifier=verifier, nonce=nonce
            )[0]
            return url

    def check_sender(self, issuer: str | None) -> None:
        """Refuse an answer of another provider (RFC 9207).

        Raises:
            ProviderError: it is one.
        """
        about = self.about
        if issuer is None and about.authorization_response_iss_parameter_supported:
            raise ProviderError("the answer does not say who sends it")
        if issuer is not None and issuer != about.issuer:
            raise ProviderError("the answer is another provider's")

    def exchange(self, code: str, redirect_uri: str, verifier: str) -> str:
        """The id token for a code.

        Raises:
            ProviderError: there is none.
        """
        about = self.about
        with self._client(redirect_uri=redirect_uri) as client:
            try:
                answer: Any = client.fetch_token(about.token_endpoint, code=code, code_verifier=verifier)
            except Exception as error:
                raise ProviderError(f"the code was not taken: {type(error).__name__}") from error
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise ProviderError("there is no id token; is openid in the scope?")
        return token

    def keys(self, *, newer: bool = False) -> KeySet:
        """The keys that sign.

        Arguments:
            newer: those that we have do not fit.

        Raises:
            ProviderError: there are none.
        """
        from joserfc.errors import JoseError  # noqa: PLC0415
        from joserfc.jwk import KeySet  # noqa: PLC0415

        address = self.about.jwks_uri
        with self._lock:
            now = self._monotonic()
            age = None if self._keys is None else now - self._keys[1]
            if age is None or age > _KEEP or (newer and age > _KEYS_AT_MOST_EVERY):
                try:
                    self._keys = KeySet.import_key_set(self._get(address)), now
                except (JoseError, ValueError, TypeError, KeyError) as error:
                    raise ProviderError(f"its keys cannot be read: {error}") from error
            assert self._keys is not None
            return self._keys[0]

    def _ask_about(self) -> About:
        try:
            about = msgspec.convert(self._get(self.url.rstrip("/") + _WELL_KNOWN), About)
        except msgspec.ValidationError as error:
            raise ProviderError(f"its description is not complete: {error}") from error
        if about.issuer.rstrip("/") != self.url.rstrip("/"):
            raise ProviderError(f"it calls itself {about.issuer!r}; write that into dashboard_openid_url")
        for address in (about.authorization_endpoint, about.token_endpoint, about.jwks_uri):
            if not address.startswith("https://") and not (_LOCAL.fullmatch(self.url) and _LOCAL.fullmatch(address)):
                raise ProviderError(f"{address!r} is not https")
        return about

    def _get(self, url: str) -> Any:
        """The JSON at an address. Where that leads elsewhere is not followed."""
        import httpx2  # noqa: PLC0415

        content = bytearray()
        try:
            with httpx2.stream("GET", url, timeout=_TIMEOUT, verify=_trusted()) as response:
                if response.status_code != 200:
                    raise ProviderError(f"{url} answers {response.status_code}")
                for piece in response.iter_bytes():
                    content += piece
                    if len(content) > _LARGEST:
                        raise ProviderError(f"{url} is too large")
            return msgspec.json.decode(bytes(content))
        except (httpx2.HTTPError, msgspec.DecodeError, UnicodeError) as error:
            raise ProviderError(f"{url}: {error}") from error

    def _client(self, **options: Any) -> Any:
        from authlib.integrations.httpx_client import OAuth2Client  # noqa: PLC0415

        ways = self.about.token_endpoint_auth_methods_supported
        if self._client_secret is None:
            way = "none"
        else:
            way = "client_secret_basic" if "client_secret_basic" in ways else "client_secret_post"
        return OAuth2Client(
            self.client_id,
            self._client_secret,
            token_endpoint_auth_method=way,
            timeout=_TIMEOUT,
            verify=_trusted(),
            follow_redirects=False,
            **options,
        )


@cache
def _trusted() -> ssl.SSLContext:
    """Who is believed to be who they say. It takes a while to read."""
    import httpx2  # noqa: PLC0415

    return httpx2.create_ssl_context()
