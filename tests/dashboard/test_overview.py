"""The overview."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from jobrunr import JobId, JobRunr
from jobrunr.dashboard.access import Role, User
from jobrunr.dashboard.pages.overview import overview_topic
from jobrunr.dashboard.pulse import Pulse
from jobrunr.dashboard.site import Site
from jobrunr.errors import StorageUnavailableError
from jobrunr.storage.contract import StorageProvider, Totals
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing import TestClock, factories
from tests.dashboard.test_job_page import app_site


def figure(html: str, name: str) -> str:
    """What a card says."""
    found = re.search(rf">{name}<b>(.*?)</b><span class=\"quiet\">(.*?)</span>", html)
    assert found is not None, html
    return f"{found[1]}, {found[2]}"


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture
def storage(clock: TestClock) -> StorageProvider:
    return MemoryStorageProvider(clock)


def work(storage: StorageProvider, succeeded: int, failed: int = 0) -> None:
    for _ in range(succeeded):
        factories.succeeded(storage, queue="work")
    for _ in range(failed):
        factories.failed(storage, queue="work")


class TestPage:
    def test_shows_how_many_jobs_are_in_each_state_and_leads_to_them(
        self, ada: TestClient, storage: StorageProvider
    ) -> None:
        factories.enqueued(storage)
        factories.scheduled(storage)
        factories.scheduled(storage)
        found = re.findall(r'state=(\w+)"><span class="state \w+">\w+</span><b>([\d,]+)</b>', ada.get("/").text)
        assert dict(found) == {
            "AWAITING": "0",
            "SCHEDULED": "2",
            "ENQUEUED": "1",
            "PROCESSING": "0",
            "SUCCEEDED": "0",
            "FAILED": "0",
            "DELETED": "0",
        }

    def test_says_how_many_jobs_wait_and_since_when(
        self, ada: TestClient, storage: StorageProvider, clock: TestClock
    ) -> None:
        factories.enqueued(storage)
        clock.advance(minutes=3)
        factories.enqueued(storage)
        assert figure(ada.get("/").text, "Backlog") == "2, the oldest waits for 3 min"

    def test_says_which_workers_are_busy_and_free(self, ada: TestClient, storage: StorageProvider, clock: TestClock) -> None:
        factories.announced(storage, workers=100, busy=50)
        clock.advance(minutes=5)
        factories.announced(storage, workers=8, busy=3)
        factories.announced(storage, workers=4, busy=1, is_paused=True)
        page = ada.get("/").text
        assert figure(page, "Workers") == "4 busy, 5 of 12 are free"
        assert "1 server is silent" in page

    def test_a_reader_sees_the_same(self, rita: TestClient, jobs: dict[str, JobId]) -> None:
        assert rita.get("/").status_code == 200

    def test_all_of_it_is_below_one_heading_and_every_part_has_a_name(self, ada: TestClient) -> None:
        page = ada.get("/").text
        assert page.count("<h1>") == 1
        for id in ("minutes", "hour", "day"):
            assert f'aria-labelledby="{id}-title {id}-words"' in page
            assert f'id="{id}-title"' in page and f'id="{id}-words"' in page


class TestThroughput:
    def test_counts_what_ended_in_the_last_five_minutes_hour_and_day(
        self, ada: TestClient, storage: StorageProvider, clock: TestClock
    ) -> None:
        storage.sample()
        work(storage, 4)
        clock.advance(hours=20)
        storage.sample()
        work(storage, 2, 1)
        clock.advance(minutes=58)
        storage.sample()
        work(storage, 1)
        clock.advance(minutes=1)
        said = re.findall(r"<desc[^>]*>(In the last .*?failed)\.", ada.get("/").text)
        assert said == [
            "In the last 5 minutes, 1 attempts succeeded and 0 failed",
            "In the last hour, 3 attempts succeeded and 1 failed",
            "In the last day, 7 attempts succeeded and 1 failed",
        ]

    def test_says_when_everything_will_be_finished(
        self, ada: TestClient, storage: StorageProvider, clock: TestClock
    ) -> None:
        factories.announced(storage)
        storage.sample()
        work(storage, 10)
        clock.advance(seconds=10)
        factories.announced(storage)
        for _ in range(30):
            factories.enqueued(storage)
        assert figure(ada.get("/").text, "Finished in").startswith("30 s,")

    def test_says_that_it_is_not_known_yet(self, ada: TestClient, storage: StorageProvider) -> None:
        factories.announced(storage)
        factories.enqueued(storage)
        assert figure(ada.get("/").text, "Finished in").startswith("not known yet,")

    def test_nobody_knows_while_all_servers_are_paused(
        self, ada: TestClient, storage: StorageProvider, clock: TestClock
    ) -> None:
        storage.sample()
        work(storage, 10)
        clock.advance(minutes=1)
        factories.announced(storage, is_paused=True)
        factories.enqueued(storage)
        assert figure(ada.get("/").text, "Finished in").startswith("not known yet,")

    def test_says_that_there_is_nothing_to_do(self, ada: TestClient) -> None:
        assert figure(ada.get("/").text, "Finished in").startswith("nothing to do,")

    def test_has_the_same_as_a_table(self, ada: TestClient) -> None:
        page = ada.get("/").text
        assert page.count("<summary id=") == 3 and "not known" in page


class TestPulse:
    def test_sees_more_finely_than_once_a_minute(self, storage: StorageProvider, clock: TestClock) -> None:
        pulse = Pulse()
        pulse.feel(storage)
        for _ in range(3):
            clock.advance(seconds=2)
            work(storage, 1)
            pulse.feel(storage)
        assert [point.totals.succeeded for point in pulse.feel(storage)] == [0, 1, 2, 3, 3]

    def test_asks_for_what_the_storage_kept_only_now_and_then(
        self, storage: StorageProvider, clock: TestClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = []
        samples = storage.samples
        monkeypatch.setattr(storage, "samples", lambda since: asked.append(since) or samples(since))
        pulse = Pulse()
        for _ in range(60):
            storage.sample()
            clock.advance(seconds=1)
            pulse.feel(storage)
        assert len(asked) == 3

    def test_learns_of_the_minutes_in_which_nobody_looked(self, storage: StorageProvider, clock: TestClock) -> None:
        pulse = Pulse()
        pulse.feel(storage)
        for _ in range(3):
            clock.advance(minutes=1)
            work(storage, 1)
            storage.sample()
        clock.advance(minutes=1)
        assert Totals(2, 0) in [point.totals for point in pulse.feel(storage)]

    def test_forgets_what_is_older_than_a_day(self, storage: StorageProvider, clock: TestClock) -> None:
        pulse = Pulse()
        storage.sample()
        pulse.feel(storage)
        clock.advance(days=3)
        pulse.feel(storage)
        assert [point.at for point in pulse._kept] == []


class TestOutage:
    @pytest.fixture
    def out(self, app: JobRunr, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
        """Lets the storage not answer any more."""

        def gone(*args: object) -> object:
            raise StorageUnavailableError("of the test", "the connection was refused")

        def out() -> None:
            for name in ("counts", "servers", "totals", "now"):
                monkeypatch.setattr(app.storage, name, gone)

        return out

    def test_the_page_is_there_and_says_so(self, ada: TestClient, out: Callable[[], None]) -> None:
        out()
        answer = ada.get("/")
        assert answer.status_code == 503
        assert "The storage does not answer." in answer.text and "nothing is lost" in answer.text
        assert "the connection was refused" in answer.text and "<nav" in answer.text

    def test_a_page_that_is_open_says_so_too(self, browsers: Callable[[User], TestClient], out: Callable[[], None]) -> None:
        site = app_site(browsers(User("ada", Role.OPERATOR)).app)
        out()
        (moving,) = overview_topic(site, "").items()
        assert moving[0] == "problems" and "The storage does not answer." in moving[1]

    def test_other_pages_say_so_as_well(self, ada: TestClient, out: Callable[[], None]) -> None:
        out()
        answer = ada.get("/servers")
        assert answer.status_code == 503 and "Is the database up" in answer.text


class TestLive:
    def test_every_part_that_moves_is_on_the_page(
        self, browsers: Callable[[User], TestClient], jobs: dict[str, JobId]
    ) -> None:
        browser = browsers(User("ada", Role.OPERATOR))
        site: Site = app_site(browser.app)
        page = browser.get("/").text
        moving = overview_topic(site, "")
        assert 'data-topics="counts overview"' in page
        assert all(f'id="{id}"' in page for id in moving)

    def test_nothing_moves_while_nothing_happens(
        self, browsers: Callable[[User], TestClient], storage: StorageProvider, clock: TestClock
    ) -> None:
        site: Site = app_site(browsers(User("ada", Role.OPERATOR)).app)
        overview_topic(site, "")
        clock.advance(days=2, seconds=3)
        before = overview_topic(site, "")
        clock.advance(seconds=1)
        assert overview_topic(site, "") == before
