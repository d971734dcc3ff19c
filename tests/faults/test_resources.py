"""There is not enough: of files, of memory, of processors, of the line to the database."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import URL, NullPool, create_engine
from sqlalchemy.exc import OperationalError

from chaos import jobs
from chaos.crew import Worker
from chaos.faults import noted
from chaos.trial import Trial
from jobrunr import Job, JobState
from tests.faults.conftest import MakeTrial
from tests.processes.conftest import Fleet, eventually
from tests.processes.jobs import eat_memory, take_effect
from tests.storage.sql.proxy import Proxy

pytestmark = pytest.mark.timeout(200)


# -- files


@pytest.mark.parametrize("url", ["postgresql", "mariadb"], indirect=True)
def test_without_any_more_files_jobs_wait_and_afterwards_it_goes_on(trial: Trial) -> None:
    workers = trial.crew.fork_all("first", "second")
    trial.ask_for(200, jobs.take_effect, 0.01)
    eventually("the drain goes on", lambda: len(trial.effects()) > 50)

    with noted(trial.crew.faults, "no files"):
        limits = {worker: allow_files(worker, 0) for worker in workers}
        cut_all(trial.url)
        trial.ask_for(50)
        time.sleep(1)  # the fault lasts
        for worker, limit in limits.items():
            allow_files(worker, limit)
    trial.wait_until_over()

    assert trial.objections() == []
    assert trial.crew.ended() == {}


def allow_files(worker: Worker, count: int) -> int:
    """How many files a process may have open; those that it has stay open. How many it was allowed before."""
    assert worker.process.pid is not None
    before, most = resource.prlimit(worker.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(worker.process.pid, resource.RLIMIT_NOFILE, (count, most))
    return before


OTHERS = {
    "postgresql": (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
        "SELECT pg_terminate_backend({})",
    ),
    "mariadb": (
        "SELECT id FROM information_schema.processlist WHERE db = database() AND id <> connection_id()",
        "KILL {}",
    ),
}


def cut_all(url: URL) -> None:
    """Let everybody need a new connection."""
    listed, end = OTHERS["postgresql" if url.get_backend_name() == "postgresql" else "mariadb"]
    with create_engine(url, poolclass=NullPool).connect() as connection:
        for (number,) in connection.exec_driver_sql(listed).all():
            with suppress(OperationalError):  # it has gone by itself meanwhile
                connection.exec_driver_sql(end.format(number))


# -- memory and processors


Group = Callable[..., Path]


@pytest.fixture
def group() -> Iterator[Group]:
    """Makes a control group with a limit."""
    made: list[Path] = []

    def make(controller: str, **limits: int) -> Path:
        root = Path("/sys/fs/cgroup")
        two = root / "cgroup.controllers"
        names = two.read_text().split() if two.exists() else [each.name for each in root.iterdir()]
        folder = (root if two.exists() else root / controller) / f"jobrunr-test-{os.getpid()}"
        try:
            folder.mkdir()
            made.append(folder)
            for name, limit in limits.items():
                (folder / LIMITS[name, two.exists()]).write_text(str(limit))
        except OSError as error:
            pytest.skip(f"no control group can be made here for {controller}, of {', '.join(names)}: {error}")
        return folder

    yield make
    for folder in made:
        for pid in (folder / "cgroup.procs").read_text().split():
            os.kill(int(pid), signal.SIGKILL)
        eventually("all of its processes are gone", lambda folder=folder: not (folder / "cgroup.procs").read_text())
        folder.rmdir()


LIMITS = {
    ("memory", True): "memory.max",
    ("memory", False): "memory.limit_in_bytes",
    ("processor", True): "cpu.max",
    ("processor", False): "cpu.cfs_quota_us",
}
"""The files of the two versions of control groups. The period of the processor is a tenth of a second in both."""


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_job_that_eats_all_memory_is_quarantined_and_the_reason_is_told(fleet: Fleet, group: Group) -> None:
    small = group("memory", memory=150 * 2**20)
    supervisor = fleet.start("shop", "--processes", "1", max_crashes=2, workers=1)
    (small / "cgroup.procs").write_text(str(supervisor.pid))  # long before it starts a server
    hungry = fleet.app.scheduler.options(retries=0, execution="process").enqueue(eat_memory)
    eventually("it has failed", lambda: fleet.app.scheduler.get(hungry).state is JobState.FAILED)
    greedy = fleet.app.scheduler.enqueue(eat_memory)
    eventually("it is given up", lambda: fleet.app.scheduler.get(greedy).state is JobState.FAILED)

    assert how_it_died(fleet.app.scheduler.get(hungry)) == [KILLED]
    job = fleet.app.scheduler.get(greedy)
    assert how_it_died(job) == [KILLED] * 2
    assert job.history[-1].reason == "quarantined: its process died 2 times while it ran"
    neighbour = fleet.app.scheduler.enqueue(take_effect, 1)
    eventually("others run", lambda: fleet.app.scheduler.get(neighbour).state is JobState.SUCCEEDED)
    assert supervisor.poll() is None


KILLED = "killed by signal 9 (SIGKILL), out of memory"


def how_it_died(job: Job) -> list[str]:
    said = [change.exception.message for change in job.history if change.exception is not None]
    return [KILLED for message in said if KILLED in message]


def test_with_a_quarter_of_the_processor_that_it_wants_nobody_is_taken_for_dead(
    postgresql: URL, make_trial: MakeTrial, group: Group
) -> None:
    trial = make_trial(postgresql, workers=4, server_timeout="3s")
    workers = trial.crew.fork_all("first", "second")
    slow = group("cpu", processor=50_000)  # half a processor for two processes that compute
    for worker in workers:
        (slow / "cgroup.procs").write_text(str(worker.process.pid))
    trial.ask_for(8, jobs.compute, 0.3)

    trial.wait_until_over()
    for worker in workers:
        worker.terminate()
        worker.wait()

    assert trial.objections() == []
    assert trial.crew.query("SELECT DISTINCT state, attempts FROM jobrunr_jobs") == [("SUCCEEDED", 1)]


# -- a thin line


def test_the_heartbeat_does_not_wait_behind_large_arguments(
    postgresql: URL, make_trial: MakeTrial, make_proxy: Callable[[URL], tuple[Proxy, URL]]
) -> None:
    proxy, through = make_proxy(postgresql)
    trial = make_trial(postgresql, storage_timeout="30s", workers=1)
    trial.crew.fork_all("others", queues="of others")
    trial.crew.fork("far", url=through.render_as_string(hide_password=False), workers=8)
    trial.crew.wait_until_up("far")
    proxy.limit(200_000)
    trial.ask_for(8, jobs.take_effect_with, "x" * 80_000)

    trial.wait_until_over()

    assert trial.objections() == []
    assert trial.crew.query("SELECT DISTINCT state, attempts FROM jobrunr_jobs") == [("SUCCEEDED", 1)]
