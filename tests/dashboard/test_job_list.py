from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from jobrunr import JobId, JobState
from jobrunr.dashboard.pages.jobs import STATES, tabs_topic
from jobrunr.storage.contract import JobPage, JobQuery, StorageProvider
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing import TestClock, factories
from tests.dashboard.hostile import Tags
from tests.dashboard.populate import MODULE


def listed(html: str) -> list[str]:
    """The ids of the jobs in the list."""
    return [link.removeprefix("jobs/") for link in Tags(html).addresses if link.startswith("jobs/0")]


def search(browser: TestClient, **fields: str) -> list[str]:
    answer = browser.get("/jobs", params=fields)
    assert answer.status_code == 200
    return listed(answer.text)


@pytest.mark.usefixtures("jobs")
def test_each_state_has_a_tab_with_its_count_and_lists_its_jobs(ada: TestClient, storage: StorageProvider) -> None:
    for state in STATES:
        answer = ada.get(f"/jobs?state={state}&size=100")
        found = listed(answer.text)
        assert f'id="count-{state}">{storage.counts().get(state, 0)}</span>' in answer.text
        assert len(found) == storage.counts().get(state, 0)
        assert {job.state for job_id in found if (job := storage.get(JobId.of(job_id)))} <= {state}


@pytest.mark.usefixtures("jobs")
def test_counts_on_tabs_move(ada: TestClient, storage: StorageProvider) -> None:
    site: Any = type("Site", (), {"storage": storage})
    page = ada.get("/jobs").text
    shown = tabs_topic(site, "")
    assert all(f'id="{element}">{html}</span>' in page for element, html in shown.items())
    factories.deleted(storage)
    assert tabs_topic(site, "")["count-DELETED"] == f"{int(shown['count-DELETED']) + 1}"


def test_pages_lead_through_all_jobs_and_none_comes_twice(ada: TestClient, storage: StorageProvider) -> None:
    made = [str(factories.enqueued(storage).id) for _ in range(45)]
    found: list[str] = []
    answer = ada.get("/jobs?state=ENQUEUED")
    while True:
        found += listed(answer.text)
        following = [link for link in Tags(answer.text).addresses if "after=" in link]
        if not following:
            break
        answer = ada.get("/" + following[0])
        assert "First page" in answer.text
    assert found == made[::-1]


def test_the_oldest_can_come_first_and_a_page_can_be_longer(ada: TestClient, storage: StorageProvider) -> None:
    made = [str(factories.enqueued(storage).id) for _ in range(45)]
    assert search(ada, order="oldest", size="50") == made


@pytest.mark.parametrize("storage", ["memory", "sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"text": "three ORDERS"}, "running"),
        ({"text": "the feed is broken"}, "broken feed"),
        ({"label": "eu"}, "running"),
        ({"queue": "mail"}, "urgent"),
        ({"target": f"{MODULE}:renamed_since"}, "gone"),
        ({"recurring": "nightly-import"}, "nightly"),
        ({"server": "shop-1:4711", "text": "lost with"}, "lost"),
        ({"state": "failed", "text": "twice"}, "retried"),
    ],
)
def test_a_search_finds_what_it_asks_for(ada: TestClient, jobs: dict[str, JobId], fields: dict[str, str], name: str) -> None:
    assert search(ada, **fields) == [str(jobs[name])]


@pytest.mark.usefixtures("jobs")
def test_conditions_are_combined(ada: TestClient) -> None:
    assert len(search(ada, label="bulk", text="send", size="50")) == 30
    assert len(search(ada, label="bulk", text="send", queue="mail")) == 0
    assert "No job is like that" in ada.get("/jobs?label=bulk&queue=mail").text


class TestTimes:
    @pytest.fixture
    def clock(self) -> TestClock:
        return TestClock(datetime(2026, 1, 1, tzinfo=UTC))

    @pytest.fixture
    def storage(self, clock: TestClock) -> StorageProvider:
        return MemoryStorageProvider(clock)

    @pytest.mark.parametrize("field", ["created", "changed"])
    def test_a_range_of_times_begins_with_its_first_moment_and_ends_before_its_last(
        self, ada: TestClient, storage: StorageProvider, clock: TestClock, field: str
    ) -> None:
        made = []
        for _ in range(4):
            made.append(str(factories.enqueued(storage).id))
            clock.advance(hours=1)
        between = {f"{field}_from": "2026-01-01T01:00", f"{field}_until": "2026-01-01T03:00:00"}
        assert sorted(search(ada, **between)) == made[1:3]

    def test_other_zones_are_understood(self, ada: TestClient, storage: StorageProvider) -> None:
        job = factories.enqueued(storage)
        assert search(ada, created_from="2026-01-01T01:00+01:00") == [str(job.id)]
        assert search(ada, created_from="2026-01-01T01:00") == []


@pytest.mark.parametrize("padding", ["", "  "])
def test_a_whole_id_leads_straight_to_the_job(ada: TestClient, jobs: dict[str, JobId], padding: str) -> None:
    answer = ada.get("/jobs", params={"text": f"{padding}{jobs['lost']}{padding}"})
    assert answer.url.path == f"/jobs/{jobs['lost']}"
    assert "lost with its server" in answer.text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("state=LOST", "There is no state"),
        ("created_from=yesterday", "is no moment"),
        ("changed_until=9999-12-31T23:59-23:00", "is no moment"),
        ("order=random", "newest or oldest"),
        ("size=1000000", "20, 50, 100"),
        ("size=x", "20, 50, 100"),
        ("after=here", "after cannot be"),
    ],
)
def test_what_cannot_be_searched_for_is_refused_in_words(ada: TestClient, query: str, words: str) -> None:
    answer = ada.get(f"/jobs?{query}")
    assert answer.status_code == 422
    assert words in Tags(answer.text).text


def test_a_search_that_ran_out_of_patience_says_how_far_it_came(
    ada: TestClient, storage: StorageProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[JobQuery] = []

    def find(query: JobQuery) -> JobPage:
        asked.append(query)
        return JobPage(
            (), "2026-01-01T00:00:00+00:00/0198e5a0-7b7a-7000-8000-000000000000", datetime(2026, 1, 1, tzinfo=UTC)
        )

    monkeypatch.setattr(storage, "find", find)
    page = Tags(ada.get("/jobs?text=needle").text)
    assert asked[0].patience == timedelta(seconds=0.8)
    assert "back to 2026-01-01 00:00:00 UTC" in page.text and "Nothing was found so far" in page.text
    (on,) = {link for link in page.addresses if "after=" in link}
    ada.get(f"/{on}")
    assert (asked[1].text, asked[1].after) == ("needle", find(asked[1]).next)


@pytest.mark.usefixtures("jobs")
def test_a_reader_sees_jobs_but_no_buttons_to_change_them(ada: TestClient, rita: TestClient) -> None:
    buttons = ("Requeue selected", "Delete all", 'type="checkbox"')
    assert all(button in ada.get("/jobs").text for button in buttons)
    answer = rita.get("/jobs")
    assert listed(answer.text) and not any(button in answer.text for button in buttons)


def test_a_failed_job_says_why_in_the_list(ada: TestClient, jobs: dict[str, JobId]) -> None:
    text = Tags(ada.get("/jobs?state=FAILED&size=100").text).text
    assert "ConnectionError: the feed is broken: {" in text
    assert "jobrunr.errors.ServerLostError: Server shop-1:4711 was lost" in text


def test_an_empty_storage_has_an_empty_list(ada: TestClient) -> None:
    assert "There are no jobs here" in ada.get("/jobs").text


def test_a_search_is_not_lost_on_the_way_to_another_tab(ada: TestClient, jobs: dict[str, JobId]) -> None:
    links = Tags(ada.get("/jobs?label=eu&size=50").text).addresses
    (tab,) = [link for link in links if "state=PROCESSING" in link]
    assert listed(ada.get(f"/{tab}").text) == [str(jobs["running"])]
    assert "size=50" in tab


def test_every_state_can_be_asked_for_as_people_write_it(ada: TestClient) -> None:
    assert all(ada.get(f"/jobs?state={state.lower()}").status_code == 200 for state in JobState)
