"""The process that runs the jobs, and says what that took.

python -m benchmarks.worker drain URL COUNT WORKERS   run so many jobs that are there already, once a line has come in
python -m benchmarks.worker serve URL                 serve until the input ends; each line is answered with a `Snapshot`
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
from sqlalchemy import URL, Engine, event

from benchmarks.jobs import latencies
from jobrunr import JobRunr, JobState
from jobrunr.server.garbage import spare_the_collector

LOOK = 0.01
"""Seconds between two looks at whether all is done."""


class Drained(msgspec.Struct, frozen=True, kw_only=True):
    """What it took to run jobs; for several processes, the time of the last, the memory of the largest, sums of the rest."""

    seconds: float
    cpu: float
    """Seconds, of all threads."""
    peak_memory: float
    """Resident, in MB."""
    statements: int
    """Sent to the database, each COMMIT included."""


class Snapshot(msgspec.Struct, frozen=True):
    """What a serving process has done so far."""

    at: float
    cpu: float
    memory: float
    """Resident, in MB, at its highest."""
    statements: int
    """Sent to the database, each COMMIT included."""
    latencies: list[float]


# -- from outside


def drain(url: URL, count: int, *, processes: int = 1, workers: int = 0) -> Drained:
    """Have new processes run so many of the jobs that wait, together. They begin when all of them are ready.

    Arguments:
        workers: of each process; 0 for as many as is usual.
    """
    command = [*_command("drain", url), str(count), str(workers)]
    with ExitStack() as stack:
        running = [
            stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
            for _ in range(processes)
        ]
        for process in running:
            assert process.stdout is not None
            process.stdout.readline()
        for process in running:
            assert process.stdin is not None
            process.stdin.close()
        done = [msgspec.json.decode(process.stdout.read(), type=Drained) for process in running if process.stdout]
    return Drained(
        seconds=max(each.seconds for each in done),
        cpu=sum(each.cpu for each in done),
        peak_memory=max(each.peak_memory for each in done),
        statements=sum(each.statements for each in done),
    )


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


def _drain(app: JobRunr, count: int, workers: int) -> Drained:
    goal = app.scheduler.counts()[JobState.SUCCEEDED] + count
    statements = _counted()
    spare_the_collector()  # as a worker does
    print("ready", flush=True)
    sys.stdin.read()
    began, cpu_began = time.perf_counter(), time.process_time()
    own = -1
    with app.server(workers=workers) if workers else app.server():
        looks = 1
        while True:
            time.sleep(LOOK)
            before, own = own, _done_here(app)
            # To ask the database each time takes a twentieth of the processor; so only when this process has no more to do.
            if own == before:
                looks += 1
                if app.scheduler.counts()[JobState.SUCCEEDED] >= goal:
                    break
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    return Drained(seconds=seconds, cpu=cpu, peak_memory=_memory(), statements=len(statements) - looks)


def _done_here(app: JobRunr) -> int:
    targets, _ = app._run_figures.snapshot()  # noqa: SLF001 - what the dashboard shows of this process
    return sum(runs.succeeded for runs in targets.values())


def _serve(app: JobRunr) -> None:
    statements = _counted()
    server = app.server()
    spare_the_collector()
    with server:
        for _ in sys.stdin:
            _say(Snapshot(time.monotonic(), time.process_time(), _memory(), len(statements), latencies))


def _memory() -> float:
    """What was resident at most. Not `ru_maxrss`, which begins with that of the process that started this one."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _counted() -> list[None]:
    """Grows with each statement from now on."""
    statements: list[None] = []
    for happening in ("before_cursor_execute", "commit"):
        event.listen(Engine, happening, lambda *_: statements.append(None))
    return statements


def _say(report: msgspec.Struct) -> None:
    print(msgspec.json.encode(report).decode(), flush=True)


def main(task: str, url: str, *numbers: str) -> None:
    with JobRunr(url, application="benchmarks") as app:
        if task == "drain":
            _say(_drain(app, *map(int, numbers)))
        else:
            _serve(app)


if __name__ == "__main__":
    main(*sys.argv[1:])
