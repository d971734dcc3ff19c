"""A child process, as its server sees it."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing import Pipe
from multiprocessing.spawn import get_executable
from pathlib import Path

import msgspec

from jobrunr.errors import JobCancelledError, JobProcessDiedError
from jobrunr.server.processes.child import DISCONNECTED
from jobrunr.server.processes.ends import describe_end, oom_kills
from jobrunr.server.processes.messages import (
    Cancel,
    FromChild,
    FromServer,
    Hello,
    Order,
    Raised,
    Returned,
    decode_from_child,
    encode,
)
from jobrunr.server.run import Run
from jobrunr.settings import Settings

LAST_MOMENT = 3.0
"""Seconds that a job has to end, once it was told to; then its process is killed."""

LOOK_AROUND = 0.25
"""Seconds between two looks at the process while it says nothing."""

_LARGEST_BESIDES = 2**20
"""Bytes that a message may take besides what it is about."""

_BOOT = """
import sys
from json import loads
from multiprocessing.connection import Connection
connection = Connection(int(sys.argv[1]))
sys.path[:] = loads(connection.recv_bytes())
from jobrunr.server.processes.child import main
main(connection, int(sys.argv[2]), int(sys.argv[3]))
"""


class JobProcess:
    """One child process: started anew, not forked. It has a session of its own, so that a Ctrl-C in the terminal is for the
    server, and that it can be killed with all that its job has started.

    Arguments:
        settings: sizes.
    """

    def __init__(self, settings: Settings) -> None:
        self._connection, theirs = Pipe()
        lifeline, self._lifeline = os.pipe()
        self._crash_report = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._run: Run | None = None
        self._interrupted_at: float | None = None
        self._is_spoilt = False
        self._oom_kills = oom_kills()
        self._largest = _LARGEST_BESIDES + max(
            settings.max_result_size, settings.max_traceback_size, settings.max_log_line_size
        )
        fds = (theirs.fileno(), lifeline, self._crash_report.fileno())
        try:
            self._process = subprocess.Popen(  # noqa: S603 - ourselves
                [get_executable(), *(f"-W{option}" for option in sys.warnoptions), "-P", "-c", _BOOT, *map(str, fds)],
                stdin=subprocess.DEVNULL,
                pass_fds=fds,
                start_new_session=True,
            )
        except BaseException:
            self._let_go()
            raise
        finally:
            theirs.close()
            os.close(lifeline)
        self._unsaid = [json.dumps(_absolute(sys.path)).encode(), encode(_hello(settings))]
        """What it has to be told first."""

    @property
    def is_usable(self) -> bool:
        """Whether it can run another job."""
        return not self._is_spoilt and self._interrupted_at is None and self._ended() is None

    # -- running

    def perform(self, run: Run, order: Order, hear: Callable[[FromChild], FromServer | None]) -> Returned | Raised:
        """Run a job, and wait for its end.

        Arguments:
            hear: is told what the job says, in this thread. Returns an answer, if one is due.

        Raises:
            JobProcessDiedError: the process ended before the job did.
            JobCancelledError: it was ended because the run was told to end.
        """
        with self._lock:
            self._run = run
        run.stop = partial(self._interrupt, run)
        try:
            if run.end is not None:  # told to end before there was a process to stop
                raise JobCancelledError(run.job.id)
            self._send(*self._unsaid, encode(order))
            self._unsaid = []
            return self._listen(run, hear)
        except (EOFError, OSError, msgspec.MsgspecError) as error:
            self._is_spoilt = True
            if run.end is not None:
                raise JobCancelledError(run.job.id) from None
            raise self._death() from error
        finally:
            run.stop = None
            with self._lock:
                self._run = None

    def _listen(self, run: Run, hear: Callable[[FromChild], FromServer | None]) -> Returned | Raised:
        while True:
            if self._interrupted_at is not None and time.monotonic() > self._interrupted_at + LAST_MOMENT:
                self.kill()
            if not self._connection.poll(LOOK_AROUND):
                if self._ended() is None or self._connection.poll():
                    continue
                raise EOFError  # others, whom the job has started, still hold the connection
            message = decode_from_child(self._connection.recv_bytes(self._largest))
            if isinstance(message, Returned | Raised):
                return message
            answer = hear(message)
            if answer is not None:
                self._send(encode(answer))

    def _interrupt(self, run: Run) -> None:
        """Tell the job to end, unless another runs here by now. After that the process is of no use any more."""
        with self._lock:
            if self._run is not run or self._interrupted_at is not None:
                return
            self._interrupted_at = time.monotonic()
        if not self._sending.acquire(blocking=False):  # it does not even listen
            self.kill()
            return
        try:
            with suppress(OSError):
                self._connection.send_bytes(encode(Cancel()))
        finally:
            self._sending.release()

    def _send(self, *messages: bytes) -> None:
        with self._sending:
            for message in messages:
                self._connection.send_bytes(message)

    # -- ending

    def close(self) -> None:
        """Let an idle process end."""
        self._connection.close()

    def has_ended(self, within: float) -> bool:
        """Wait until it has ended. Whether that came in time."""
        deadline = time.monotonic() + within
        while self._ended() is None:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.002)
        return True

    def kill(self) -> None:
        """End it at once, with all that its job has started."""
        with self._lock:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)

    def discard(self) -> None:
        """Kill it if it lives, and forget it."""
        self.kill()
        self._process.wait()
        self._let_go()

    def _let_go(self) -> None:
        self._connection.close()
        os.close(self._lifeline)
        self._crash_report.close()

    def _ended(self) -> int | None:
        """The exit code, when it has ended."""
        with self._lock:  # whoever kills it must not meet another process with the same id
            return self._process.poll()

    def _death(self) -> JobProcessDiedError:
        """Why it ended."""
        if not self.has_ended(within=1.0):
            return JobProcessDiedError("it said what nobody understands, and was killed")
        code = self._process.returncode
        if code == DISCONNECTED:
            return JobProcessDiedError(
                "it lost its connection to the server; does the job close files that are not its own?"
            )
        before, after = self._oom_kills, oom_kills()
        out_of_memory = code == -signal.SIGKILL and before is not None and after is not None and after > before
        error = JobProcessDiedError(describe_end(code, out_of_memory=out_of_memory))
        if report := self._read_crash_report():
            error.add_note(report)
        return error

    def _read_crash_report(self) -> str:
        self._crash_report.seek(0)
        return self._crash_report.read(2**14).decode(errors="replace").strip()


def _hello(settings: Settings) -> Hello:
    loggers = {"": logging.getLogger(), **logging.getLogger().manager.loggerDict}
    return Hello(
        levels={
            name: logger.level for name, logger in loggers.items() if isinstance(logger, logging.Logger) and logger.level
        },
        max_log_line_size=settings.max_log_line_size,
        max_result_size=settings.max_result_size,
        max_traceback_size=settings.max_traceback_size,
    )


def _absolute(paths: list[str]) -> list[str]:
    """Where to look for modules, whatever the working directory becomes. The empty path is the working directory."""
    return [str(Path(path).absolute()) for path in paths]
