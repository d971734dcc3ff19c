"""The supervisor, as the server sees it that is its child."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable
from typing import Self

from jobrunr.server.supervisor.messages import (
    Beat,
    Channel,
    Hurry,
    Left,
    Pulse,
    Rescue,
    decode_from_supervisor,
)
from jobrunr.server_record import ServerRecord


class Link:
    """Tells the supervisor that this process lives, from a thread that does nothing else, and hears what it wants.

    Arguments:
        channel: our end of the connection.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    @classmethod
    def inherited(cls, descriptor: int) -> Self:
        """The link to the parent of this process.

        Arguments:
            descriptor: of our end, as the parent has passed it on.
        """
        end = socket.socket(fileno=descriptor)
        end.set_inheritable(False)
        return cls(Channel(end))

    def start(
        self, pulse: float, *, rescue: Callable[[], None], hurry: Callable[[], None], lost: Callable[[], None]
    ) -> None:
        """Begin.

        Arguments:
            pulse: seconds between two signs of life.
            rescue: is called when a server was removed whose jobs are to be given to others.
            hurry: is called when the server is to stop without waiting for its jobs.
            lost: is called when the supervisor is gone.
        """
        arguments = (pulse, rescue, hurry, lost)
        threading.Thread(target=self._run, args=arguments, name="jobrunr-supervisor", daemon=True).start()

    def beaten(self, record: ServerRecord) -> None:
        """Tell that the storage has heard this server."""
        self._channel.send(Beat(record))

    def left(self) -> None:
        """Tell that it has signed off."""
        self._channel.send(Left())

    def _run(self, pulse: float, rescue: Callable[[], None], hurry: Callable[[], None], lost: Callable[[], None]) -> None:
        try:
            while True:
                self._channel.send(Pulse())
                select.select([self._channel], [], [], pulse)
                for message in self._channel.receive():
                    match decode_from_supervisor(message):
                        case Rescue():
                            rescue()
                        case Hurry():
                            hurry()
        except (EOFError, OSError, ValueError):  # the last two: a job has closed what is not its own
            self._channel.close()
            lost()
