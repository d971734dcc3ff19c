"""Faults of all kinds, one after the other and some at a time, as a plan says, under a stream of jobs."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import URL

from chaos import servers
from chaos.crew import Worker
from chaos.faults import noted
from chaos.plan import POINTS, Planned, plan
from chaos.stream import Stream
from chaos.trial import Trial
from jobrunr import JobRunr
from tests.processes.conftest import eventually
from tests.storage.sql.proxy import Proxy
from tools.services import OwnServer

WORKERS = 4
RATE = 150.0
TIMEOUT = 4.0
"""Seconds until a silent server is dead."""
SETTINGS: dict[str, Any] = {
    "heartbeat_interval": "500ms",
    "server_timeout": f"{TIMEOUT:g}s",
    "storage_timeout": "2s",
    "workers": 8,
}


class Storm:
    """Use it as a context manager.

    Arguments:
        url: an empty database.
        folder: for ledger and logs.
        server: the server of the database if it may be restarted.
    """

    def __init__(self, url: URL, folder: Path, seed: int, server: OwnServer | None = None) -> None:
        self.storage = url.get_backend_name()
        self.seed = seed
        self._server = server
        self._stack = ExitStack()
        self._proxies = [self._stack.enter_context(_proxy_to(url)) for _ in range(2)] if url.host else []
        self._ways = [url.set(port=proxy.port) for proxy in self._proxies] or [url]
        self.trial = Trial(url, folder, masters_lost=3, **SETTINGS)
        self.trial.crew.shows_logs = False
        self._numbers = count(1)
        self._paused: list[tuple[float, Worker]] = []
        self._started_at = 0.0

    def rage(self, seconds: float, rate: float = RATE) -> None:
        """Let it go on for a while; then mend everything and wait until all jobs have ended."""
        way = self._ways[-1].render_as_string(hide_password=False)
        with JobRunr(way, application="chaos", storage_timeout="2s") as app:
            self.stream = Stream(self.trial, app, rate, self.seed)
            with self.stream:
                self._do_as_planned(time.monotonic() + seconds)
        eventually("all jobs have ended", self._is_over, every=0.2, timeout=180)
        for worker in self.trial.crew.workers.values():
            worker.terminate()
        for worker in self.trial.crew.workers.values():
            worker.wait()

    def _is_over(self) -> bool:
        self._keep_strength()
        return not self._paused and self.trial.is_over()

    def _do_as_planned(self, end: float) -> None:
        for planned in plan(self.seed, self.storage, with_server=self._server is not None):
            begin = time.monotonic() + planned.after
            while time.monotonic() < min(begin, end):
                self._keep_strength()
                time.sleep(0.05)
            if time.monotonic() >= end:
                return
            self._do(planned)

    def _do(self, planned: Planned) -> None:
        kind, share = planned.kind, planned.share
        if kind in WORKER_FAULTS:
            healthy = [worker for worker in self.trial.crew.workers.values() if worker.gone_since is None]
            if len(healthy) > 1:  # with the last one gone there would be nothing to see
                WORKER_FAULTS[kind](self, healthy[int(share * len(healthy))], share)
            return
        with noted(self.trial.crew.faults, kind), self._happening(kind, share):
            time.sleep(0.2 + 2.5 * (share * 10 % 1))

    def _happening(self, kind: str, share: float) -> AbstractContextManager[None]:
        if kind == "locked":
            return _locked(self.trial.url)
        if kind in SERVER_FAULTS:
            assert self._server is not None
            return SERVER_FAULTS[kind](self._server)
        return _network(self._proxies[int(share * len(self._proxies))], kind)

    # -- workers

    def _keep_strength(self) -> None:
        """Let those go on whose pause is over, and start new ones for those that are dead."""
        now = time.monotonic()
        for until, worker in [each for each in self._paused if each[0] <= now]:
            worker.go_on()
            self._paused.remove((until, worker))
        crew = self.trial.crew.workers.values()
        for worker in crew:
            if worker.is_up and worker.gone_since is None and worker.is_paused:  # at its point
                worker.note_pause()
                self._paused.append((now + TIMEOUT * 1.5, worker))
        # One that starts in an outage ends at once, and somebody starts it anew: like a supervisor, not at once.
        if sum(worker.is_up and not worker.is_leaving for worker in crew) < WORKERS and now > self._started_at + 0.5:
            self._start()

    def _start(self, point: str = "") -> None:
        self._started_at = time.monotonic()
        number = next(self._numbers)
        way = self._ways[number % len(self._ways)].render_as_string(hide_password=False)
        self.trial.crew.fork(f"worker-{number}", point=point, url=way)

    def kill(self, worker: Worker, share: float) -> None:
        worker.kill()

    def pause_long(self, worker: Worker, share: float) -> None:
        worker.stop()
        self._paused.append((time.monotonic() + TIMEOUT * (1.2 + share), worker))

    def pause_short(self, worker: Worker, share: float) -> None:
        worker.stop()
        self._paused.append((time.monotonic() + TIMEOUT * 0.4 * share, worker))

    def deploy(self, worker: Worker, share: float) -> None:
        worker.terminate()

    def die_at_point(self, worker: Worker, share: float) -> None:
        worker.terminate()
        self._start(POINTS[int(share * 1000) % len(POINTS)])

    def __enter__(self) -> Self:
        self._stack.enter_context(self.trial)
        for _ in range(WORKERS):
            self._start()
        eventually("the workers are up", lambda: len(self.trial.crew.servers()) == WORKERS)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()


WORKER_FAULTS: dict[str, Callable[[Storm, Worker, float], None]] = {
    "kill": Storm.kill,
    "long pause": Storm.pause_long,
    "short pause": Storm.pause_short,
    "deploy": Storm.deploy,
    "death at a point": Storm.die_at_point,
}

SERVER_FAULTS: dict[str, servers.Happening] = {
    "restarted": servers.restarted,
    "crashed": servers.crashed,
    "full": servers.full,
    "without connections": servers.without_connections,
    "read only": servers.read_only,
}


def _proxy_to(url: URL) -> Proxy:
    assert url.host is not None
    return Proxy(url.host, url.port or {"postgresql": 5432, "mariadb": 3306}[url.get_backend_name()])


@contextmanager
def _network(proxy: Proxy, kind: str) -> Iterator[None]:
    """What a network does to everything that goes through a proxy."""
    actions: dict[str, Callable[[], None]] = {
        "cut": proxy.cut,
        "delay": lambda: proxy.delay(0.05),
        "thin line": lambda: proxy.limit(50_000),
        "freeze": proxy.freeze,
        "swallow": proxy.swallow,
        "refuse": proxy.refuse,
        "lost answers": lambda: proxy.lose_answers(every=7),
    }
    actions[kind]()
    yield
    if kind in ("freeze", "swallow"):
        proxy.cut()  # whoever waits without a time limit, as in a transaction of a job's own, hears now that it was in vain
    proxy.heal()


@contextmanager
def _locked(url: URL) -> Iterator[None]:
    """Somebody else writes to the file, and takes his time: we, or a worker that was stopped while it did."""
    with closing(sqlite3.connect(str(url.database), isolation_level=None, timeout=1)) as other:
        with suppress(sqlite3.OperationalError):
            other.execute("BEGIN IMMEDIATE")
        yield
