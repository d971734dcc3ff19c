"""One trial: workers on a database, jobs that are asked for, faults, and the verdict."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from msgspec.structs import replace
from sqlalchemy import URL, NullPool, create_engine, text

from chaos import jobs
from chaos.crew import Crew
from chaos.faults import Fault
from chaos.jobs import Effect
from chaos.oracle import ENDS, Evidence, objections, read_ledger, read_tables
from chaos.watch import Watch
from jobrunr import JobId, JobRunr
from jobrunr.durations import parse_duration
from tests.processes.conftest import eventually

SLACK = 5.0
"""Seconds that a busy machine may add to a promise."""


class Trial:
    """Use it as a context manager.

    Arguments:
        url: an empty database, by a way that no fault is on.
        folder: for ledger and logs.
        through: the same database by way of a proxy, for the workers; the same way as ours when None.
        masters_lost: how many masters may be lost one after the other; each costs one more time-out to notice.
        settings: those of the workers.
    """

    def __init__(
        self, url: URL, folder: Path, *, through: URL | None = None, masters_lost: int = 1, **settings: object
    ) -> None:
        self.url = url
        self._stack = ExitStack()
        self._masters_lost = masters_lost
        self.settings = {
            "heartbeat_interval": "300ms",
            "server_timeout": "2s",
            "workers": 8,
            "retry_delays": "200ms",
            **settings,
        }
        way = (through or url).render_as_string(hide_password=False)
        self.crew = Crew(url, folder, self._stack, url=way, **self.settings)
        self.app = self.crew.app
        """Asks for jobs and looks at them, by the way without faults."""
        self.asked: dict[str, bool] = {}
        self.watch = Watch(url, self._gone_since, self._healed_at)

    @property
    def promise(self) -> float:
        """How long, in seconds, a job may stay with a server that is gone: silence, and then some looks at each other."""
        silence, interval = (
            parse_duration(str(self.settings[name])).total_seconds() for name in ("server_timeout", "heartbeat_interval")
        )
        return silence * (1 + self._masters_lost) + 3 * interval + SLACK

    def ask(self, function: Callable[..., Any], *args: object, app: JobRunr | None = None, **options: Any) -> JobId:
        """Ask for a job.

        Arguments:
            app: who asks; we, by the way without faults, unless said otherwise.
            options: those of the job.

        Raises:
            StorageUnavailableError: nobody knows whether the job is stored.
        """
        job_id: JobId = options.pop("id", None) or JobId.new()
        self.asked.setdefault(str(job_id), False)
        (app or self.app).scheduler.options(id=job_id, **options).enqueue(function, *args)
        self.asked[str(job_id)] = True
        return job_id

    def schedule(self, delay: timedelta, function: Callable[..., Any], *args: object) -> None:
        """Ask for a job at a later time."""
        self.asked[str(self.app.scheduler.schedule(delay, function, *args))] = True

    def ask_for(self, count: int, function: Callable[..., Any] = jobs.take_effect, *args: object) -> list[JobId]:
        """Ask for many of a kind."""
        ids = list(self.app.scheduler.enqueue_many(function, [args] * count))
        self.asked |= dict.fromkeys(map(str, ids), True)
        return ids

    def effects(self) -> list[Effect]:
        """What jobs wrote down so far."""
        return read_ledger(self.crew.ledger_path)

    def begun(self, job_id: JobId) -> int:
        """How often a job has begun so far."""
        return sum(effect.job == str(job_id) and effect.what == "begin" for effect in self.effects())

    def wait_until_begun(self, job_id: JobId) -> None:
        eventually(f"{job_id} has begun", lambda: self.begun(job_id) > 0)

    def is_over(self) -> bool:
        """Whether every job that is stored has ended."""
        ends = ", ".join(repr(str(state)) for state in ENDS)
        return self.crew.query(f"SELECT id FROM jobrunr_jobs WHERE state NOT IN ({ends}) LIMIT 1") == []

    def wait_until_over(self) -> None:
        """Wait until every job that is stored has ended."""
        eventually("all jobs have ended", self.is_over, every=0.05)

    def faults(self) -> list[Fault]:
        """All that was done. On SQLite, who is stopped while he writes holds up everybody: there it was done to all."""
        done = self.crew.all_faults()
        if self.url.get_backend_name() != "sqlite":
            return done
        return [replace(fault, server=None) if fault.kind.endswith("stop") else fault for fault in done]

    def evidence(self) -> Evidence:
        """What is known by now."""
        return Evidence(asked=self.asked, effects=self.effects(), tables=read_tables(self.url), faults=self.faults())

    def objections(self) -> list[str]:
        """Everything that is not as it should be."""
        found = objections(self.evidence())
        longest = self.watch.longest
        if longest is not None and longest[0] > self.promise:
            seconds, (job_id, _, server) = longest
            found.append(f"late: job {job_id} stayed with {server}, which was gone, for {seconds:.1f} s")
        return found

    def _gone_since(self, name: str) -> float | None:
        worker = self.crew.workers.get(name)
        return None if worker is None else worker.gone_since

    def _healed_at(self) -> float | None:
        """When the last fault of the storage was over; None while there is one."""
        ends = [fault.end for fault in self.faults() if fault.server is None]
        latest = max(ends, default=0.0)
        return None if latest > time.time() else latest

    def __enter__(self) -> Self:
        self.app.storage  # noqa: B018 - makes the tables
        with create_engine(self.url, poolclass=NullPool).begin() as connection:
            connection.execute(text("CREATE TABLE effects (job VARCHAR(36) NOT NULL)"))
        self.watch.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.watch.__exit__(kind, error, trace)
        self._stack.close()
