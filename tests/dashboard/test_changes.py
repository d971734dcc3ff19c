"""Changes to many jobs: asked for, confirmed, carried out in the background, and watched."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from jobrunr import JobId, JobRunr, JobState
from jobrunr.dashboard.changes import MOST_AT_A_TIME, MOST_KEPT, Change, Changes
from jobrunr.dashboard.pages.changes import change_topic
from jobrunr.dashboard.refusal import Refusal
from jobrunr.errors import StorageUnavailableError
from jobrunr.storage.contract import JobCount, JobQuery, StorageProvider
from jobrunr.testing import factories
from tests.dashboard.hostile import Tags
from tests.dashboard.populate import populate
from tests.dashboard.test_job_page import app_site

Answer = Any


def confirmed(browser: TestClient, answer: Answer) -> Answer:
    """Send the form of the page that asks once more, as a browser does."""
    form = re.search(r'<form method="post" action="changes".*?</form>', answer.text, re.DOTALL)
    assert form is not None, answer.text
    fields: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form[0]):
        fields.setdefault(name, []).append(value)
    return browser.post("/changes", data=fields)


def after(browser: TestClient, answer: Answer) -> str:
    """What the page of a change says when the change is over."""
    assert answer.status_code == 200 and answer.url.path.startswith("/changes/"), answer.text
    deadline = time.monotonic() + 10
    while True:
        text = " ".join(Tags(browser.get(answer.url.path).text).text.split())
        if "Done." in text or "stopped" in text or "not available" in text or "went wrong" in text:
            return text
        assert time.monotonic() < deadline, text


def states(storage: StorageProvider, query: JobQuery) -> set[JobState]:
    return {job.state for job in storage.find(query)}


class TestAllThatMatch:
    @pytest.mark.parametrize("storage", ["memory", "sqlite"], indirect=True)
    def test_all_like_one_failure_are_retried(self, ada: TestClient, storage: StorageProvider) -> None:
        populate(storage, hostile=())
        (group,) = [group for group in storage.failures(10) if group.count > 1]
        asked = ada.get(f"/jobs/confirm?of=matching&verb=requeue&state=FAILED&fingerprint={group.fingerprint}")
        assert "<h1>Requeue 13 jobs?</h1>" in asked.text
        text = after(ada, confirmed(ada, asked))
        assert "13 done, 0 skipped, of 13; begun by ada." in text
        assert states(storage, JobQuery(fingerprint=group.fingerprint)) == {JobState.ENQUEUED}
        others = [job.name for job in storage.find(JobQuery(state=JobState.FAILED)).jobs]
        assert others == ["lost with its server", "renamed since", "read_feed('{')"]
        assert storage.counts()[JobState.FAILED] == 3

    def test_all_that_a_search_finds_are_deleted_and_no_other(self, ada: TestClient, storage: StorageProvider) -> None:
        populate(storage, hostile=())
        asked = ada.get("/jobs/confirm?of=matching&verb=delete&label=bulk&text=send_welcome")
        assert "<h1>Delete 30 jobs?</h1>" in asked.text
        others = sum(count for state, count in storage.counts().items() if state is not JobState.DELETED) - 30
        assert "30 done, 0 skipped" in after(ada, confirmed(ada, asked))
        assert states(storage, JobQuery(label="bulk")) == {JobState.DELETED}
        assert sum(count for state, count in storage.counts().items() if state is not JobState.DELETED) == others

    def test_jobs_that_come_to_match_after_the_question_stay_as_they_are(
        self, ada: TestClient, storage: StorageProvider
    ) -> None:
        factories.failed(storage)
        asked = ada.get("/jobs/confirm?of=matching&verb=delete&state=FAILED")
        late = factories.failed(storage)
        after(ada, confirmed(ada, asked))
        assert factories.present(storage, late).state is JobState.FAILED

    def test_what_runs_is_skipped(self, ada: TestClient, storage: StorageProvider) -> None:
        factories.processing(storage, labels=("x",))
        factories.failed(storage, labels=("x",))
        text = after(ada, confirmed(ada, ada.get("/jobs/confirm?of=matching&verb=requeue&label=x")))
        assert "1 done, 1 skipped, of 2" in text

    def test_a_count_that_took_too_long_is_a_lower_bound(
        self, ada: TestClient, storage: StorageProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        factories.failed(storage)
        monkeypatch.setattr(storage, "count", lambda query: JobCount(1, is_exact=False))
        asked = ada.get("/jobs/confirm?of=matching&verb=delete&state=FAILED")
        assert "<h1>Delete at least 1 jobs?</h1>" in asked.text
        assert "1 done, 0 skipped, of at least 1" in after(ada, confirmed(ada, asked))

    def test_nothing_to_change_has_no_button(self, ada: TestClient) -> None:
        page = ada.get("/jobs/confirm?of=matching&verb=delete&label=nothing").text
        assert "Delete 0 jobs?" in page and 'action="changes"' not in page

    def test_the_history_and_the_audit_trail_say_who(self, ada: TestClient, storage: StorageProvider) -> None:
        job = factories.failed(storage, labels=("x",))
        after(ada, confirmed(ada, ada.get("/jobs/confirm?of=matching&verb=requeue&label=x")))
        assert factories.present(storage, job).history[-1].by == "ada"
        (entry,) = storage.audits("jobs")
        assert (entry.actor, entry.action) == ("ada", "requeue matching")
        assert "the label 'x'" in entry.detail and "1 requeued, 0 skipped" in entry.detail

    def test_a_query_without_an_end_is_refused(self, ada: TestClient, storage: StorageProvider) -> None:
        job = factories.failed(storage)
        token = token_of(ada)
        answer = ada.post("/changes", data={"token": token, "of": "matching", "verb": "delete", "state": "FAILED"})
        assert answer.status_code == 422
        assert factories.present(storage, job).state is JobState.FAILED


class TestSelected:
    @pytest.mark.parametrize("storage", ["memory", "sqlite"], indirect=True)
    def test_selected_jobs_are_changed_and_no_other(self, ada: TestClient, storage: StorageProvider) -> None:
        jobs = [factories.failed(storage) for _ in range(3)]
        asked = ada.get(
            "/jobs/confirm", params={"of": "selected", "verb": "requeue", "job": [str(job.id) for job in jobs[:2]]}
        )
        assert "<h1>Requeue 2 jobs?</h1>" in asked.text
        assert "2 done, 0 skipped, of 2" in after(ada, confirmed(ada, asked))
        now = [factories.present(storage, job).state for job in jobs]
        assert now == [JobState.ENQUEUED, JobState.ENQUEUED, JobState.FAILED]
        assert [entry.subject for entry in storage.audits()] == [str(job.id) for job in jobs[1::-1]]

    def test_what_is_gone_or_runs_is_skipped(self, ada: TestClient, storage: StorageProvider) -> None:
        ids = [str(factories.processing(storage).id), str(JobId.new()), str(factories.failed(storage).id)]
        asked = ada.get("/jobs/confirm", params={"of": "selected", "verb": "requeue", "job": ids})
        assert "1 done, 2 skipped, of 3" in after(ada, confirmed(ada, asked))

    @pytest.mark.parametrize("verb", ["requeue", "delete"])
    def test_nothing_selected_never_means_all(self, ada: TestClient, storage: StorageProvider, verb: str) -> None:
        job = factories.failed(storage)
        for fields in ({"of": "selected"}, {}, {"of": "all"}):
            answer = ada.get("/jobs/confirm", params=fields | {"verb": verb})
            assert answer.status_code == 422
            assert 'action="changes"' not in answer.text
            token = token_of(ada)
            assert ada.post("/changes", data=fields | {"verb": verb, "token": token}).status_code == 422
        assert factories.present(storage, job).state is JobState.FAILED

    def test_the_list_has_a_box_for_each_job(self, ada: TestClient, storage: StorageProvider) -> None:
        job = factories.failed(storage)
        page = ada.get("/jobs").text
        assert f'<input type="checkbox" name="job" value="{job.id}"' in page
        assert '<input type="hidden" name="of" value="selected">' in page


def token_of(browser: TestClient) -> str:
    """What changes have to bring along; any page with a form has it."""
    page = browser.get("/jobs/confirm", params={"of": "selected", "verb": "delete", "job": str(JobId.new())}).text
    (token,) = re.findall(r'name="token" value="([^"]*)"', page)
    return str(token)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"of": "matching", "verb": "run"}, "requeue or delete"),
        ({"of": "matching"}, "requeue or delete"),
        ({"of": "selected", "verb": "delete", "job": "x"}, "is no UUID"),
        ({"of": "matching", "verb": "delete", "state": "LOST"}, "There is no state"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(ada: TestClient, fields: dict[str, str], words: str) -> None:
    token = token_of(ada)
    asked = ada.get("/jobs/confirm", params=fields)
    begun = ada.post("/changes", data=fields | {"token": token, "changed_until": "2030-01-01"})
    assert asked.status_code == 422 and words in Tags(asked.text).text
    assert begun.status_code == 422


def test_readers_change_nothing(rita: TestClient, storage: StorageProvider) -> None:
    job = factories.failed(storage)
    fields = {"of": "selected", "verb": "delete", "job": str(job.id)}
    assert rita.get("/jobs/confirm", params=fields).status_code == 403
    assert rita.post("/changes", data=fields).status_code == 403
    assert rita.post("/changes/x/stop").status_code == 403
    assert factories.present(storage, job).state is JobState.FAILED


def test_readers_may_watch_a_change(ada: TestClient, app: JobRunr, storage: StorageProvider) -> None:
    factories.failed(storage)
    answer = confirmed(ada, ada.get("/jobs/confirm?of=matching&verb=requeue&state=FAILED"))
    after(ada, answer)
    assert "Requeue all jobs with the state FAILED" in Tags(ada.get(answer.url.path).text).text


def test_a_change_that_a_restart_ended_is_explained(ada: TestClient) -> None:
    answer = ada.get("/changes/0198e5a0")
    assert answer.status_code == 404
    assert "The dashboard was started anew, which ends the changes that go on" in answer.text


def test_an_outage_ends_a_change_and_is_shown(
    ada: TestClient, app: JobRunr, storage: StorageProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = factories.failed(storage)
    asked = ada.get("/jobs/confirm", params={"of": "selected", "verb": "requeue", "job": str(job.id)})

    def break_down(*_: object, **__: object) -> None:
        raise StorageUnavailableError("memory", "the plug was pulled")

    monkeypatch.setattr(app.scheduler, "requeue", break_down)
    assert "The storage memory is not available: the plug was pulled" in after(ada, confirmed(ada, asked))


class Slow:
    """A change that waits before it says that one more is done."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.ended = threading.Event()

    def __call__(self, change: Change) -> None:
        try:
            change.set(1, 0)
            assert self.go_on.wait(10)
            change.set(2, 1)
        finally:
            self.ended.set()


def a_change(total: int = 3) -> Change:
    return Change("requeue 3 selected jobs", "ada", JobCount(total, is_exact=True))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline


def test_a_change_moves_on_its_page(ada: TestClient) -> None:
    site, slow, change = app_site(ada.app), Slow(), a_change()
    site.changes.begin(change, slow)
    wait_until(lambda: change.done == 1)
    page = ada.get(f"/changes/{change.id}").text
    shown = change_topic(site, change.id)["change"]
    assert '<progress max="3" value="1"' in page and '<progress max="3" value="1"' in shown
    assert f'data-topics="change/{change.id}"' in page
    slow.go_on.set()
    wait_until(lambda: change.is_over)
    assert "<b>2</b> done, <b>1</b> skipped, of 3" in change_topic(site, change.id)["change"]
    assert change_topic(site, "unknown") == {}


def test_a_change_can_be_stopped(ada: TestClient) -> None:
    site, slow, change = app_site(ada.app), Slow(), a_change()
    site.changes.begin(change, slow)
    page = ada.get(f"/changes/{change.id}").text
    assert f'action="changes/{change.id}/stop"' in page
    (token,) = re.findall(r'name="token" value="([^"]*)"', page)
    answer = ada.post(f"/changes/{change.id}/stop", data={"token": token})
    slow.go_on.set()
    assert "It was stopped." in after(ada, answer)
    assert "stop" not in Tags(ada.get(f"/changes/{change.id}").text).addresses


def test_only_so_many_changes_go_on_at_a_time() -> None:
    changes, slow = Changes(), Slow()
    for _ in range(MOST_AT_A_TIME):
        changes.begin(a_change(), slow)
    with pytest.raises(Refusal, match="changes are going on already") as refused:
        changes.begin(a_change(), slow)
    assert refused.value.status == 409
    slow.go_on.set()


def test_changes_that_are_over_are_forgotten_in_the_end() -> None:
    changes, made = Changes(), [a_change() for _ in range(MOST_KEPT + 5)]
    for change in made:
        changes.begin(change, lambda change: None)
        wait_until(lambda change=change: change.is_over)  # type: ignore[misc]
    kept = [change for change in made if changes.get(change.id) is change]
    assert kept == made[-MOST_KEPT:]


def test_an_unexpected_error_ends_a_change_without_showing_what_it_says() -> None:
    changes, change = Changes(), a_change()

    def break_down(change: Change) -> None:
        raise ZeroDivisionError("secret")

    changes.begin(change, break_down)
    wait_until(lambda: change.is_over)
    assert change.problem is not None and "went wrong" in change.problem and "secret" not in change.problem
