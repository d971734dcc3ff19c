"""What nobody sees, although it is stored."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from typing import Any

Redact = Callable[[str, str], str]
"""Takes ``"arguments"``, ``"result"``, ``"log"``, ``"exception"`` or ``"metadata"`` and a text; returns what may be shown of
it."""

_log = logging.getLogger("jobrunr.dashboard")

HIDDEN = "***"
_JSON = frozenset({"arguments", "result", "metadata"})


class Redaction:
    """Hides what looks like a secret, and what the application says.

    Arguments:
        keys: a regular expression; the values of keys in which it is found are hidden.
        redact: of the application; gets what is left to see.

    >>> Redaction("password")("arguments", '{"name": "ada", "password": "1234"}')
    '{"name": "ada", "password": "***"}'
    """

    def __init__(self, keys: str, redact: Redact | None = None) -> None:
        self._keys = re.compile(keys, re.IGNORECASE)
        self._redact = redact

    def __call__(self, kind: str, text: str) -> str:
        """What may be shown of a text; nothing at all if that cannot be found out."""
        try:
            shown = self._without_secrets(text) if kind in _JSON else text
        except (ValueError, RecursionError):  # somebody damaged what is stored
            return HIDDEN
        return shown if self._redact is None else self._redacted(self._redact, kind, shown)

    def _redacted(self, redact: Redact, kind: str, text: str) -> str:
        try:
            shown: object = redact(kind, text)
        except Exception:  # noqa: BLE001 - what fails here must not show anything
            _log.exception("the %s of a job could not be redacted, and is hidden", kind)
            return HIDDEN
        return shown if isinstance(shown, str) else HIDDEN

    def _without_secrets(self, text: str) -> str:
        """JSON without the values of some keys; the same text where there are none."""
        found = False

        def without(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            nonlocal found
            kept = {key: HIDDEN if self._keys.search(key) else value for key, value in pairs}
            found = found or HIDDEN in kept.values()
            return kept

        value = json.loads(text, object_pairs_hook=without)
        return json.dumps(value, ensure_ascii=False) if found else text
