"""Recurring jobs: the list, the page of one, and what can be done to them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from starlette.testclient import TestClient

from jobrunr import JobRunr, JobState
from jobrunr.dashboard.access import Role, User
from jobrunr.dashboard.pages.overview import overview_topic
from jobrunr.dashboard.pages.recurring import PAGE, recurring_job_topic, recurring_topic
from jobrunr.dashboard.showing.recurrence import NEXT_RUNS
from jobrunr.jobs import JobDetails
from jobrunr.recurring_job import JobTemplate, RecurringJob, SkipReason, Skips
from jobrunr.storage.contract import AuditEntry, JobQuery, StorageProvider
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing import TestClock, factories
from tests.dashboard.forms import Form, send
from tests.dashboard.hostile import HOSTILE, Tags
from tests.dashboard.test_hostile_strings import LEADS_INSIDE
from tests.dashboard.test_job_page import app_site

ODD = "a/../b c?id=x&y#z%2F+'\"<b>ä"


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture
def storage(clock: TestClock) -> StorageProvider:
    return MemoryStorageProvider(clock)


def words(html: str) -> str:
    return " ".join(Tags(html).text.split())


def page_of(browser: TestClient, id: str) -> str:
    answer = browser.get("/recurring/job", params={"id": id})
    assert answer.status_code == 200, answer.text
    return answer.text


def present(storage: StorageProvider, id: str) -> RecurringJob:
    job = storage.get_recurring(id)
    assert job is not None
    return job


def did(storage: StorageProvider, id: str) -> list[tuple[str, str]]:
    return [(entry.actor, entry.action) for entry in storage.audits(f"recurring:{id}")]


class TestList:
    def test_says_when_each_runs_and_in_which_zone(self, ada: TestClient, storage: StorageProvider) -> None:
        factories.registered(storage, id="nightly", schedule="0 3 * * *", zone="Europe/Brussels")
        assert "At 03:00 every day Europe/Brussels" in words(ada.get("/recurring").text)

    def test_says_how_the_last_run_went(self, ada: TestClient, storage: StorageProvider) -> None:
        factories.registered(storage, id="nightly")
        factories.failed(storage, recurring_job_id="nightly")
        page = ada.get("/recurring").text
        assert "FAILED" in words(page) and "ValueError: no such mailbox" in page

    def test_says_which_are_active_paused_and_halted_and_why(
        self, ada: TestClient, storage: StorageProvider, clock: TestClock
    ) -> None:
        factories.registered(storage, id="a")
        factories.registered(storage, id="b", paused_at=clock.now(), pause_reason="the disk is full")
        factories.registered(storage, id="c", problem="there is no module shop.days")
        conditions = re.findall(r'class="condition \w+">(\w+)<', ada.get("/recurring").text)
        assert conditions == ["active", "paused", "halted"]
        assert "the disk is full" in ada.get("/recurring").text and "no module shop.days" in ada.get("/recurring").text

    def test_says_which_stand_in_the_code(self, ada: TestClient, storage: StorageProvider, clock: TestClock) -> None:
        factories.registered(storage, id="a", declared_at=clock.now())
        factories.registered(storage, id="b")
        page = ada.get("/recurring").text
        assert page.index("declared in the code") < page.index("registered by a call")

    def test_pages_lead_through_all_of_them(self, ada: TestClient, storage: StorageProvider) -> None:
        ids = [f"job {number:03} &/?" for number in range(2 * PAGE + 1)]
        for id in ids:
            factories.registered(storage, id=id)
        found: list[str] = []
        address: str | None = "recurring"
        while address is not None:
            html = ada.get(f"/{unescape(address)}").text
            found += [link for link in Tags(html).addresses if link.startswith("recurring/job")]
            (address,) = re.findall(r'href="([^"]+)">Next page<', html) or [None]
        assert found == [f"recurring/job?id={quote(id, safe='').replace('%20', '+')}" for id in ids]

    def test_says_what_to_do_while_there_are_none(self, ada: TestClient) -> None:
        page = ada.get("/recurring").text
        assert "No recurring jobs yet." in page and "@recurring(" in page

    def test_readers_get_no_buttons(self, rita: TestClient, storage: StorageProvider) -> None:
        factories.registered(storage, id="nightly")
        assert "<button" not in rita.get("/recurring").text + page_of(rita, "nightly")


class TestPage:
    @pytest.mark.parametrize("id", [ODD, "..", ".", "/", "a b", *HOSTILE[:8]])
    def test_an_id_can_hold_any_character(self, ada: TestClient, storage: StorageProvider, id: str) -> None:
        factories.registered(storage, id=id)
        (address,) = {link for link in Tags(ada.get("/recurring").text).addresses if "recurring/job" in link}
        answer = ada.get(f"/{address}")
        assert answer.status_code == 200 and id in Tags(answer.text).text

    def test_one_that_is_gone_is_not_found(self, ada: TestClient) -> None:
        answer = ada.get("/recurring/job", params={"id": "gone"})
        assert answer.status_code == 404 and "All recurring jobs" in answer.text

    def test_shows_the_next_twenty_runs_in_its_zone(self, ada: TestClient, storage: StorageProvider) -> None:
        factories.registered(storage, id="nightly", schedule="0 3 * * *", zone="Europe/Brussels")
        runs = re.findall(r'<li><span class="mono">(.*?)</span>', page_of(ada, "nightly"))
        assert len(runs) == NEXT_RUNS
        assert runs[0] == "Fri 2026-01-02 03:00:00 CET"

    def test_says_why_there_is_no_next_run(self, ada: TestClient, storage: StorageProvider) -> None:
        factories.registered(storage, id="payday", schedule="shop.days:PayDays()", problem="it is gone", next_run_at=None)
        assert "shop.days" in page_of(ada, "payday") and "It cannot run:" in page_of(ada, "payday")

    def test_shows_what_became_of_its_runs(self, ada: TestClient, storage: StorageProvider, clock: TestClock) -> None:
        job = factories.registered(storage, id="sync")
        clock.advance(minutes=20)
        runs = [clock.now() - timedelta(minutes=minutes) for minutes in (15, 10, 5)]
        skips = Skips(reason=SkipReason.MISSED, first=runs[1], last=runs[2], count=2)
        storage.fire([factories.a_firing(job, runs[0], skips=(skips,))])
        (made,) = storage.find(JobQuery(recurring_job_id="sync"))
        page = page_of(ada, "sync")
        assert f'href="jobs/{made.id}"' in page
        assert "skipped 2 times" in words(page) and "no server was up" in page

    def test_shows_its_definition(self, ada: TestClient, storage: StorageProvider) -> None:
        factories.registered(storage, id="sync", max_concurrent=3)
        said = words(page_of(ada, "sync"))
        assert all(each in said for each in ("shop.sync.inventory()", "PT5M", "At a time3", "Missed runsare skipped"))

    def test_shows_who_changed_it(self, ada: TestClient, storage: StorageProvider) -> None:
        factories.registered(storage, id="sync")
        send(ada, page_of(ada, "sync"), "recurring/change", "pause", reason="the disk is full")
        assert "ada : pause (the disk is full)" in words(page_of(ada, "sync")).replace("ada:", "ada :")


class TestSteering:
    @pytest.mark.parametrize("id", ["nightly", ODD])
    def test_one_is_triggered(self, ada: TestClient, storage: StorageProvider, id: str) -> None:
        factories.registered(storage, id=id)
        answer = send(ada, page_of(ada, id), "recurring/change", "trigger")
        assert answer.url.path == "/recurring/job" and answer.url.params["id"] == id
        (job,) = storage.find(JobQuery(recurring_job_id=id))
        assert job.state is JobState.ENQUEUED and job.history[0].reason == "triggered from the dashboard by ada"
        assert did(storage, id) == [("ada", "trigger")]
        assert f"jobs/{job.id}" in answer.text

    def test_one_is_paused_with_a_reason_and_resumed(self, ada: TestClient, storage: StorageProvider) -> None:
        factories.registered(storage, id=ODD)
        answer = send(ada, page_of(ada, ODD), "recurring/change", "pause", reason=" the disk is full ")
        assert present(storage, ODD).pause_reason == "the disk is full" and "the disk is full" in answer.text
        send(ada, answer.text, "recurring/change", "resume")
        assert not present(storage, ODD).is_paused
        assert did(storage, ODD) == [("ada", "resume"), ("ada", "pause")]

    def test_one_that_is_halted_goes_on_when_it_is_resumed(self, ada: TestClient, storage: StorageProvider) -> None:
        factories.registered(storage, id="sync", problem="its calendar is away", next_run_at=None, look_at=None)
        send(ada, page_of(ada, "sync"), "recurring/change", "resume")
        mended = present(storage, "sync")
        assert mended.problem is None and mended.next_run_at is not None
        assert did(storage, "sync") == [("ada", "resume")]

    def test_a_pause_without_a_reason_says_who(self, ada: TestClient, storage: StorageProvider) -> None:
        factories.registered(storage, id="sync")
        send(ada, page_of(ada, "sync"), "recurring/change", "pause")
        assert present(storage, "sync").pause_reason == "paused from the dashboard by ada"

    def test_pausing_a_paused_one_changes_nothing(self, ada: TestClient, storage: StorageProvider, clock: TestClock) -> None:
        factories.registered(storage, id="sync", paused_at=clock.now(), pause_reason="the first reason")
        form = Form(page_of(ada, "sync"), "recurring/change").fields
        ada.post("/recurring/change", data=form | {"verb": "pause", "reason": "another"})
        assert present(storage, "sync").pause_reason == "the first reason" and did(storage, "sync") == []

    def test_deleting_asks_first_and_warns_of_what_stands_in_the_code(
        self, ada: TestClient, storage: StorageProvider, clock: TestClock
    ) -> None:
        factories.registered(storage, id=ODD, declared_at=clock.now())
        asked = send(ada, page_of(ada, ODD), "recurring/confirm", "delete")
        assert "Delete this recurring job?" in asked.text and "comes back when a server starts" in asked.text
        assert storage.get_recurring(ODD) is not None
        answer = send(ada, asked.text, "recurring/change", "delete")
        assert storage.get_recurring(ODD) is None and did(storage, ODD) == [("ada", "delete")]
        assert answer.url.path == "/recurring" and "Deleted: 1." in answer.text

    def test_several_are_paused_at_once(self, ada: TestClient, storage: StorageProvider) -> None:
        for id in ("a", ODD, "c"):
            factories.registered(storage, id=id)
        asked = send(ada, ada.get("/recurring").text, "recurring/confirm", "pause", id=["a", ODD])
        assert "Pause 2 recurring jobs?" in asked.text
        answer = send(ada, asked.text, "recurring/change", "pause", reason="moving house")
        assert "Paused: 2." in answer.text
        assert [present(storage, id).pause_reason for id in ("a", ODD, "c")] == ["moving house", "moving house", None]

    def test_those_that_are_gone_meanwhile_are_said(self, ada: TestClient, storage: StorageProvider) -> None:
        for id in ("a", "b"):
            job = factories.registered(storage, id=id)
        asked = send(ada, ada.get("/recurring").text, "recurring/confirm", "trigger", id=["a", "b"])
        storage.delete_recurring("b", job.version)
        answer = send(ada, asked.text, "recurring/change", "trigger")
        assert "Triggered: 1. Not possible for 1" in words(answer.text)

    def test_nothing_selected_never_means_all(self, ada: TestClient, storage: StorageProvider) -> None:
        factories.registered(storage, id="a")
        answer = send(ada, ada.get("/recurring").text, "recurring/confirm", "delete")
        assert answer.status_code == 422 and "Select some recurring jobs first." in answer.text

    @pytest.mark.parametrize(("data", "status"), [({"verb": "erase", "id": "a"}, 422), ({"verb": "pause", "id": "no"}, 404)])
    def test_what_cannot_be_is_refused(
        self, ada: TestClient, storage: StorageProvider, data: dict[str, str], status: int
    ) -> None:
        factories.registered(storage, id="a")
        token = Form(page_of(ada, "a"), "recurring/change").fields["token"]
        for path in ("confirm", "change"):
            assert ada.post(f"/recurring/{path}", data=data | {"token": token}).status_code == status

    @pytest.mark.parametrize("query", ["done=x", "done=-1", "done=99999999999", "skipped=%F0%9F%98%80"])
    def test_what_a_link_says_was_done_is_only_ever_a_number(self, ada: TestClient, query: str) -> None:
        answer = ada.get(f"/recurring?verb=pause&{query}")
        assert answer.status_code == 200 and 'role="status">' not in answer.text.replace('status" hidden', "")


class TestHostileText:
    @staticmethod
    def pages(text: str) -> list[Tags]:
        """All that shows a recurring job that says this, with its jobs, skips and changes."""
        storage: StorageProvider = MemoryStorageProvider()
        now = storage.now()
        template = JobTemplate(details=JobDetails("shop:sync", msgspec.json.encode({"a": text}).decode()), name=text)
        factories.registered(storage, id=text, template=template, paused_at=now, pause_reason=text)
        factories.registered(storage, id=f"{text}2", schedule=f"a:b({text!r})", problem=text, zone="Europe/Brussels")
        storage.record_audit([AuditEntry(actor=text, action=text, subject=f"recurring:{text}", detail=text)])
        dashboard = JobRunr(storage, application="tests").dashboard(authorize=lambda request: "operator")
        with TestClient(dashboard, base_url="http://localhost") as browser:
            page = browser.get("/recurring").text
            asked = send(browser, page, "recurring/confirm", "delete", id=[text, f"{text}2"]).text
            live = "".join(
                [*recurring_topic(app_site(dashboard), "").values(), *overview_topic(app_site(dashboard), "").values()]
            )
            return [Tags(html) for html in (page, page_of(browser, text), page_of(browser, f"{text}2"), asked, live)]

    @pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
    def test_it_adds_no_element_and_no_attribute(self, text: str) -> None:
        text = text[:200].replace("\n", " ").replace("\r", " ")
        for tags, before in zip(self.pages(text), self.pages("harmless"), strict=True):
            assert tags.counted == before.counted
            assert not [address for address in tags.addresses if not LEADS_INSIDE.fullmatch(address)]


class TestLive:
    @pytest.fixture
    def site(self, browsers: Callable[[User], TestClient]) -> Any:
        return app_site(browsers(User("ada", Role.OPERATOR)).app)

    @pytest.mark.parametrize("id", ["nightly", ODD])
    def test_what_moves_is_on_the_page(self, ada: TestClient, site: Any, storage: StorageProvider, id: str) -> None:
        factories.registered(storage, id=id)
        page = page_of(ada, id)
        (topic,) = re.findall(r'data-topics="([^"]+)"', page)
        moving = recurring_job_topic(site, topic.removeprefix("recurring-job/"))
        assert len(moving) == 5 and all(f'id="{name}"' in page for name in moving)

    def test_what_moves_in_the_list_is_on_the_page(self, ada: TestClient, site: Any, storage: StorageProvider) -> None:
        for id in ("nightly", ODD):
            factories.registered(storage, id=id)
        page = ada.get("/recurring").text
        moving = recurring_topic(site, "")
        assert len(moving) == 9 and all(f'id="{name}"' in page for name in moving)

    def test_a_pause_moves(self, site: Any, app: JobRunr, storage: StorageProvider) -> None:
        factories.registered(storage, id=ODD)
        app.scheduler.recurring.pause(ODD, "the disk is full")
        assert "the disk is full" in "".join(recurring_topic(site, "").values())
        assert "the disk is full" in recurring_job_topic(site, quote(ODD, safe=""))["recurring-head"]

    def test_one_that_was_deleted_says_so(self, site: Any) -> None:
        assert "is gone" in recurring_job_topic(site, "gone")["recurring-head"]
