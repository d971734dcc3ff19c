"""The clock of the database is set while servers work, or tells a time that few programs have ever seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import URL

from chaos import jobs
from chaos.trial import Trial
from tests.conftest import ON_CI
from tests.faults.conftest import MakeTrial
from tests.faults.test_many_servers import LIBFAKETIME
from tests.processes.conftest import eventually
from tests.storage.conftest import DROP_POSTGRESQL, new_database
from tools import services

pytestmark = [
    pytest.mark.timeout(200),
    pytest.mark.skipif(LIBFAKETIME is None, reason="no libfaketime on this machine: apt install libfaketime"),
]

HOUR = 3600.0
AT_ONCE = ["FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"]

SetClock = Callable[[float], None]


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[URL, SetClock]]:
    """A PostgreSQL server of our own, and what sets its clock to so many seconds beside that of the machine."""
    with TemporaryDirectory(prefix="jobrunr-test-") as folder:
        clock = Path(folder) / "clock"

        def set_clock(offset: float) -> None:
            fresh = clock.with_name("fresh")
            fresh.write_text(f"{offset:+.0f}")
            fresh.rename(clock)  # at one moment

        def by_this_clock(folder: Path, port: int, connections: int) -> list[list[str]]:
            *preparations, last = services.postgresql_server(folder, port, connections)
            return [*preparations, ["env", f"LD_PRELOAD={LIBFAKETIME}", f"FAKETIME_TIMESTAMP_FILE={clock}", *AT_ONCE, *last]]

        set_clock(0)
        try:
            own = services.OwnServer(replace(services.DATABASES[0], own_server=by_this_clock), Path(folder))
            own.prepare()
            own.start()
        except services.UnavailableError as error:
            if ON_CI:
                raise
            pytest.skip(f"no PostgreSQL of our own: {error}")
        yield own.url, set_clock
        own.stop()


@pytest.fixture
def own_database(server: tuple[URL, SetClock]) -> Iterator[tuple[URL, SetClock]]:
    url, set_clock = server
    set_clock(0)
    with new_database(url.render_as_string(hide_password=False), DROP_POSTGRESQL) as database:
        yield database, set_clock


def heartbeats(trial: Trial, count: int) -> None:
    """Wait until each server was heard so often."""
    seen: dict[str, set[datetime | None]] = {}

    def are_heard() -> bool:
        for server in trial.app.storage.servers():
            seen.setdefault(server.name, set()).add(server.last_heartbeat)
        return all(len(times) > count for times in seen.values())

    eventually(f"each server was heard {count} times", are_heard)


def test_when_it_is_set_by_an_hour_nobody_is_taken_for_dead(
    own_database: tuple[URL, SetClock], make_trial: MakeTrial, tmp_path: Path
) -> None:
    url, set_clock = own_database
    trial = make_trial(url)
    trial.crew.fork_all("one", "two", "three")
    gate = tmp_path / "gate"
    in_the_middle = [trial.ask(jobs.wait_at_gates, str(gate)) for _ in range(12)]
    eventually("they are in the middle", lambda: all(trial.begun(job_id) for job_id in in_the_middle))
    before = {name: server.id for name, server in trial.crew.servers().items()}

    for offset in (HOUR, -HOUR):
        set_clock(offset)
        trial.ask_for(20)
        heartbeats(trial, 8)
    trial.schedule(timedelta(seconds=1), jobs.take_effect)
    gate.touch()
    trial.wait_until_over()

    assert {name: server.id for name, server in trial.crew.servers().items()} == before
    assert trial.crew.query("SELECT DISTINCT state, attempts FROM jobrunr_jobs") == [("SUCCEEDED", 1)]
    assert [trial.begun(job_id) for job_id in in_the_middle] == [1] * 12


@pytest.mark.parametrize("at", [datetime(2038, 1, 19, 3, 14, 5, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)], ids=str)
def test_years_that_overflow_elsewhere_are_years_like_any_other(
    own_database: tuple[URL, SetClock], make_trial: MakeTrial, at: datetime
) -> None:
    url, set_clock = own_database
    set_clock(at.timestamp() - time.time())
    trial = make_trial(url)
    trial.crew.fork_all("worker")
    trial.ask_for(20)
    trial.ask(jobs.fail_once)
    trial.schedule(timedelta(seconds=1), jobs.take_effect)

    heartbeats(trial, 8)
    trial.wait_until_over()

    assert {state for (state,) in trial.crew.query("SELECT state FROM jobrunr_jobs")} == {"SUCCEEDED"}
    assert trial.app.storage.now().year == at.year
