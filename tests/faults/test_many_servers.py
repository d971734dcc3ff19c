"""Several servers at once: all of them master, replaced under load, or with clocks that disagree."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import URL

from chaos import jobs
from chaos.crew import APPLICATION
from tests.faults.conftest import MakeTrial
from tests.processes.conftest import eventually

pytestmark = pytest.mark.timeout(200)
LIBFAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


@pytest.mark.usefixtures("crowd")
@pytest.mark.timeout(400)
def test_ten_masters_at_once_do_each_duty_once(postgresql: URL, make_trial: MakeTrial) -> None:
    trial = make_trial(postgresql, server_timeout="4s", workers=2)
    names = [f"master-{number}" for number in range(10)]
    masters = [trial.crew.fork(name, protocol="everybody is master") for name in names]
    trial.crew.wait_until_up(*names)
    for second in range(3):
        until = trial.app.storage.now() + timedelta(seconds=3)
        options = trial.app.scheduler.options(id=f"tick-{second}", until=until, max_concurrent=100)
        options.schedule_recurrently(timedelta(seconds=1), jobs.tick)
    for _ in range(50):
        trial.schedule(timedelta(seconds=1), jobs.take_effect)
    at_gate = [trial.ask(jobs.wait_at_gates, "/nowhere") for _ in range(4)]
    eventually("they wait at the gate", lambda: all(trial.begun(job_id) for job_id in at_gate))
    victims = {effect.server for effect in trial.effects() if effect.job in map(str, at_gate)}
    for name in victims:
        trial.crew.workers[name].kill()

    eventually("no run will follow", lambda: trial.app.scheduler.recurring.list() == [])
    trial.wait_until_over()

    assert trial.objections() == []
    assert [trial.begun(job_id) for job_id in at_gate] == [2] * 4
    runs = Counter((effect.recurring, effect.run_at) for effect in trial.effects() if effect.recurring)
    assert len(runs) >= 3
    assert {master.is_up for master in masters if master.name not in victims} == {True}


def test_a_rolling_deploy_under_load_uses_up_no_attempt(url: URL, make_trial: MakeTrial) -> None:
    trial = make_trial(url, server_timeout="10s", workers=4)
    old = trial.crew.fork_all("old-1", "old-2")
    trial.ask_for(300, jobs.take_effect, 0.02)
    trial.ask_for(20, jobs.take_effect_awaiting, 0.3)
    for number, worker in enumerate(old, start=1):
        trial.crew.fork_all(f"new-{number}")
        worker.terminate()
        trial.ask_for(50, jobs.take_effect, 0.02)
        assert worker.wait() == 0

    trial.wait_until_over()

    assert trial.objections() == []
    assert trial.crew.query("SELECT DISTINCT state, attempts FROM jobrunr_jobs") == [("SUCCEEDED", 1)]
    assert Counter(effect.what for effect in trial.effects()) == {"begin": 420, "effect": 420}


@pytest.mark.skipif(LIBFAKETIME is None, reason="no libfaketime on this machine: apt install libfaketime")
@pytest.mark.parametrize(
    ("offset", "timeout"),
    [("+1h", "4s"), ("-1h", "4s"), ("+0 x10", "20s")],  # of which a tenth is left to the one whose clock runs so fast
)
def test_a_server_whose_clock_is_wrong_alarms_nobody(
    postgresql: URL, make_trial: MakeTrial, monkeypatch: pytest.MonkeyPatch, offset: str, timeout: str
) -> None:
    trial = make_trial(postgresql, server_timeout=timeout)
    trial.crew.fork_all("right")
    with monkeypatch.context() as patch:
        patch.setenv("LD_PRELOAD", str(LIBFAKETIME))
        patch.setenv("FAKETIME", offset)
        # A clock that is set, or wrong, does not change how long anything takes. (libfaketime sets `time.monotonic`, but not
        # by which of them Python's waits are measured: none of those with a time limit would ever end.)
        patch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        trial.crew.start("wrong", app=APPLICATION, **trial.settings)
    trial.crew.wait_until_up("wrong")
    trial.ask_for(100, jobs.take_effect_awaiting, 0.02)  # `time.sleep` cannot bear libfaketime
    eventually("both work", lambda: {effect.server for effect in trial.effects()} == {"right", "wrong"})
    trial.schedule(timedelta(seconds=1), jobs.take_effect)
    trial.wait_until_over()

    assert trial.objections() == []
    assert trial.crew.query("SELECT DISTINCT state, attempts FROM jobrunr_jobs") == [("SUCCEEDED", 1)]
