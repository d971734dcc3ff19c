"""The servers, and whether they take jobs."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from starlette.testclient import TestClient

from jobrunr.dashboard.access import Role, User
from jobrunr.dashboard.load import Load, Reading, used
from jobrunr.dashboard.pages.servers import servers_topic
from jobrunr.server_record import ServerRecord
from jobrunr.storage.contract import StorageProvider
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing import TestClock, factories
from tests.dashboard.forms import Form, send
from tests.dashboard.hostile import HOSTILE, Tags
from tests.dashboard.test_job_page import app_site

AT = datetime(2026, 11, 24, 3, tzinfo=UTC)


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture
def storage(clock: TestClock) -> StorageProvider:
    return MemoryStorageProvider(clock)


def shown(browser: TestClient) -> str:
    return " ".join(Tags(browser.get("/servers").text).text.split())


def paused(storage: StorageProvider) -> list[bool]:
    return [server.is_paused for server in storage.servers()]


class TestPage:
    def test_shows_what_is_known_of_a_server(self, ada: TestClient, storage: StorageProvider, clock: TestClock) -> None:
        factories.announced(
            storage,
            name="shop-1:4711",
            host="shop-1",
            tags=("eu", "fast"),
            workers=8,
            busy=3,
            queues=("mail", "slow"),
            memory=48_300_000,
            cpu=12.6,
        )
        clock.advance(seconds=2)
        said = shown(ada)
        for words in ("3 of 8 busy", "2 s ago", "48.3 MB", "13 s used", "mail, slow", "eu", "fast", "shop-1, 4711", "1.0"):
            assert words in said

    def test_the_oldest_that_is_heard_is_the_master(
        self, ada: TestClient, storage: StorageProvider, clock: TestClock
    ) -> None:
        factories.announced(storage, name="silent")
        clock.advance(minutes=1)
        factories.announced(storage, name="first")
        clock.advance(seconds=1)
        factories.announced(storage, name="second")
        headings = [" ".join(Tags(html).text.split()) for html in re.findall(r"<h2>(.*?)</h2>", ada.get("/servers").text)]
        assert headings == ["silent silent", "first master", "second"]

    def test_leads_to_the_jobs_that_run_on_a_server(self, ada: TestClient, storage: StorageProvider) -> None:
        server = factories.announced(storage, name="shop 1&2")
        job = factories.processing(storage, server)
        (address,) = {link for link in Tags(ada.get("/servers").text).addresses if "PROCESSING" in link}
        assert str(job.id) in ada.get(f"/{address}").text

    def test_says_what_to_do_while_there_are_none(self, ada: TestClient) -> None:
        assert "No server is running." in shown(ada) and "jobrunr worker" in shown(ada)

    def test_readers_get_no_buttons(self, rita: TestClient, storage: StorageProvider) -> None:
        factories.announced(storage)
        assert "<button" not in rita.get("/servers").text

    @pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
    def test_what_servers_say_is_text(self, ada: TestClient, storage: StorageProvider, text: str) -> None:
        server = factories.announced(storage, name="n", host="h", tags=("t",), queues=("q",), version="v")
        before = Tags(ada.get("/servers").text).counted
        storage.sign_off(server.id)
        factories.announced(storage, name=text, host=text, tags=(text,), queues=(text,), version=text)
        assert Tags(ada.get("/servers").text).counted == before


class TestCpu:
    def test_it_is_told_once_two_heartbeats_were_seen(
        self, ada: TestClient, storage: StorageProvider, clock: TestClock
    ) -> None:
        server = factories.announced(storage, cpu=10.0)
        assert "10 s used" in shown(ada)
        clock.advance(seconds=4)
        storage.heartbeat(msgspec.structs.replace(server, cpu=13.0))
        assert "75 % of one" in shown(ada)

    def test_it_is_that_between_the_last_two_heartbeats(self) -> None:
        load, id = Load(), uuid4()

        def seen(seconds: float, cpu: float) -> float | None:
            server = factories.a_server(id=id, last_heartbeat=AT + timedelta(seconds=seconds), cpu=cpu)
            return load.shares([server]).get(id)

        assert [seen(0, 1), seen(0, 1), seen(2, 2), seen(2, 2), seen(6, 10)] == [None, None, 0.5, 0.5, 2.0]

    def test_servers_that_are_gone_are_forgotten(self) -> None:
        load = Load()
        load.shares([factories.a_server(last_heartbeat=AT)])
        load.shares([])
        assert load._readings == {}

    @pytest.mark.parametrize(("seconds", "cpu"), [(0, 5.0), (-1, 5.0), (1, 0.5)])
    def test_it_is_not_told_where_clocks_or_counters_ran_back(self, seconds: float, cpu: float) -> None:
        assert used(Reading(AT, 1.0), Reading(AT + timedelta(seconds=seconds), cpu)) is None


class TestPausing:
    def test_one_is_paused_and_resumed(self, ada: TestClient, storage: StorageProvider) -> None:
        server = factories.announced(storage, name="shop-1")
        answer = send(ada, ada.get("/servers").text, "servers/change", "pause")
        assert paused(storage) == [True] and answer.url.path == "/servers"
        send(ada, answer.text, "servers/change", "resume")
        assert paused(storage) == [False]
        assert [(entry.actor, entry.action, entry.detail) for entry in storage.audits(f"server:{server.id}")] == [
            ("ada", "resume", "shop-1"),
            ("ada", "pause", "shop-1"),
        ]

    def test_all_are_paused_and_resumed(self, ada: TestClient, storage: StorageProvider) -> None:
        for is_paused in (False, True, False):
            factories.announced(storage, is_paused=is_paused)
        answer = send(ada, ada.get("/servers").text, "servers/change", "pause", server="all")
        assert paused(storage) == [True] * 3 and len(storage.audits()) == 2
        send(ada, answer.text, "servers/change", "resume", server="all")
        assert paused(storage) == [False] * 3 and len(storage.audits()) == 5

    def test_pausing_a_paused_one_notes_nothing(self, ada: TestClient, storage: StorageProvider) -> None:
        server = factories.announced(storage, is_paused=True)
        fields = Form(ada.get("/servers").text, "servers/change").fields
        ada.post("/servers/change", data=fields | {"verb": "pause", "server": str(server.id)})
        assert paused(storage) == [True] and storage.audits() == []

    @pytest.mark.parametrize(
        ("data", "status"),
        [
            ({"verb": "stop", "server": "all"}, 422),
            ({"verb": "pause", "server": "shop-1"}, 422),
            ({"verb": "pause", "server": str(uuid4())}, 404),
            ({"verb": "pause"}, 422),
        ],
    )
    def test_what_cannot_be_is_refused(
        self, ada: TestClient, storage: StorageProvider, data: dict[str, str], status: int
    ) -> None:
        factories.announced(storage)
        token = Form(ada.get("/servers").text, "servers/change").fields["token"]
        assert ada.post("/servers/change", data=data | {"token": token}).status_code == status
        assert paused(storage) == [False] and storage.audits() == []


class TestLive:
    @pytest.fixture
    def site(self, browsers: Callable[[User], TestClient]) -> Any:
        return app_site(browsers(User("ada", Role.OPERATOR)).app)

    def test_what_moves_is_on_the_page(self, ada: TestClient, site: Any, storage: StorageProvider) -> None:
        factories.announced(storage)
        page = ada.get("/servers").text
        moving = servers_topic(site, "")
        assert len(moving) == 3 and all(f'id="{name}"' in page for name in moving)

    def test_it_says_which_servers_remain(self, site: Any, storage: StorageProvider) -> None:
        gone: ServerRecord = factories.announced(storage)
        stays = factories.announced(storage)
        storage.sign_off(gone.id)
        assert servers_topic(site, "")["server-ids"] == f"server-{stays.id}"
