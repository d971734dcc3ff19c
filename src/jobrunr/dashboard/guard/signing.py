"""What only we can have written."""

from __future__ import annotations

import hmac
import logging
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from functools import cached_property

from jobrunr.errors import StorageSetupError
from jobrunr.storage.contract import StorageProvider

_NOTE = "dashboard_secret"

_log = logging.getLogger("jobrunr.dashboard")


def random_text() -> str:
    """256 bits that nobody can guess."""
    return secrets.token_urlsafe(32)


class Signing:
    """Signs texts, each for one purpose.

    Arguments:
        secret: known to all processes that serve this dashboard; one at random is kept in the storage if there is none.
        storage: the storage.
    """

    def __init__(self, secret: str | None, storage: Callable[[], StorageProvider]) -> None:
        self._given = secret
        self._storage = storage

    @cached_property
    def _secret(self) -> bytes:
        if self._given is not None:
            return self._given.encode()
        storage, secret = self._storage(), random_text()
        try:
            secret = storage.get_metadata(_NOTE) or storage.put_metadata(_NOTE, secret, overwrite=False)
        except StorageSetupError as error:  # nothing may be written there, which is right for those who only look
            _log.warning(
                "the secret of this dashboard cannot be kept (%s); other processes do not know who signed in here, and nor "
                "will this one when it is started anew. Set dashboard_secret",
                error,
            )
        return secret.encode()

    def code(self, purpose: str, text: str) -> str:
        """A code that follows from a text, and from which nothing follows."""
        digest = hmac.digest(self._secret, f"{purpose}\0{text}".encode(), "sha256")
        return urlsafe_b64encode(digest).decode().rstrip("=")

    def seal(self, purpose: str, content: bytes) -> str:
        """Content and its signature, for a cookie. It can be read, and not changed."""
        body = urlsafe_b64encode(content).decode().rstrip("=")
        return f"{body}.{self.code(purpose, body)}"

    def open(self, purpose: str, sealed: str) -> bytes | None:
        """What was sealed; None if it was not, or not for this purpose."""
        body, _, code = sealed.rpartition(".")
        if not is_equal(code, self.code(purpose, body)):
            return None
        return urlsafe_b64decode(body + "=" * (-len(body) % 4))


def is_equal(one: str, other: str) -> bool:
    """Whether two secret texts are the same. How long it takes says nothing about where they differ."""
    return hmac.compare_digest(one.encode(errors="replace"), other.encode(errors="replace"))
