"""Looking at the servers that run, and steering them."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from jobrunr.errors import ServerNotFoundError
from jobrunr.server_record import ServerRecord
from jobrunr.storage.contract import StorageProvider


class ServerSteering:
    """What can be done with servers, wherever they run."""

    def __init__(self, storage: Callable[[], StorageProvider]) -> None:
        self._storage = storage

    def servers(self) -> list[ServerRecord]:
        """The servers that run, the longest running first.

        >>> [server.name for server in jobs.servers()]
        []
        """
        return self._storage().servers()

    def pause_server(self, server_id: UUID | str) -> None:
        """Let a server take no more jobs. It finishes what it runs, stays registered, and goes on with its duties if it is
        master. It obeys within one heartbeat.

        Raises:
            ServerNotFoundError: none is registered under this id (any more).
            ValueError: this is no id.
        """
        self._pause(server_id, paused=True)

    def resume_server(self, server_id: UUID | str) -> None:
        """Let a paused server take jobs again.

        Raises:
            ServerNotFoundError: none is registered under this id (any more).
            ValueError: this is no id.
        """
        self._pause(server_id, paused=False)

    def _pause(self, server_id: UUID | str, *, paused: bool) -> None:
        known = server_id if isinstance(server_id, UUID) else UUID(server_id)
        if not self._storage().pause_server(known, paused):
            raise ServerNotFoundError(known)
