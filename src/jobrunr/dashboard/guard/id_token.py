"""What an id token says, if it is for us and good (OpenID Connect Core 1.0, section 3.1.3.7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobrunr.dashboard.guard.provider import Provider, ProviderError
from jobrunr.dashboard.guard.signing import is_equal

_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
"""Those with two keys. Not those where whoever can check can also sign, and not none."""
_LEEWAY = 60.0
"""Seconds that clocks may differ."""


def claims_of(token: str, provider: Provider, nonce: str, now: float) -> Mapping[str, Any]:
    """What the token says.

    Arguments:
        nonce: of the one who asked for it.
        now: seconds since 1970.

    Raises:
        ProviderError: it is not good.
    """
    claims = _signed(token, provider)
    _check_who(claims, provider)
    _check_when(claims, now)
    said = claims.get("nonce")
    if not isinstance(said, str) or not is_equal(said, nonce):
        raise ProviderError("the id token is for another sign-in")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        raise ProviderError("the id token does not say about whom it is")
    return claims


def _signed(token: str, provider: Provider) -> Mapping[str, Any]:
    """The claims, if the provider signed them."""
    from joserfc import jwt  # noqa: PLC0415 - an extra
    from joserfc.errors import InvalidKeyIdError, JoseError  # noqa: PLC0415

    algorithms = list(_ALGORITHMS)
    try:
        try:
            return jwt.decode(token, provider.keys(), algorithms).claims
        except InvalidKeyIdError:  # keys change, and nobody tells us
            return jwt.decode(token, provider.keys(newer=True), algorithms).claims
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise ProviderError(f"the id token is not signed as it should be: {type(error).__name__} {error}") from error


def _check_who(claims: Mapping[str, Any], provider: Provider) -> None:
    """From the provider, and for us."""
    if claims.get("iss") != provider.about.issuer:
        raise ProviderError("the id token is another provider's")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if provider.client_id not in audiences:
        raise ProviderError("the id token is for somebody else")
    if (len(audiences) > 1 or "azp" in claims) and claims.get("azp") != provider.client_id:
        raise ProviderError("the id token was given to somebody else")


def _check_when(claims: Mapping[str, Any], now: float) -> None:
    if _moment(claims, "exp") <= now - _LEEWAY:
        raise ProviderError("the id token is too old")
    if _moment(claims, "iat") > now + _LEEWAY:
        raise ProviderError("the id token was made in the future")
    if "nbf" in claims and _moment(claims, "nbf") > now + _LEEWAY:
        raise ProviderError("the id token is not good yet")


def _moment(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ProviderError(f"the id token has no moment {name}")
    return value
