"""Speaks in the storage for servers that cannot."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable

from jobrunr.server.server_ends import ServerEnds
from jobrunr.server.supervisor.messages import Rescue
from jobrunr.server.supervisor.server_process import ServerProcess
from jobrunr.server_record import ServerRecord
from jobrunr.storage.contract import StorageProvider

_log = logging.getLogger("jobrunr.supervisor")


class Voice:
    """The service that sends the heartbeats of servers that live but say nothing, and removes those that are dead.

    Arguments:
        storage: where they are registered.
        processes: those that live.
        quiet: for how many seconds a server may say nothing before we speak for it, and how often we do.
        monotonic: tells the time, in seconds.
    """

    def __init__(
        self,
        storage: StorageProvider,
        processes: Callable[[], Iterable[ServerProcess]],
        quiet: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._storage = storage
        self._processes = processes
        self._quiet = quiet
        self._monotonic = monotonic
        self._ends = ServerEnds(storage)
        self._dead: deque[tuple[ServerRecord, str]] = deque()
        self._is_rescue_wanted = False

    def died(self, server: ServerRecord, how: str) -> None:
        """Tell that a server is dead: with the next tick it is removed."""
        self._dead.append((server, how))

    def tick(self) -> float:
        self.remove_dead()
        if self._is_rescue_wanted:
            self._ask_for_rescue()
        self._speak()
        return self._quiet / 2

    def remove_dead(self) -> None:
        """Note how they ended, then remove them: whoever rescues their jobs finds the note."""
        while self._dead:
            server, how = self._dead[0]
            self._ends.note(server.id, how)
            registered = [found for found in self._storage.servers() if found.id == server.id]
            if registered and not self._storage.remove_dead(registered):
                return  # a last heartbeat has just arrived, or somebody else was faster: the next tick sees to it
            self._dead.popleft()
            self._is_rescue_wanted = True
            _log.warning("server %s (%s) is removed: %s", server.name, server.id, how)

    def _ask_for_rescue(self) -> None:
        """Let a server do it that has just been heard: to rescue a job is to call the filters of the application."""
        for process in self._processes():
            if process.server is not None and not self._is_silent(process) and process.send(Rescue()):
                self._is_rescue_wanted = False
                return

    def _speak(self) -> None:
        """Send the heartbeats of those that are silent."""
        for process in self._processes():
            server = process.server
            if server is None or not self._is_silent(process) or self._monotonic() - process.spoken_at < self._quiet:
                continue
            process.spoken_at = self._monotonic()
            if not self._storage.heartbeat(server) and process.server is server:
                process.server = None  # it was taken for dead after all, and learns of it as soon as it can
                _log.warning("server %s (%s) is registered no more", server.name, server.id)

    def _is_silent(self, process: ServerProcess) -> bool:
        return self._monotonic() - process.heard_at >= self._quiet
