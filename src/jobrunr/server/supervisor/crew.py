"""The child processes: started, listened to, replaced when they end, stopped."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from enum import IntEnum

from jobrunr.durations import format_duration
from jobrunr.server.processes.ends import describe_end
from jobrunr.server.supervisor.back_off import BackOff
from jobrunr.server.supervisor.ears import Ears
from jobrunr.server.supervisor.memory_watch import MemoryWatch
from jobrunr.server.supervisor.messages import Hurry
from jobrunr.server.supervisor.server_process import ServerProcess
from jobrunr.server.supervisor.strays import see_off
from jobrunr.server_record import ServerRecord

_log = logging.getLogger("jobrunr.supervisor")

LAST_MOMENTS = 30.0
"""Seconds that a child has besides the grace of its jobs, to write what is left and to end."""
START = 60.0
"""Seconds that a child has until its first word, at least: on a busy machine it takes a while to start."""
LOOK_AROUND = 5.0
"""Seconds between two looks when nothing happens."""


class Order(IntEnum):
    """What the children are to do. Later ones count more."""

    RUN = 0
    STOP = 1
    HURRY = 2
    DIE = 3


class Place:
    """A place for one child.

    Arguments:
        number: which one; the first is 1.
        command: starts a child in it.
    """

    def __init__(self, number: int, command: Sequence[str]) -> None:
        self.number = number
        self.command = command
        self.process: ServerProcess | None = None
        self.start_at = float("-inf")
        """When to fill it, if it is empty; in monotonic seconds."""
        self.back_off = BackOff()
        self.was_up = False
        """Whether a server ever ran here."""


class Crew:
    """The service that looks after the children. It does not know the storage.

    Arguments:
        commands: what to run, for each child.
        hang_timeout: a child that says nothing for longer is killed.
        grace: how long a child that stops waits for its jobs.
        died: is called with the server of a child that died before it signed off, and how.
    """

    def __init__(
        self,
        commands: Sequence[Sequence[str]],
        *,
        hang_timeout: timedelta,
        grace: timedelta,
        died: Callable[[ServerRecord, str], None],
    ) -> None:
        self._places = [Place(number, command) for number, command in enumerate(commands, 1)]
        self._hang_timeout = hang_timeout
        self._grace = grace.total_seconds()
        self._died = died
        self.gave_up: Callable[[], None] = lambda: None
        """Is called when a child ended before its server was ever up, as when a setting is wrong."""
        self._memory = MemoryWatch()
        self._order = self._obeyed = Order.RUN
        self._deadline = float("inf")
        self.ears = Ears()
        self.ended = threading.Event()
        """Set when all were told to stop, and have ended."""
        self.has_given_back = False
        """Whether a server did not end in order: its jobs run again."""
        self.failed_with: int | None = None
        """The exit code of the child that ended before its server was ever up."""

    @property
    def processes(self) -> list[ServerProcess]:
        """Those that live, or did a moment ago."""
        return [place.process for place in self._places if place.process is not None]

    def order(self, order: Order) -> None:
        """Tell all what to do. May be called by a handler of signals."""
        self._order = max(order, self._order)
        self.ears.wake()

    def tick(self) -> float:
        now = time.monotonic()
        self._pass_on_orders(now)
        for place in self._places:
            if place.process is not None:
                self._look_at(place, place.process)
        see_off({process.pid for process in self.processes})
        self._memory.look(now)
        if self._obeyed is Order.RUN:
            self._fill_places()
        elif not self.processes:
            self.ended.set()
        return self._next_look()

    # -- starting

    def _fill_places(self) -> None:
        for place in self._places:
            if place.process is None and place.start_at <= time.monotonic():
                try:
                    place.process = ServerProcess(place.command)
                except OSError as error:
                    place.start_at = time.monotonic() + place.back_off.after(0.0)
                    _log.error("server %d of %d cannot be started: %s", place.number, len(self._places), error)
                else:
                    self.ears.add(place.process)
                    _log.info("server %d of %d is started as process %d", place.number, len(self._places), place.process.pid)

    # -- ending

    def _look_at(self, place: Place, process: ServerProcess) -> None:
        """See whether a child has ended, or should."""
        code = process.end
        if code is not None:
            process.listen()  # to its last words
            place.process = None
            place.was_up |= process.was_up
            self.ears.remove(process)
            process.discard()
            self._settle(place, process, code)
        elif self._silent_for_too_long_at(process) < time.monotonic():
            process.listen()  # perhaps it was we who did not listen, because we were stopped ourselves
            if self._silent_for_too_long_at(process) < time.monotonic():
                self._kill(process, f"did not answer for {format_duration(self._hang_timeout)} and was killed")

    def _silent_for_too_long_at(self, process: ServerProcess) -> float:
        longest = self._hang_timeout.total_seconds()
        return process.heard_at + (longest if process.heard_at > process.started_at else max(longest, START))

    def _settle(self, place: Place, process: ServerProcess, code: int) -> None:
        """Say how a child ended, and what follows from that."""
        how = process.killed_because or self._describe(code)
        if process.server is not None:
            self._died(process.server, f"its process {how}")
        if self._obeyed is not Order.RUN:
            self.has_given_back |= process.was_up and code != 0
            _log.info("server %d of %d (process %d) %s", place.number, len(self._places), process.pid, how)
            return
        if not place.was_up and code > 0:
            _log.error("server %d of %d (process %d) %s before it was up", place.number, len(self._places), process.pid, how)
            self.failed_with = self.failed_with or code
            place.start_at = float("inf")
            self.gave_up()
            return
        now = time.monotonic()
        delay = place.back_off.after(now - process.started_at)
        place.start_at = now + delay
        when = f"in {delay:g} s" if delay else "now"
        _log.warning(
            "server %d of %d (process %d) %s; another is started %s",
            *(place.number, len(self._places), process.pid, how, when),
        )

    def _describe(self, code: int) -> str:
        """How a process ended, as the end of a sentence about it."""
        out_of_memory = code == -signal.SIGKILL and self._memory.explains_a_kill()
        return f"{'was' if code < 0 else 'ended with'} {describe_end(code, out_of_memory=out_of_memory)}"

    def _kill(self, process: ServerProcess, because: str) -> None:
        if process.killed_because is None:
            _log.error("process %d %s", process.pid, because)
            process.kill(because)

    # -- stopping

    def _pass_on_orders(self, now: float) -> None:
        while self._obeyed < self._order:
            self._obeyed = Order(self._obeyed + 1)
            self._deadline = now + LAST_MOMENTS + (self._grace if self._obeyed is Order.STOP else 0.0)
            for process in self.processes:
                if self._obeyed is Order.STOP:
                    process.stop()
                elif self._obeyed is Order.HURRY:
                    process.send(Hurry())
                else:
                    self._kill(process, "was killed, because somebody wanted the end at once")
        if now > self._deadline:
            for process in self.processes:
                self._kill(process, "did not stop in time and was killed")

    def _next_look(self) -> float:
        """In how many seconds something may be due that nobody announces."""
        now = time.monotonic()
        due = [now + LOOK_AROUND, self._deadline]
        due += map(self._silent_for_too_long_at, self.processes)
        if self._obeyed is Order.RUN:
            due += [place.start_at for place in self._places if place.process is None]
        return max(0.05, min(due) - now)
