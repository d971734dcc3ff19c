"""A network that is slow, cuts connections, stops to carry anything, or loses the answer to what was done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import URL

from chaos import jobs
from chaos.faults import noted
from chaos.trial import Trial
from jobrunr import JobId, JobRunr
from jobrunr.errors import StorageUnavailableError
from tests.faults.conftest import MakeTrial
from tests.processes.conftest import eventually
from tests.storage.sql.proxy import Proxy

pytestmark = pytest.mark.timeout(200)
MakeProxy = Callable[[URL], tuple[Proxy, URL]]


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> URL:
    """A database on each kind of server in turn."""
    url: URL = request.getfixturevalue(request.param)
    return url


def reset_three_times(proxy: Proxy) -> Iterator[float]:
    for _ in range(3):
        proxy.cut()
        yield 0.1


def be_slow(proxy: Proxy) -> Iterator[float]:
    proxy.delay(0.1)
    yield 1.0


def fall_silent_on_open_connections(proxy: Proxy) -> Iterator[float]:
    proxy.freeze()
    yield 0.1


def fall_silent_altogether(proxy: Proxy) -> Iterator[float]:
    proxy.swallow()
    yield 1.0


def lose_each_third_answer(proxy: Proxy) -> Iterator[float]:
    proxy.lose_answers(every=3)
    yield 1.0


EVERYWHERE = [fall_silent_altogether, lose_each_third_answer]
FAULTS = {
    "postgresql": [reset_three_times, be_slow, fall_silent_on_open_connections, *EVERYWHERE],
    "mariadb": EVERYWHERE,
}
CASES = [pytest.param(name, fault, id=f"{name}-{fault.__name__}") for name, faults in FAULTS.items() for fault in faults]


@pytest.mark.parametrize(("server", "fault"), CASES, indirect=["server"])
def test_a_drain_goes_on_by_itself_after_a_network_did(
    server: URL, make_trial: MakeTrial, make_proxy: MakeProxy, fault: Callable[[Proxy], Iterator[float]]
) -> None:
    proxy, through = make_proxy(server)
    trial = make_trial(server, through=through, storage_timeout="2s", workers=4, server_timeout="4s")
    trial.crew.fork_all("first", "second")
    trial.ask_for(400, jobs.take_effect, 0.01)
    eventually("the drain goes on", lambda: len(trial.effects()) > 100)

    with noted(trial.crew.faults, fault.__name__):
        for seconds in fault(proxy):
            time.sleep(seconds)  # the fault lasts
        proxy.heal()
    trial.wait_until_over()

    assert trial.objections() == []
    assert trial.crew.ended() == {}


def test_who_hears_nothing_any_more_in_his_own_transaction_ends_by_the_time_limit_of_his_job(
    server: URL, make_trial: MakeTrial, make_proxy: MakeProxy, tmp_path: Path
) -> None:
    proxy, through = make_proxy(server)
    trial = make_trial(server, through=through, storage_timeout="2s", server_timeout="4s", workers=1)
    trial.crew.fork_all("worker")
    gate = tmp_path / "gate"
    job_id = trial.ask(jobs.take_effect_in_transaction, 0.0, str(gate), timeout=timedelta(seconds=2))
    eventually("it is in the middle", lambda: any(effect.what == "middle" for effect in trial.effects()))

    with noted(trial.crew.faults, "freeze"):
        proxy.freeze()  # new connections are as good as ever
        gate.touch()
    trial.wait_until_over()

    assert trial.objections() == []
    history = trial.app.scheduler.get(job_id).history
    assert [change.exception.type for change in history if change.exception] == ["jobrunr.errors.JobTimeoutError"]
    assert trial.crew.query("SELECT job FROM effects") == [(str(job_id),)]


class TestEnqueue:
    @pytest.fixture
    def trial(self, server: URL, make_trial: MakeTrial) -> Trial:
        return make_trial(server)

    @pytest.fixture
    def proxy(self, server: URL, make_proxy: MakeProxy) -> Iterator[tuple[Proxy, JobRunr]]:
        proxy, through = make_proxy(server)
        way = through.render_as_string(hide_password=False)
        with JobRunr(way, application="chaos", storage_timeout="1s") as app:
            app.storage.now()
            yield proxy, app

    def test_a_job_whose_confirmation_was_lost_is_there_once_when_it_is_asked_for_again(
        self, server: URL, trial: Trial, proxy: tuple[Proxy, JobRunr]
    ) -> None:
        network, app = proxy
        ids = [JobId.new() for _ in range(10)]
        # On PostgreSQL one statement is all of it; its parameters hold the name of the function.
        last = b"chaos.jobs" if server.get_backend_name() == "postgresql" else b"\x03COMMIT"
        for job_id in ids:
            network.lose_answers(to=last)
            with pytest.raises(StorageUnavailableError):
                trial.ask(jobs.take_effect, app=app, id=job_id)
            network.heal()
            app.storage.now()  # over a new connection
        assert trial.crew.query("SELECT count(*) FROM jobrunr_jobs") == [(10,)], "they are stored, and nobody knows it"
        for job_id in ids:
            trial.ask(jobs.take_effect, app=app, id=job_id)
        trial.crew.fork_all("worker")

        trial.wait_until_over()

        assert trial.objections() == []
        assert sum(effect.what == "effect" for effect in trial.effects()) == 10

    def test_enqueue_through_a_silent_network_gives_up_in_time(self, trial: Trial, proxy: tuple[Proxy, JobRunr]) -> None:
        network, app = proxy
        network.swallow()
        began = time.monotonic()
        with pytest.raises(StorageUnavailableError):
            trial.ask(jobs.take_effect, app=app)
        assert time.monotonic() - began < 1.5
