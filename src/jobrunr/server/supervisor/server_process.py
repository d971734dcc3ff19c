"""A server in a process of its own, as its supervisor sees it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress

from jobrunr.server.supervisor.messages import (
    Beat,
    Channel,
    FromSupervisor,
    Left,
    Pulse,
    channel_ends,
    decode_from_server,
)
from jobrunr.server_record import ServerRecord


class ServerProcess:
    """A child process. It has a session of its own, so that a Ctrl-C in the terminal is for the supervisor alone, and that
    it can be killed with all that its jobs have started.

    Arguments:
        command: what to run. It is given the number of a file descriptor: its end of the connection to us.

    Raises:
        OSError: the system does not give another process.
    """

    def __init__(self, command: Sequence[str]) -> None:
        ours, theirs = channel_ends()
        with theirs:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - ourselves
                    [*command, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
            except BaseException:
                ours.close()
                raise
        self.channel = Channel(ours)
        self.exit_watch = self._watched()
        """A file descriptor that is readable when the process has ended."""
        self.started_at = self.heard_at = time.monotonic()
        """When it was started, and when it said something last, in monotonic seconds."""
        self.spoken_at = float("-inf")
        """When we sent a heartbeat for it."""
        self.server: ServerRecord | None = None
        """The server in it, while it is registered."""
        self.was_up = False
        """Whether its server was ever registered."""
        self.killed_because: str | None = None
        """Why we killed it, if we did."""

    def _watched(self) -> int:
        try:
            return os.pidfd_open(self._process.pid)
        except BaseException:  # an old kernel, or no more files: nothing may be left behind
            self._process.kill()
            self._process.wait()
            self.channel.close()
            raise

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def end(self) -> int | None:
        """Its exit code, as `subprocess` has it, when it has ended."""
        return self._process.poll()

    def listen(self) -> None:
        """Take in what it has said."""
        with suppress(EOFError):  # that it has ended is seen elsewhere
            for message in self.channel.receive():
                self.heard_at = time.monotonic()
                match decode_from_server(message):
                    case Beat(record):
                        self.server, self.was_up = record, True
                    case Left():
                        self.server = None
                    case Pulse():
                        pass

    def send(self, message: FromSupervisor) -> bool:
        """Tell it something. Whether there was place for that."""
        return self.channel.send(message)

    def stop(self) -> None:
        """Ask it to stop gently. Asked again, it does not do it any sooner."""
        if self.end is None:
            self._process.send_signal(signal.SIGTERM)

    def kill(self, because: str) -> None:
        """End it at once, with all that its jobs have started."""
        if self.end is None:
            self.killed_because = because
            os.killpg(self.pid, signal.SIGKILL)

    def discard(self) -> None:
        """Forget it, when it has ended."""
        self.channel.close()
        os.close(self.exit_watch)
