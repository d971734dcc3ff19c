"""What was good, and is not any more. Kept in the storage, so that it holds in all processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import sha256
from threading import Lock

import msgspec

from jobrunr.storage.contract import StorageProvider

_NOTE = "dashboard_revoked"
_NOTES = 64
_TRIES = 5


class Revocations:
    """Ids that must not be used any more. They are spread over a few notes, each of which loses what has ended anyway.

    Arguments:
        storage: the storage.
        now: seconds since 1970.
    """

    def __init__(self, storage: Callable[[], StorageProvider], now: Callable[[], float] = time.time) -> None:
        self._storage = storage
        self._now = now
        self._lock = Lock()

    def __contains__(self, id: str) -> bool:
        return id in self._read(_note(id))

    def add(self, id: str, ends: float) -> bool:
        """Revoke an id.

        Arguments:
            ends: from when on it is not good in any case.

        Returns:
            whether it was good before.
        """
        note, now = _note(id), self._now()
        with self._lock:
            revoked = self._read(note)
            was_good = id not in revoked
            for _ in range(_TRIES):
                kept = {each: until for each, until in revoked.items() if until > now} | {id: ends}
                self._storage().put_metadata(_NOTE, msgspec.json.encode(kept).decode(), note)
                revoked = self._read(note)
                if id in revoked:  # another process may have written over it
                    break
        return was_good

    def _read(self, note: str) -> dict[str, float]:
        text = self._storage().get_metadata(_NOTE, note)
        return msgspec.json.decode(text, type=dict[str, float]) if text else {}


def _note(id: str) -> str:
    return str(sha256(id.encode()).digest()[0] % _NOTES)
