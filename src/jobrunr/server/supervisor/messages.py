"""What a server and its supervisor say to each other, and how."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import msgspec

from jobrunr.server_record import ServerRecord

_LARGEST = 2**18
"""Bytes of a message, at most: more than a socket takes at once."""

# -- from the server


class Pulse(msgspec.Struct, frozen=True, tag=True):
    """Some Python can run here."""


class Beat(msgspec.Struct, frozen=True, tag=True):
    """The storage has taken a heartbeat of this server, or its registration."""

    record: ServerRecord


class Left(msgspec.Struct, frozen=True, tag=True):
    """The server has signed off."""


# -- from the supervisor


class Rescue(msgspec.Struct, frozen=True, tag=True):
    """A server was removed: give its jobs to others."""


class Hurry(msgspec.Struct, frozen=True, tag=True):
    """Stop without waiting for the jobs that run."""


FromServer = Pulse | Beat | Left
FromSupervisor = Rescue | Hurry

encode = msgspec.msgpack.Encoder().encode
decode_from_server: Callable[[bytes], FromServer] = msgspec.msgpack.Decoder[FromServer](FromServer).decode
decode_from_supervisor: Callable[[bytes], FromSupervisor] = msgspec.msgpack.Decoder[FromSupervisor](FromSupervisor).decode


def quiet_for(interval: float) -> float:
    """For how many seconds a server may say nothing before its supervisor speaks for it. Twice in this time it says
    something.

    So short that nobody takes a server for gone meanwhile: neither by its heartbeats, of which two may be missing, nor, if
    its lock is lost just now, by two looks without a heartbeat in between (`jobrunr.server.lookout`).

    Arguments:
        interval: seconds between two heartbeats.
    """
    return min(0.4, interval / 2)


class Channel:
    """One end of the connection. It keeps messages whole, never waits, and closes when the process at the other end dies.

    Arguments:
        end: a socket of the kind that `channel_ends` makes.
    """

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._socket = end

    def fileno(self) -> int:
        """For those who wait until there is something to receive."""
        return self._socket.fileno()

    def send(self, message: FromServer | FromSupervisor) -> bool:
        """Send a message. False when the other side is gone, or has not listened for so long that there is no place."""
        try:
            self._socket.send(encode(message))
        except OSError:
            return False
        return True

    def receive(self) -> Iterator[bytes]:
        """What has arrived.

        Raises:
            EOFError: the other side is gone.
        """
        while True:
            try:
                message = self._socket.recv(_LARGEST)
            except BlockingIOError:
                return
            except OSError as error:
                raise EOFError from error
            if not message:
                raise EOFError
            yield message

    def close(self) -> None:
        """Close this end."""
        self._socket.close()


def channel_ends() -> tuple[socket.socket, socket.socket]:
    """Two ends that are connected to each other."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
