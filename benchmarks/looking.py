"""What it takes to look: pages over millions of jobs, and many people who watch while jobs are run."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import URL
from starlette.testclient import TestClient

from benchmarks.databases import Database
from benchmarks.jobs import noop
from benchmarks.measurements import Sizes
from benchmarks.raw import Raw, raw_on
from benchmarks.report import Figure, at_most
from benchmarks.worker import drain
from jobrunr import JobQuery, JobRunr, JobState
from jobrunr.dashboard.running import DashboardServer
from jobrunr.storage.sql.column_types import time_as_text
from jobrunr.storage.sql.tables import DEFAULT_PREFIX

AT_ONCE = 250_000
"""Jobs in a statement that fills a database."""
ON_A_PAGE = 50
LOOKS = 5
WATCHERS = 50

SHARES = {"SUCCEEDED": 0.9, "FAILED": 0.03, "ENQUEUED": 0.03, "SCHEDULED": 0.02, "DELETED": 0.02}
"""Of all jobs. One in ten is of the queue ``mail``, one in ten has the label ``tenant-a``, eight servers have run as many
each; of what is called ``rare`` there is one in ten thousand."""


def looking(database: Database, sizes: Sizes) -> Iterator[Figure]:
    """How long pages take when there are millions of jobs."""
    count = sizes.looked_at[database.kind]
    with database.fresh() as url, JobRunr(url.render_as_string(hide_password=False), application="benchmarks") as app:
        with closing(raw_on(url, DEFAULT_PREFIX)) as raw:
            _fill(raw, database.kind, count)
        with TestClient(app.dashboard(insecure=True), base_url="http://127.0.0.1") as browser:
            for name, path, limit in _pages(app, count):
                took = [_seconds(browser, path) for _ in range(LOOKS)]
                yield Figure(
                    database=database.name,
                    name=f"page over {count:,}: {name}",
                    unit="ms",
                    ours=1000 * median(took),
                    bar=at_most(limit),
                )


def watching(database: Database, sizes: Sizes) -> Iterator[Figure]:
    """A drain while fifty browsers watch the overview, beside the same drain while nobody does."""
    count = sizes.drained
    with database.fresh() as url, JobRunr(url.render_as_string(hide_password=False)) as app:
        rounds: list[tuple[float, float]] = []
        for number in range(sizes.rounds):
            took = {}
            for is_watched in (True, False) if number % 2 else (False, True):  # who comes second finds a larger table
                with _audience(url) if is_watched else nullcontext():
                    took[is_watched] = _drain(app, url, count)
            rounds.append((took[False], took[True]))
    yield Figure(
        database=database.name,
        name=f"drain {count:,} while {WATCHERS} watch",
        unit="s",
        ours=median(watched for _, watched in rounds),
        ratio=median(watched / alone for alone, watched in rounds),
        bar=at_most(1.05),
    )


# -- pages


def _pages(app: JobRunr, count: int) -> Iterator[tuple[str, str, float]]:
    """What to look at: a name, the address, and the milliseconds that it may take."""
    yield "overview", "/", 100
    yield "failures", "/failures", 100
    now = datetime.now(UTC)
    searches: dict[str, dict[str, str]] = {"all": {}} | {state: {"state": state} for state in ("SUCCEEDED", "FAILED")}
    searches |= {f"{what} {value}": {what: value} for what, value in _NAMES}
    searches["an hour"] = {
        "created_from": (now - timedelta(days=9)).isoformat(),
        "created_until": (now - timedelta(days=9) + timedelta(hours=1)).isoformat(),
    }
    for name, fields in searches.items():
        yield f"{name}, first", f"/jobs?{urlencode(fields)}", 100
        if (after := _hundredth(app, fields)) is not None:
            yield f"{name}, hundredth", f"/jobs?{urlencode(fields | {'after': after})}", 100
    yield "text that is frequent", "/jobs?text=noop", 1000
    yield "text that is rare", "/jobs?text=needle", 1000


_NAMES = [("label", "tenant-a"), ("label", "rare"), ("queue", "mail"), ("queue", "rare"), ("server", "worker-3:1")]
_NAMES += [("server", "rare:1")]


def _hundredth(app: JobRunr, fields: dict[str, str]) -> str | None:
    """The cursor of the hundredth page; None when there are not so many."""
    values: dict[str, Any] = {name: value for name, value in fields.items() if name in ("label", "queue", "server")}
    values |= {name: datetime.fromisoformat(fields[name]) for name in ("created_from", "created_until") if name in fields}
    state = JobState(fields["state"]) if "state" in fields else None
    return app.storage.find(JobQuery(state=state, limit=99 * ON_A_PAGE, **values)).next


def _seconds(browser: TestClient, path: str) -> float:
    began = time.perf_counter()
    answer = browser.get(path)
    took = time.perf_counter() - began
    assert answer.status_code == 200, answer.text
    return took


# -- filling, by the database itself: millions of rows take minutes that way, and hours in any other


def _fill(raw: Raw, kind: str, count: int) -> None:
    numbers, new_id, moment = _WORDS_OF[kind]
    for first in range(0, count, AT_ONCE):
        raw.execute(_jobs(raw, numbers.format(first + 1, min(first + AT_ONCE, count)), new_id, moment, count))
    for label, which in (("tenant-a", "%tenant-a%"), ("rare", "%rare%")):
        labelled = f"SELECT '{label}', id FROM {raw.jobs} WHERE labels LIKE '{which}'"
        raw.execute(_escaped(raw, f"INSERT INTO {raw.prefix}job_labels (label, job_id) {labelled}"))
    for state, share in SHARES.items():
        raw.count(JobState(state), round(count * share))
    raw.tidy_up()


def _jobs(raw: Raw, numbers: str, new_id: str, moment: str, count: int) -> str:
    created = moment.format(seconds=f"(n - {count}) * {30 * 86_400 / count}")
    changed = moment.format(seconds=f"(n - {count}) * {30 * 86_400 / count} + 2")
    ran = "state IN ('SUCCEEDED', 'FAILED', 'DELETED')"
    values = {
        "id": new_id,
        "state": "state",
        "version": "3",
        "target": f"'{noop.__module__}:{noop.__qualname__}'",
        "arguments": "'{\"number\":1}'",
        "name": "CASE WHEN n = 17 THEN 'a needle in the hay' ELSE 'jobs.noop(' || n || ')' END",
        "queue": "CASE WHEN n % 10000 = 5 THEN 'rare' WHEN n % 10 = 1 THEN 'mail' ELSE 'default' END",
        "priority": "0",
        "labels": "CASE WHEN n % 10000 = 7 THEN '[\"rare\"]' WHEN n % 10 = 2 THEN '[\"tenant-a\"]' END",
        "retries": "10",
        "attempts": f"CASE WHEN {ran} THEN 1 ELSE 0 END",
        "failures": "CASE WHEN state = 'FAILED' THEN 1 ELSE 0 END",
        "created_at": created,
        "state_at": changed,
        "run_at": f"CASE WHEN state = 'SCHEDULED' THEN {moment.format(seconds='86400 + n')} END",
        "enqueued_at": created,
        "started_at": f"CASE WHEN {ran} THEN {created} END",
        "finished_at": f"CASE WHEN {ran} THEN {changed} END",
        "server_name": f"CASE WHEN NOT {ran} THEN NULL WHEN n % 10000 = 9 THEN 'rare:1' ELSE 'worker-' || n % 8 || ':1' END",
        "past": "''",
        "fingerprint": "CASE WHEN state = 'FAILED' THEN '000000000000000' || n % 7 END",
    }
    states, until = [], 0
    for state, share in SHARES.items():
        until += round(share * 100)
        states.append(f"WHEN n * 61 % 100 < {until} THEN '{state}'")
    jobs = f"SELECT n, CASE {' '.join(states)} END AS state FROM ({numbers}) AS numbers"
    statement = f"INSERT INTO {raw.jobs} ({', '.join(values)}) SELECT {', '.join(values.values())} FROM ({jobs}) AS jobs"
    return _escaped(raw, statement)


def _escaped(raw: Raw, statement: str) -> str:
    """Where parameters are written with a per cent sign, two stand for one."""
    return statement.replace("%", "%%") if "%" in raw.placeholder else statement


_NOW = time_as_text(datetime.now(UTC))
_WORDS_OF = {
    "postgresql": (
        "SELECT n FROM generate_series({}, {}) AS n",
        "gen_random_uuid()",
        "now() + interval '1 second' * ({seconds})",
    ),
    "sqlite": (
        "WITH RECURSIVE r(n) AS (SELECT {} UNION ALL SELECT n + 1 FROM r WHERE n < {}) SELECT n FROM r",
        "substr(printf('%016x', n), 1, 8) || '-0000-4000-a000-' || lower(hex(randomblob(6)))",
        f"strftime('%Y-%m-%d %H:%M:%f000', julianday('{_NOW}') + ({{seconds}}) / 86400.0)",
    ),
}
"""From a kind of database to: numbers from one to another, a new id, and a moment so many seconds from now."""


# -- people who watch


def _drain(app: JobRunr, url: URL, count: int) -> float:
    app.scheduler.enqueue_many(noop, range(count))
    return drain(url, count).seconds


@contextmanager
def _audience(url: URL) -> Iterator[None]:
    """A dashboard in a process of its own, and browsers, in another, that watch its overview."""
    command = [sys.executable, "-m", "benchmarks.looking", url.render_as_string(hide_password=False)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"watching\n"
        yield
        process.stdin.close()


async def _watch(address: str) -> None:
    host, _, port = address.removeprefix("http://").rstrip("/").partition(":")
    streams = []
    for _ in range(WATCHERS):
        reader, writer = await asyncio.open_connection(host, int(port))
        path = "/live?topic=counts&topic=overview"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: text/event-stream\r\n\r\n".encode())
        assert b"200" in await reader.readline()
        streams.append((asyncio.create_task(_read(reader)), writer))
    print("watching", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for task, writer in streams:
        task.cancel()
        writer.close()


async def _read(reader: asyncio.StreamReader) -> None:
    while await reader.read(65536):
        pass


def main(url: str) -> None:
    with JobRunr(url, application="benchmarks") as app:
        server = DashboardServer(app.dashboard(insecure=True), "127.0.0.1", 0).start()
        asyncio.run(_watch(server.address))
        server.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
