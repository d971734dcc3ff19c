"""Passwords, of which only a hash is kept: scrypt (RFC 7914), with its parameters beside it."""

from __future__ import annotations

import hashlib
import secrets
import unicodedata
from base64 import urlsafe_b64decode, urlsafe_b64encode
from threading import BoundedSemaphore

from jobrunr.dashboard.refusal import Refusal

_COST, _BLOCK, _PARALLEL = 2**14, 8, 5  # 16 MiB and some 100 ms; one of the choices in OWASP's Password Storage Cheat Sheet
_LENGTH = 32
_MEMORY = 2**30
_AT_A_TIME = BoundedSemaphore(4)
_PATIENCE = 5.0
"""Seconds to wait while others are looked at."""


def hash_password(password: str) -> str:
    """What to keep of a password.

    >>> hash_password("correct horse").startswith("scrypt.16384.8.5.")
    True
    """
    salt = secrets.token_bytes(16)
    key = _scrypt(password, salt, _COST, _BLOCK, _PARALLEL)
    return f"scrypt.{_COST}.{_BLOCK}.{_PARALLEL}.{_text(salt)}.{_text(key)}"


def can_be_hash(kept: str) -> bool:
    """Whether a password can be compared with this.

    >>> can_be_hash("scrypt.16384.8.5.c2FsdA.a2V5"), can_be_hash("scrypt.1000.8.5.c2FsdA.a2V5")
    (True, False)
    """
    try:
        _, cost, block, parallel, salt, key = kept.split(".")
        n, r, p = int(cost), int(block), int(parallel)
        bytes_ = _bytes(salt), _bytes(key)
    except ValueError:
        return False
    return n > 1 and n & (n - 1) == 0 and 1 <= r <= 64 and 1 <= p <= 64 and 128 * n * r < _MEMORY and all(bytes_)


def is_password(password: str, kept: str) -> bool:
    """Whether this is the password.

    Arguments:
        kept: what `hash_password` made of it.

    Raises:
        Refusal: too many are looked at, at this moment.
    """
    _, cost, block, parallel, salt, key = kept.split(".")
    if not _AT_A_TIME.acquire(timeout=_PATIENCE):
        raise Refusal(503, "Too many sign in at the moment. Try again.")
    try:
        made = _scrypt(password, _bytes(salt), int(cost), int(block), int(parallel))
    finally:
        _AT_A_TIME.release()
    return secrets.compare_digest(made, _bytes(key))


def _scrypt(password: str, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    typed = unicodedata.normalize("NFC", password).encode(errors="replace")  # keyboards differ in how they write an é
    return hashlib.scrypt(typed, salt=salt, n=cost, r=block, p=parallel, maxmem=_MEMORY, dklen=_LENGTH)


def _text(value: bytes) -> str:
    return urlsafe_b64encode(value).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
