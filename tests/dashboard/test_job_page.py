from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from starlette.testclient import TestClient

from jobrunr import Job, JobId, JobRunr, JobState, transitions
from jobrunr.cli.words import read_words
from jobrunr.dashboard.pages.job import DELETE, REQUEUE, RUN_NOW, job_topic
from jobrunr.dashboard.redaction import Redaction
from jobrunr.dashboard.showing.command_lines import enqueue_line
from jobrunr.dashboard.showing.log_lines import MOST_LINES
from jobrunr.dashboard.showing.timeline import attempts_of, entries_of
from jobrunr.jobs import JobDetails, JobExtras, encode_extras
from jobrunr.states import MOVES
from jobrunr.storage.contract import StorageProvider
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing import TestClock, factories
from jobrunr.testing.contract.decisions import bury, rescue
from tests.dashboard import populate, shop
from tests.dashboard.hostile import Tags
from tests.dashboard.populate import MODULE


def text_of(browser: TestClient, job_id: JobId) -> str:
    answer = browser.get(f"/jobs/{job_id}")
    assert answer.status_code == 200
    return " ".join(Tags(answer.text).text.split())


def a_site(storage: StorageProvider) -> Any:
    """As much of one as topics need."""
    return type("Site", (), {"storage": storage, "redact": Redaction("password")})()


# -- what it says


@pytest.mark.parametrize("storage", ["memory", "sqlite"], indirect=True)
def test_every_job_has_a_page(ada: TestClient, rita: TestClient, storage: StorageProvider, jobs: dict[str, JobId]) -> None:
    for name, job_id in jobs.items():
        job = storage.get(job_id)
        assert job is not None
        for browser in (ada, rita):
            assert f"{job.state} {job.name.strip()}" in text_of(browser, job_id), name


def test_the_call_stands_there_as_code(ada: TestClient, jobs: dict[str, JobId]) -> None:
    assert f"{MODULE}.charge(order=99)" in text_of(ada, jobs["retried"])
    assert f"{MODULE}.remember('a b', '-5', 'x=1', '17', from='ada')" in text_of(ada, jobs["by position"])


def test_a_long_call_takes_a_line_for_each_argument(ada: TestClient, jobs: dict[str, JobId]) -> None:
    page = Tags(ada.get(f"/jobs/{jobs['long']}").text).text
    assert f"{MODULE}.import_orders(\n    orders=[0, 1, " in page and ",\n    dry=True,\n)" in page


def test_arguments_that_are_none_are_hidden_rather_than_shown_wrong(ada: TestClient, jobs: dict[str, JobId]) -> None:
    page = text_of(ada, jobs["garbled"])
    assert f"{MODULE}.send_welcome(***)" in page
    assert "they are not JSON" in page


@pytest.mark.parametrize("name", ["unfitting", "gone"])
def test_a_job_that_this_code_cannot_run_says_why(ada: TestClient, jobs: dict[str, JobId], name: str) -> None:
    why = {"unfitting": "Expected `str`, got `int`", "gone": "has no 'renamed_since'"}[name]
    page = text_of(ada, jobs[name])
    assert "The code of this dashboard cannot run this job" in page
    assert why in page


def test_a_dashboard_without_an_application_does_not_judge_what_can_run(
    storage: StorageProvider, jobs: dict[str, JobId]
) -> None:
    dashboard = JobRunr(storage, application="jobrunr").dashboard(authorize=lambda request: "reader")

    page = TestClient(dashboard, base_url="http://localhost").get(f"/jobs/{jobs['gone']}").text

    assert "cannot run this job" not in page


def test_a_job_that_can_run_says_nothing_of_the_kind(ada: TestClient, jobs: dict[str, JobId]) -> None:
    assert "cannot" not in text_of(ada, jobs["urgent"])


def test_an_unreadable_job_says_why(
    ada: TestClient, storage: StorageProvider, jobs: dict[str, JobId], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = replace(factories.present(storage, factories.enqueued(storage)), unreadable="its state is 'LOST'", name="")
    monkeypatch.setattr(storage, "get", lambda job_id: job)
    assert "This job cannot be read: its state is 'LOST'" in text_of(ada, job.id)


@pytest.mark.parametrize("job_id", ["0198e5a0-7b7a-7000-8000-000000000000", "no-id", "x" * 3000])
def test_a_job_that_is_not_there_is_explained(ada: TestClient, job_id: str) -> None:
    answer = ada.get(f"/jobs/{job_id}")
    assert answer.status_code == 404
    assert "There is no job with this id" in answer.text
    assert "jobs" in Tags(answer.text).addresses


def test_facts_lead_to_jobs_that_share_them(ada: TestClient, jobs: dict[str, JobId]) -> None:
    links = Tags(ada.get(f"/jobs/{jobs['running']}").text).addresses
    shared = {"jobs?queue=billing", "jobs?label=eu", "jobs?server=shop-1%3A4711", f"jobs?target={MODULE}%3Aimport_orders"}
    assert shared <= set(links)
    assert "recurring/job?id=nightly-import" in Tags(ada.get(f"/jobs/{jobs['nightly']}").text).addresses


def test_result_and_metadata_are_shown_as_indented_json(ada: TestClient, jobs: dict[str, JobId]) -> None:
    page = Tags(ada.get(f"/jobs/{jobs['succeeded']}").text).text
    assert '{\n  "imported": 1\n}' in page
    assert '{\n  "file": "orders.csv",\n  "rows": [\n    1,' in page


def test_a_job_says_how_it_runs_if_it_wants_that(ada: TestClient, storage: StorageProvider, jobs: dict[str, JobId]) -> None:
    job = factories.enqueued(storage, extras=JobExtras(timeout=timedelta(seconds=90), execution="process"))
    assert "in a process of its own, for 1 min 30 s at most" in text_of(ada, job.id)
    assert "<dt>Runs</dt>" not in ada.get(f"/jobs/{jobs['succeeded']}").text
    answer = ada.get(f"/api/jobs/{job.id}").json()
    assert (answer["execution"], answer["timeout"]) == ("process", 90)
    assert ada.get(f"/api/jobs/{jobs['succeeded']}").json()["timeout"] is None


def test_a_job_says_how_often_its_process_died_and_what_that_means(ada: TestClient, storage: StorageProvider) -> None:
    suspect, quarantined = (factories.processing(storage, queue=queue) for queue in ("suspect", "quarantined"))
    factories.written(storage, rescue(suspect, storage.now()))
    factories.written(storage, bury(quarantined, storage.now()))
    innocent = factories.failed(storage)

    assert "its process died once while it ran, which uses up no retry" in text_of(ada, suspect.id)
    assert "its process died once while it ran, so it is quarantined" in text_of(ada, quarantined.id)
    assert "<dt>Crashes</dt>" not in ada.get(f"/jobs/{innocent.id}").text
    answers = [ada.get(f"/api/jobs/{job.id}").json() for job in (suspect, quarantined, innocent)]
    assert [(each["crashes"], each["is_quarantined"]) for each in answers] == [(1, False), (1, True), (0, False)]


def test_progress_is_shown(ada: TestClient, jobs: dict[str, JobId]) -> None:
    page = ada.get(f"/jobs/{jobs['running']}").text
    assert '<progress max="1" value="0.3333"' in page
    assert "33 %, 1 of 3" in page


def test_secrets_are_hidden_everywhere(storage: StorageProvider) -> None:
    app = JobRunr(storage, application="tests")
    server = factories.announced(storage)
    details = JobDetails(f"{MODULE}:remember", '{"password":"hunter2"}')
    job = populate.run(storage, server, details=details, name="shop.remember('hunter2')")
    populate.log(storage, job, "log hunter2", metadata_login='{"password":"hunter2"}')
    error = populate.raised(shop.read_feed, "hunter2")
    factories.written(storage, transitions.fail(job, storage.now(), "it failed", error))
    done = populate.run(storage, server, details=details, name="shop.remember('hunter2')")
    factories.written(storage, transitions.succeed(done, storage.now(), '{"password":"hunter2"}'))
    dashboard = app.dashboard(
        authorize=lambda request: "reader", redact=lambda kind, text: text.replace("hunter2", f"<{kind}>")
    )
    browser = TestClient(dashboard, base_url="http://localhost")
    shown = [
        browser.get(path).text
        for path in (
            f"/jobs/{job.id}",
            f"/jobs/{done.id}",
            f"/jobs/{job.id}/log",
            "/jobs",
            "/jobs?state=FAILED",
            "/failures",
        )
    ]
    assert not any("hunter2" in html for html in shown)
    assert {"&lt;log&gt;", "&lt;exception&gt;", "***"} <= set(re.findall(r"&lt;\w+&gt;|\*\*\*", "".join(shown)))
    assert "hunter2" not in "".join(job_topic(app_site(dashboard), str(job.id)).values())


def app_site(dashboard: Any) -> Any:
    """The site behind a dashboard."""
    (job,) = [route for route in dashboard.routes if route.path == "/jobs/{id}"]
    return job.endpoint._site


# -- history and attempts


def test_the_history_says_how_long_everything_took() -> None:
    clock = TestClock(datetime(2026, 1, 1, tzinfo=UTC))
    storage = MemoryStorageProvider(clock)
    server = factories.announced(storage)
    job = factories.enqueued(storage)
    clock.advance(minutes=2)
    (job,) = storage.claim(server.id, server.name, 1)
    clock.advance(seconds=1.5)
    error = factories.an_exception()
    delay = timedelta(seconds=30)
    failed = transitions.fail_and_retry(job, clock.now(), "it failed", error, delay=delay, retry_reason="retry 1")
    job = factories.written(storage, failed)
    clock.advance(seconds=30)
    storage.promote(1)
    (job,) = storage.claim(server.id, server.name, 1)
    clock.advance(seconds=7.9)
    entries = entries_of(job, clock.now())
    assert [(entry.change.state, entry.verb, entry.lasted, entry.attempt) for entry in entries] == [
        (JobState.ENQUEUED, "waited for", timedelta(minutes=2), None),
        (JobState.PROCESSING, "ran for", timedelta(seconds=1.5), 1),
        (JobState.FAILED, "", None, 1),
        (JobState.SCHEDULED, "waited for", timedelta(seconds=30), None),
        (JobState.ENQUEUED, "waited for", timedelta(0), None),
        (JobState.PROCESSING, "has run for", timedelta(seconds=8), 2),
    ]
    first, second = attempts_of(job, {"progress.2": '{"done":1,"failed":0,"total":2}', "progress.1": "garbled"}, clock.now())
    assert (first.number, first.lasted, first.exception, first.progress) == (1, timedelta(seconds=1.5), error, None)
    assert second.end is None and second.progress is not None and second.progress.share == 0.5


def test_what_was_left_for_other_servers_did_not_run_and_says_why(ada: TestClient, storage: StorageProvider) -> None:
    job = factories.processing(storage)
    reason = "shop-1:4711 does not know it (the module shop has no 'send'); left for servers that do"
    left = transitions.leave(job, storage.now(), reason, delay=timedelta(minutes=1))
    factories.written(storage, left)

    (attempt,) = attempts_of(factories.present(storage, job), {}, storage.now())
    entries = entries_of(factories.present(storage, job), storage.now())
    page = text_of(ada, job.id)

    assert attempt.is_left
    assert [entry.lasted is None for entry in entries] == [False, True, False]
    assert reason in page
    assert "Attempt 1 on shop-1:4711, left for other servers" in page


def test_the_log_stands_with_its_attempt(ada: TestClient, jobs: dict[str, JobId]) -> None:
    page = text_of(ada, jobs["retried"])
    assert re.search(r"Attempt 1 on shop-1:4711, failed after .* INFO first try Attempt 2 .* ERROR second try", page)


def test_frames_of_libraries_fold_away_and_the_cause_is_shown(ada: TestClient, jobs: dict[str, JobId]) -> None:
    page = ada.get(f"/jobs/{jobs['broken feed']}").text
    folded = re.findall(
        r'<details data-key="attempt-1-\d+"><summary>3 frames of libraries</summary><pre>(.*?)</pre>', page, re.DOTALL
    )
    assert len(folded) == 1 and "json/decoder.py" in folded[0]
    assert "The above exception was the direct cause" in page
    assert re.search(r'<pre class="application">[^<]*tests/dashboard/shop.py[^<]*in read_feed', page)


def test_a_failure_outside_an_attempt_shows_its_exception_too(ada: TestClient, storage: StorageProvider) -> None:
    job = factories.awaiting(storage)
    failure = transitions.fail(job, storage.now(), "its window is over", factories.an_exception())
    factories.written(storage, replace(failure, version=job.version, keep_token=False))  # nobody owns it
    page = text_of(ada, job.id)
    assert "its window is over" in page and page.count("no such mailbox") >= 2


@pytest.mark.parametrize("storage", ["memory", "sqlite"], indirect=True)
def test_a_long_log_shows_its_newest_lines_and_leads_to_the_others(ada: TestClient, storage: StorageProvider) -> None:
    job = populate.run(storage, factories.announced(storage))
    populate.log(storage, job, *(f"line {number}." for number in range(2345)))
    page = text_of(ada, job.id)
    assert "line 2344." in page and f"line {2345 - MOST_LINES}." in page
    assert f"line {2345 - MOST_LINES - 1}." not in page
    seen: list[str] = []
    path: str | None = f"jobs/{job.id}/log"
    while path is not None:
        tags = Tags(ada.get(f"/{path}").text)
        seen += re.findall(r"line \d+\.", tags.text)
        path = next((link for link in tags.addresses if "after=" in link), None)
    assert seen == [f"line {number}." for number in range(2345)]


@pytest.mark.parametrize("lines", [0, 1, MOST_LINES, MOST_LINES + 1, 1024, 1025, 3 * 1024 + 7])
def test_however_long_the_log_its_end_is_found(ada: TestClient, storage: StorageProvider, lines: int) -> None:
    job = populate.run(storage, factories.announced(storage))
    populate.log(storage, job, *(f"line {number}." for number in range(lines)))
    page = text_of(ada, job.id)
    assert len(re.findall(r"line \d+\.", page)) == min(lines, MOST_LINES)
    assert lines == 0 or f"line {lines - 1}." in page
    assert ("The whole log" in page) is (lines > MOST_LINES)


def test_a_place_in_the_log_that_is_none_is_refused(ada: TestClient, jobs: dict[str, JobId]) -> None:
    assert ada.get(f"/jobs/{jobs['running']}/log?after=1-x").status_code == 422


def test_what_moves_is_what_the_page_shows(storage: StorageProvider, jobs: dict[str, JobId], ada: TestClient) -> None:
    for name in ("running", "retried", "broken feed", "succeeded", "deleted"):
        page = ada.get(f"/jobs/{jobs[name]}").text
        fragments = job_topic(a_site(storage), str(jobs[name]))
        assert {"job-head", "job-facts", "job-history", "job-kept"} <= fragments.keys()
        for element, html in fragments.items():
            assert f'id="{element}"' in page, name
            assert " ".join(Tags(html).text.split()) in " ".join(Tags(page).text.split()), (name, element)


def test_a_job_moves_while_it_runs(storage: StorageProvider) -> None:
    server = factories.announced(storage)
    job = populate.run(storage, server)
    before = job_topic(a_site(storage), str(job.id))
    populate.log(storage, job, "half of it", progress_1='{"done":1,"failed":0,"total":2}')
    after = job_topic(a_site(storage), str(job.id))
    assert "half of it" in after["log-1"] and "half of it" not in before["log-1"]
    assert "50 %" in after["attempt-1"] and "%" not in before["attempt-1"]


def test_nothing_moves_that_is_not_there(storage: StorageProvider) -> None:
    assert job_topic(a_site(storage), str(JobId.new())) == {}


# -- command lines


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (shop.send_welcome, '{"email":"ada@example.org","copies":2}'),
        (shop.send_welcome, '{"email":"17"}'),
        (shop.send_welcome, '{"email":"\\"quoted\\" it\'s $HOME `x` \\n"}'),
        (shop.send_welcome, '{"email":""}'),
        (shop.import_orders, '{"orders":[1,2],"dry":true}'),
        (shop.remember, '{"*":["a b","-5","x=1","17","null"],"**":{"n":null,"deep":{"a":[1.5]},"t":"true","eq":"a=b"}}'),
    ],
)
def test_the_command_line_makes_the_same_call(app: JobRunr, function: Callable[..., Any], arguments: str) -> None:
    runnable = app.registry.describe(function)
    job = replace(factories.a_stored_job(), details=JobDetails(runnable.target, arguments))
    line = enqueue_line(job, arguments)
    assert line is not None
    _, _, *words = shlex.split(line)
    target, *given = [word for index, word in enumerate(words) if word != "--" or "--" in words[:index]]
    assert target == runnable.target
    assert runnable.codec.encode(*read_words(runnable, given)) == arguments


def test_the_command_line_says_where_the_job_waited() -> None:
    job = factories.a_stored_job(queue="mail", priority=-2, labels_json='["eu","--x y"]')
    assert enqueue_line(job, "{}") == (
        "jobrunr enqueue --queue mail --priority -2 --label=eu '--label=--x y' shop.mail:send_welcome"
    )


def test_the_command_line_says_where_and_for_how_long_the_job_runs() -> None:
    extras = JobExtras(timeout=timedelta(milliseconds=1500), execution="process")
    job = factories.a_stored_job(extras_json=encode_extras(extras))
    assert enqueue_line(job, "{}") == "jobrunr enqueue --timeout 1.5s --execution process shop.mail:send_welcome"


def test_a_job_can_be_copied_as_a_command_line(ada: TestClient, jobs: dict[str, JobId]) -> None:
    page = ada.get(f"/jobs/{jobs['urgent']}").text
    commands = re.findall(r'data-copy="([^"]*)"', page)
    assert commands[0].startswith("jobrunr enqueue --queue mail --priority 9")
    assert commands[1] == f"jobrunr job requeue {jobs['urgent']}"


# -- moves


def buttons(html: str) -> dict[str, bool]:
    """The moves for which there is a form, and whether it can be seen."""
    forms = re.findall(r'<form method="post" action="jobs/[^"/]+/(\w+)" data-states="[^"]*"( hidden)?>', html)
    return {move: not hidden for move, hidden in forms}


MAKE: dict[JobState, Callable[..., Job]] = {
    JobState.AWAITING: factories.awaiting,
    JobState.SCHEDULED: factories.scheduled,
    JobState.ENQUEUED: factories.enqueued,
    JobState.PROCESSING: factories.processing,
    JobState.SUCCEEDED: factories.succeeded,
    JobState.FAILED: factories.failed,
    JobState.DELETED: factories.deleted,
}


@pytest.mark.parametrize("state", MAKE)
def test_buttons_are_those_that_the_state_allows_and_they_work(
    ada: TestClient, storage: StorageProvider, state: JobState
) -> None:
    job = MAKE[state](storage)
    page = ada.get(f"/jobs/{job.id}").text
    shown = buttons(page)
    assert shown == {"requeue": state in REQUEUE, "run": state in RUN_NOW, "delete": state in DELETE}
    assert shown["delete"] is (JobState.DELETED in MOVES[state])
    for move, wanted in (("requeue", JobState.ENQUEUED), ("run", JobState.ENQUEUED), ("delete", JobState.DELETED)):
        if shown[move]:
            again = MAKE[state](storage, queue=move)
            answer = press(ada, again.id, move)
            assert answer.url.path == f"/jobs/{again.id}"
            moved = factories.present(storage, again)
            assert (moved.state, moved.history[-1].by) == (wanted, "ada")


def press(browser: TestClient, job_id: JobId, move: str) -> Any:
    """Send a form as a browser without JavaScript does."""
    token = re.findall(r'name="token" value="([^"]*)"', browser.get(f"/jobs/{job_id}").text)
    return browser.post(f"/jobs/{job_id}/{move}", data={"token": token[0] if token else ""})


@pytest.mark.parametrize("storage", ["memory", "sqlite"], indirect=True)
def test_a_move_is_in_the_history_and_in_the_audit_trail(ada: TestClient, storage: StorageProvider) -> None:
    job = factories.failed(storage)
    press(ada, job.id, "requeue")
    page = text_of(ada, job.id)
    assert "by ada requeued from the dashboard" in page
    assert re.search(r"Changed by hand .* ada: requeue", page)
    (entry,) = storage.audits(str(job.id))
    assert (entry.actor, entry.action) == ("ada", "requeue")


def test_what_runs_is_not_requeued(ada: TestClient, storage: StorageProvider) -> None:
    job = factories.processing(storage)
    answer = press(ada, job.id, "requeue")
    assert answer.status_code == 409
    assert f"Job {job.id} is PROCESSING and cannot become ENQUEUED" in answer.text
    assert storage.audits() == []


@pytest.mark.parametrize(("job_id", "status"), [("0198e5a0-7b7a-7000-8000-000000000000", 404), ("none", 404)])
@pytest.mark.parametrize("move", ["requeue", "run", "delete"])
def test_a_job_that_is_not_there_is_not_moved(
    ada: TestClient, storage: StorageProvider, job_id: str, status: int, move: str
) -> None:
    token = re.findall(r'name="token" value="([^"]*)"', ada.get(f"/jobs/{factories.failed(storage).id}").text)[0]
    assert ada.post(f"/jobs/{job_id}/{move}", data={"token": token}).status_code == status


def test_a_reader_sees_no_buttons_and_moves_nothing(rita: TestClient, storage: StorageProvider) -> None:
    job = factories.failed(storage)
    assert buttons(rita.get(f"/jobs/{job.id}").text) == {}
    assert press(rita, job.id, "requeue").status_code == 403
    assert factories.present(storage, job).state is JobState.FAILED
