"""The process that runs the jobs, and says what that took.

python -m benchmarks.worker drain URL COUNT    run so many jobs that are there already
python -m benchmarks.worker serve URL          serve until the input ends; each line of it is answered with a `Snapshot`
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from types import TracebackType
from typing import Self

import msgspec
from sqlalchemy import URL, Engine, event

from benchmarks.jobs import latencies
from jobrunr import JobRunr, JobState

LOOK = 0.02
"""Seconds between two looks at the counts while jobs are drained."""


class Drained(msgspec.Struct, frozen=True):
    """What it took to run jobs."""

    seconds: float
    cpu: float
    """Seconds, of all threads."""
    peak_memory: float
    """Resident, in MB."""


class Snapshot(msgspec.Struct, frozen=True):
    """What a serving process has done so far."""

    at: float
    cpu: float
    statements: int
    """Sent to the database, each COMMIT included."""
    latencies: list[float]


# -- from outside


def drain(url: URL, count: int) -> Drained:
    """Have a new process run so many of the jobs that wait."""
    done = subprocess.run([*_command("drain", url), str(count)], stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=Drained)


class Serving:
    """A process that serves, for the duration of a block."""

    def __init__(self, url: URL) -> None:
        self._process = subprocess.Popen(_command("serve", url), stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def snapshot(self) -> Snapshot:
        """What it has done so far. The first one waits until it is up."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        return msgspec.json.decode(self._process.stdout.readline(), type=Snapshot)

    def __enter__(self) -> Self:
        self.snapshot()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self._process.communicate(timeout=30)
        finally:
            self._process.kill()


def _command(task: str, url: URL) -> list[str]:
    return [sys.executable, "-m", "benchmarks.worker", task, url.render_as_string(hide_password=False)]


# -- from inside


def _drain(app: JobRunr, count: int) -> Drained:
    goal = app.scheduler.counts()[JobState.SUCCEEDED] + count
    began, cpu_began = time.perf_counter(), time.process_time()
    with app.server():
        while app.scheduler.counts()[JobState.SUCCEEDED] < goal:
            time.sleep(LOOK)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    return Drained(seconds, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def _serve(app: JobRunr) -> None:
    statements: list[None] = []
    for happening in ("before_cursor_execute", "commit"):
        event.listen(Engine, happening, lambda *_: statements.append(None))
    with app.server():
        for _ in sys.stdin:
            _say(Snapshot(time.monotonic(), time.process_time(), len(statements), latencies))


def _say(report: msgspec.Struct) -> None:
    print(msgspec.json.encode(report).decode(), flush=True)


def main(task: str, url: str, *count: str) -> None:
    with JobRunr(url, application="benchmarks") as app:
        if task == "drain":
            _say(_drain(app, int(count[0])))
        else:
            _serve(app)


if __name__ == "__main__":
    main(*sys.argv[1:])
