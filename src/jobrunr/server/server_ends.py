"""How servers ended, as far as somebody saw it: noted by who saw it, read by who rescues their jobs."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from jobrunr.storage.contract import StorageProvider

NOTE = "server-end"
"""The name under which the end of a server is noted; its id is the owner."""
KEPT = timedelta(hours=1)
"""How long a note is kept. Jobs are rescued within seconds; after an outage it may take longer."""


class ServerEnd(msgspec.Struct, frozen=True):
    """The end of one server."""

    how: str
    at: datetime
    """By the clock of the storage."""


class ServerEnds:
    """What is known of the ends of servers."""

    def __init__(self, storage: StorageProvider) -> None:
        self._storage = storage

    def note(self, server_id: UUID, how: str) -> None:
        """Note how a server ended."""
        value = msgspec.json.encode(ServerEnd(how, self._storage.now())).decode()
        self._storage.put_metadata(NOTE, value, owner=str(server_id))

    def known(self) -> dict[str, str]:
        """How servers ended, by their ids."""
        return {owner: end.how for owner, value in self._storage.find_metadata(NOTE).items() if (end := _read(value))}

    def tidy(self) -> None:
        """Forget what is old."""
        notes = self._storage.find_metadata(NOTE)
        if notes:
            until = self._storage.now() - KEPT
            old = [owner for owner, value in notes.items() if (end := _read(value)) is None or end.at < until]
            self._storage.remove_metadata(NOTE, old)


def _read(value: str) -> ServerEnd | None:
    """A note; None when it is none that we write."""
    try:
        return msgspec.json.decode(value, type=ServerEnd)
    except msgspec.MsgspecError:
        return None
