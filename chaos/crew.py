"""The worker processes of a trial. They are forked from a process that has imported everything, so that starting one takes a
few hundredths of a second; from there on each is ``jobrunr worker``."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from contextlib import ExitStack, suppress
from multiprocessing.process import BaseProcess
from pathlib import Path

from sqlalchemy import URL

from chaos import jobs
from chaos.faults import FOR_EVER, Fault
from chaos.inside import POINT, PROTOCOL
from jobrunr import cli
from tests.processes.conftest import ROOT, Fleet, eventually

_IMPORTED = ["chaos.jobs", "chaos.crew", "jobrunr.cli.worker", "jobrunr.storage.sql", "psycopg", "pymysql"]
_forking = multiprocessing.get_context("forkserver")
_forking.set_forkserver_preload(_IMPORTED)

APPLICATION = f"{jobs.application.__module__}:{jobs.application.__name__}"


class Worker:
    """One worker process, and what the harness did to it."""

    def __init__(self, name: str, process: BaseProcess) -> None:
        self.name = name
        self.process = process
        self.is_leaving = False
        """Whether it was asked to stop."""
        self._gone_since: float | None = None
        self.faults: list[Fault] = []

    @property
    def is_up(self) -> bool:
        """Whether it runs, as far as the operating system knows."""
        return self.process.is_alive()

    @property
    def gone_since(self) -> float | None:
        """Since when it is dead or stopped, in seconds of the clock of this machine, as far as we have noticed."""
        if self._gone_since is None and not self.is_up:
            self._gone_since = time.time()
        return self._gone_since

    def kill(self) -> None:
        """As the kernel does when memory runs out."""
        self._gone("kill")
        self.process.kill()
        self.process.join()

    def stop(self) -> None:
        """Pause it, as a laptop that sleeps."""
        self._gone("stop")
        self._send(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        self.faults[-1] = self.faults[-1].ended(time.time())
        self._gone_since = None
        with suppress(ProcessLookupError):  # it was let go on before, and has ended
            self._send(signal.SIGCONT)

    def terminate(self) -> None:
        """Ask it to stop."""
        self.is_leaving = True
        self.process.terminate()

    def wait_for_death(self, timeout: float = 60.0) -> None:
        """Wait until it is dead by what it does to itself."""
        self.process.join(timeout)
        assert not self.is_up, f"{timeout:g} s passed, but {self.name} lives"

    def wait(self, timeout: float = 60.0) -> int | None:
        """Wait until it has ended. Its exit code."""
        self.process.join(timeout)
        return self.process.exitcode

    @property
    def is_paused(self) -> bool:
        """Whether it is stopped, by whomever."""
        try:
            status = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8")
        except OSError:  # it has just ended
            return False
        return status.rpartition(")")[2].split()[0] == "T"

    def note_pause(self) -> None:
        """Take note that it has paused itself."""
        self._gone_since = time.time()

    def wait_for_pause(self) -> None:
        """Wait until it has paused itself."""
        eventually(f"{self.name} has paused", lambda: self.is_paused)
        self.note_pause()

    def _gone(self, kind: str) -> None:
        self._gone_since = time.time()
        self.faults.append(Fault(kind=kind, begin=self._gone_since, end=FOR_EVER, server=self.name))

    def _send(self, number: signal.Signals) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)


class Crew(Fleet):
    """Real worker processes of the harness, by name. Names are never used twice.

    Arguments:
        url: the database, by a way that no fault is on.
        settings: those of all workers; another ``url`` among them is another way to the same database.
    """

    def __init__(self, url: URL, folder: Path, stack: ExitStack, /, **settings: object) -> None:
        super().__init__(url, folder, stack)
        self.folder = folder
        self._settings = settings
        self.workers: dict[str, Worker] = {}
        self.faults: list[Fault] = []
        """What was done to the storage, or to everybody."""
        self.shows_logs = True
        self.ledger_path = folder / "ledger"

    def fork(self, name: str, *, point: str = "", protocol: str = "", app: str = APPLICATION, **settings: object) -> Worker:
        """Start a worker.

        Arguments:
            app: the application whose jobs it runs.
            point: where it does something to itself; see `chaos.inside`.
            protocol: which broken protocol it keeps.
            settings: its settings, besides those of the crew.
        """
        environ = self._environment({**self._settings, **settings}) | {POINT: point, PROTOCOL: protocol}
        process = _forking.Process(target=_work, args=(name, app, environ, str(self.folder / f"{name}.log")), daemon=True)
        process.start()
        worker = self.workers[name] = Worker(name, process)
        if point.endswith(("kill", "stop")):
            worker.faults.append(Fault(kind=point, begin=time.time(), end=FOR_EVER, server=name))
        self._stack.callback(self._show_log, name)
        self._stack.callback(_end, process)
        return worker

    def fork_all(self, *names: str, **settings: object) -> list[Worker]:
        """Start some, and wait until they are up."""
        workers = [self.fork(name, **settings) for name in names]  # type: ignore[arg-type]
        self.wait_until_up(*names)
        return workers

    def ended(self) -> dict[str, int | None]:
        """Workers that do not run any more, and their exit codes."""
        return {worker.name: worker.process.exitcode for worker in self.workers.values() if not worker.is_up}

    def _show_log(self, name: str) -> None:
        if self.shows_logs:
            super()._show_log(name)

    def all_faults(self) -> list[Fault]:
        """What was done to the storage and to every worker."""
        return [*self.faults, *(fault for worker in [*self.workers.values()] for fault in worker.faults)]


def _end(process: BaseProcess) -> None:
    if process.is_alive():
        process.kill()
    process.join()


def _work(name: str, app: str, environ: dict[str, str], log: str) -> None:
    """What a forked process does: be a worker, until it is told to stop or the harness is gone."""
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environ)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(output, stream)
    threading.Thread(target=_end_with_harness, daemon=True).start()
    sys.argv[1:] = ["worker", "--app", app, "--name", name]
    cli.main()


def _end_with_harness() -> None:
    harness = multiprocessing.parent_process()
    assert harness is not None
    harness.join()
    os._exit(70)
