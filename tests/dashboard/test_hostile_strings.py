"""Whatever a job carries is text on every page, and never becomes markup."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec
import pytest
from starlette.testclient import TestClient

from jobrunr import JobRunr
from jobrunr.dashboard.pages.job import job_topic
from jobrunr.dashboard.showing.tracebacks import pieces_of
from jobrunr.storage.contract import JobQuery, StorageProvider
from jobrunr.storage.memory import MemoryStorageProvider
from tests.dashboard.hostile import HOSTILE, Tags
from tests.dashboard.populate import populate
from tests.dashboard.test_job_page import app_site

OF_TRACEBACKS = ("pre", "details", "summary", "div class role", "span class")
"""How many there are of these depends on the lines of a traceback."""

LEADS_INSIDE = re.compile(r"(\.\./)*(\./)?|[a-z][\w./%?=&+#-]*", re.ASCII)
"""An address below the root of the dashboard; nothing in it is what a job says, unless it is encoded."""


def pages_with(text: str) -> Iterator[tuple[str, str]]:
    """Every page that shows something of jobs, when jobs carry this text, and what moves on it."""
    storage: StorageProvider = MemoryStorageProvider()
    populate(storage, hostile=[text])
    dashboard = JobRunr(storage, application="tests").dashboard(authorize=lambda request: "operator")
    with TestClient(dashboard, base_url="http://localhost") as browser:
        site = app_site(dashboard)
        jobs = list(storage.find(JobQuery(label="hostile")))
        assert len(jobs) == 2
        for number, job in enumerate(jobs):
            yield f"job {number}", browser.get(f"/jobs/{job.id}").text
            yield f"log {number}", browser.get(f"/jobs/{job.id}/log").text
            yield f"live {number}", "".join(job_topic(site, str(job.id)).values())
        for path in ("/jobs?size=100", "/jobs?state=FAILED", "/jobs?state=SUCCEEDED", "/failures"):
            yield path, browser.get(path).text
        label = text[:200]
        for path, query in (("/jobs", {}), ("/jobs/confirm", {"of": "matching", "verb": "delete"})):
            fields = dict.fromkeys(("label", "text", "queue", "target", "recurring", "server", "fingerprint"), label)
            yield f"{path} with fields", browser.get(path, params=fields | query).text
            yield f"{path} with label", browser.get(path, params={"label": label} | query).text


@pytest.fixture(scope="module")
def harmless() -> dict[str, Tags]:
    return {name: Tags(html) for name, html in pages_with("harmless")}


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_adds_no_element_and_no_attribute(harmless: dict[str, Tags], text: str) -> None:
    for name, html in pages_with(text):
        tags, before = Tags(html), harmless[name].counted
        added = {tag: count - before[tag] for tag, count in tags.counted.items() if count != before[tag]}
        assert not {tag: count for tag, count in added.items() if not tag.startswith(OF_TRACEBACKS) or tag not in before}, (
            name
        )
        assert not [address for address in tags.addresses if not LEADS_INSIDE.fullmatch(address)], name


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_shown_as_it_is(text: str) -> None:
    shown = {name: " ".join(Tags(html).text.split()) for name, html in pages_with(text)}
    whole = " ".join(text.split())
    assert whole in shown["job 1"] and whole in shown["log 1"]
    assert not [name for name, page in shown.items() if whole[:40] not in page and "with" not in name]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_nothing_of_a_traceback_is_lost(text: str) -> None:
    traceback = f'Traceback\n  File "{text}", line 1, in {text}\n    {text}\n{text}\n\n'
    assert "\n".join(piece.text for piece in pieces_of(traceback)) == traceback.rstrip("\n")


def test_the_corpus_would_be_noticed() -> None:
    noticed = [text for text in HOSTILE if Tags(f'<p title="x{text}">{text}</p>').counted != Tags('<p title="x">').counted]
    assert len(noticed) > 8
    assert msgspec.json.decode(msgspec.json.encode(HOSTILE)) == list(HOSTILE)
