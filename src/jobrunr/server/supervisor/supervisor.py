"""The supervisor: puts its two services together, starts them, and stops everything in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Self

from jobrunr.errors import StorageUnavailableError
from jobrunr.server.outage import Outage
from jobrunr.server.service import Service
from jobrunr.server.supervisor.crew import Crew, Order
from jobrunr.server.supervisor.messages import quiet_for
from jobrunr.server.supervisor.voice import Voice
from jobrunr.server_record import ServerRecord
from jobrunr.settings import Settings
from jobrunr.storage.contract import StorageProvider

LAST_WRITES = 5.0
"""Seconds that a stopping supervisor gives the storage to take how the last children ended."""


class Supervisor:
    """Runs servers as child processes, until it is stopped.

    Arguments:
        storage: set up already.
        commands: how to start each server. The number of a file descriptor is put behind it, for `Link.inherited`.
        settings: ``heartbeat_interval``, ``hang_timeout`` and ``shutdown_grace`` count.
    """

    def __init__(
        self,
        storage: StorageProvider,
        commands: Sequence[Sequence[str]],
        settings: Settings,
    ) -> None:
        interval = settings.heartbeat_interval.total_seconds()
        outage = Outage()
        self._crew = Crew(
            commands,
            hang_timeout=settings.hang_timeout,
            grace=settings.shutdown_grace,
            died=self._bury,
        )
        self._voice = Voice(storage, lambda: self._crew.processes, quiet_for(interval))
        self._crew_service = Service("crew", self._crew.tick, outage, self._crew.ears)
        self._voice_service = Service("voice", self._voice.tick, outage, longest_pause=interval)

    def start(self, gave_up: Callable[[], None]) -> Self:
        """Start the servers. Returns before they are up.

        Arguments:
            gave_up: is called when one of them ends before it was ever up. Stop then.
        """
        self._crew.gave_up = gave_up
        self._crew_service.start()
        self._voice_service.start()
        return self

    def stop(self) -> bool:
        """Stop the servers gently, and wait until all have ended.

        Returns:
            whether all of their jobs have ended, too; otherwise some were given back, or run again because their server
            had to be killed.
        """
        self._crew.order(Order.STOP)
        self._crew.ended.wait()
        self._crew_service.stop()
        self._crew.ears.close()
        if self._voice_service.stop(timeout=LAST_WRITES):
            with suppress(StorageUnavailableError):  # the others notice it, too
                self._voice.remove_dead()
        return not self._crew.has_given_back

    def hurry(self) -> None:
        """Do not wait for running jobs any longer. For the second signal."""
        self._crew.order(Order.HURRY)

    def kill(self) -> None:
        """Wait for nothing any longer. For the third signal."""
        self._crew.order(Order.DIE)

    @property
    def failed_with(self) -> int | None:
        """The exit code of a server that could not even start, if there is one."""
        return self._crew.failed_with

    def _bury(self, server: ServerRecord, how: str) -> None:
        self._voice.died(server, how)
        self._voice_service.wake()
