"""``jobrunr dashboard``, ``jobrunr dashboard-user`` and ``jobrunr worker --dashboard``, as processes."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from jobrunr import JobRunr, JobState
from tests.cli.conftest import COMMAND, PATIENCE, Run, Worker, eventually
from tests.cli.test_worker import a_welcome, wait_for


class Dashboard:
    """``jobrunr dashboard`` as a process, on a port that is free."""

    def __init__(self, folder: Path, *words: str) -> None:
        self._log = folder / "dashboard.log"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [*COMMAND, "dashboard", "--app", "shop.jobs:jobrunr", "--port", "0", *words],
                cwd=folder,
                stdout=log,
                stderr=log,
            )
        eventually(lambda: "http://" in self.log or self.process.poll() is not None, "the dashboard is up")

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def address(self) -> str:
        found = re.search(r"http://\S+/", self.log)
        assert found is not None, self.log
        return found[0]


@pytest.fixture
def dashboard(shop: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Dashboard]]:
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    started: list[Dashboard] = []

    def start(*words: str) -> Dashboard:
        started.append(Dashboard(shop, *words))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_is_and_stops_at_once_although_somebody_watches(
    dashboard: Callable[..., Dashboard], number: int
) -> None:
    started = dashboard()
    assert "The dashboard of sqlite:///shop.db is at http://127.0.0.1:" in started.log
    assert httpx2.get(started.address).status_code == 200
    with httpx2.stream("GET", f"{started.address}live?topic=counts", timeout=PATIENCE) as stream:
        next(stream.iter_lines())
        began = time.monotonic()
        started.process.send_signal(number)

        assert started.process.wait(PATIENCE) == 0
        assert time.monotonic() - began < 5
    assert "Error" not in started.log and "Traceback" not in started.log


def test_where_others_reach_it_somebody_has_to_sign_in(run: Run, dashboard: Callable[..., Dashboard]) -> None:
    refused = run("dashboard", "--app", "shop.jobs:jobrunr", "--host", "0.0.0.0", "--port", "0")
    assert refused.returncode == 1
    assert "Who may use the dashboard, which others reach at 0.0.0.0?" in refused.stderr

    started = dashboard("--host", "0.0.0.0", "--insecure", "--allow-host", "jobs.example.org")
    here = started.address.replace("0.0.0.0", "127.0.0.1")
    statuses = [httpx2.get(here, headers={"Host": host}).status_code for host in ("jobs.example.org", "evil.com")]
    assert statuses == [200, 421]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "example.org", "127.0.0.1.evil.com", ""])
def test_every_address_but_our_own_needs_users(run: Run, host: str) -> None:
    assert run("dashboard", "--app", "shop.jobs:jobrunr", "--port", "0", "--host", host).returncode == 1


def test_a_user_is_made_and_can_sign_in(dashboard: Callable[..., Dashboard], monkeypatch: pytest.MonkeyPatch) -> None:
    made = subprocess.run(
        [*COMMAND, "dashboard-user", "ada", "--role", "operator"],
        input="correct horse\n",
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    assert re.fullmatch(r"ada:operator:scrypt\.16384\.8\.5\.[\w-]+\.[\w-]+\n", made.stdout)

    monkeypatch.setenv("JOBRUNR_DASHBOARD_USERS", made.stdout.strip())
    with httpx2.Client(base_url=dashboard("--host", "0.0.0.0").address.replace("0.0.0.0", "127.0.0.1")) as client:
        token = re.search(r'name="token" value="([^"]+)"', client.get("sign-in").text)
        assert token is not None
        form = {"token": token[1], "name": "ada", "password": "correct horse"}
        assert client.get("").status_code == 303
        assert client.post("sign-in", data=form).status_code == 303
        assert client.get("").status_code == 200


@pytest.mark.parametrize(
    ("name", "password"), [("ada", "short"), ("a:b", "correct horse"), ("a b", "correct horse"), ("ada", "")]
)
def test_a_user_that_cannot_be_is_refused(name: str, password: str) -> None:
    made = subprocess.run(
        [*COMMAND, "dashboard-user", name],
        input=f"{password}\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )

    assert made.returncode == 2
    assert made.stdout == ""


def test_a_worker_shows_its_dashboard_until_it_stops(jobs: JobRunr, worker: Callable[..., Worker]) -> None:
    process = worker("--dashboard", "--dashboard-port", "0")
    found = re.search(r"the dashboard is at (\S+)", process.log)
    assert found is not None
    job = a_welcome(jobs)
    wait_for(jobs, job.id, JobState.SUCCEEDED)

    assert httpx2.get(found[1]).status_code == 200
    with httpx2.stream("GET", f"{found[1]}live?topic=counts", timeout=PATIENCE) as stream:
        next(stream.iter_lines())
        process.tell_to_stop()
        assert process.wait() == 0
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(found[1])


def test_a_worker_does_not_start_where_its_dashboard_cannot(run: Run) -> None:
    refused = run("worker", "--app", "shop.jobs:jobrunr", "--dashboard", "--dashboard-host", "0.0.0.0")

    assert refused.returncode == 1
    assert "Who may use the dashboard" in refused.stderr
