"""``jobrunr status``: how many jobs, which servers, and how long the oldest job waits."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import click
import msgspec

from jobrunr.carbon import PROBLEM
from jobrunr.cli.application import existing_storage, find_storage
from jobrunr.cli.options import json_option, storage_options
from jobrunr.cli.output import age, columns, moment, pad, print_json, printable, size, state_name, table, zone
from jobrunr.cli.verb import Verb
from jobrunr.errors import StorageUnavailableError
from jobrunr.server_record import STUCK, ServerRecord
from jobrunr.states import JobState
from jobrunr.storage.contract import StorageProvider

WATCH_SECONDS = 1.0

PROBLEMS = (PROBLEM,)
"""The notes in the storage that tell of problems of all."""

_EXAMPLES = (
    ("Look once", "jobrunr status --url sqlite:///shop.db"),
    ("Watch, until Ctrl-C", "jobrunr status --app shop.jobs:jobrunr --watch"),
    ("How many jobs wait, for a script", "jobrunr status --json | jq .jobs.ENQUEUED"),
)


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to see at a moment, and the shape of ``--json``."""

    storage: str
    now: datetime
    """By the clock of the storage."""
    jobs: dict[JobState, int]
    oldest_enqueued_at: datetime | None
    backlog_age: float | None
    """Seconds for which the oldest enqueued job has been waiting."""
    servers: list[ServerRecord]
    master: UUID | None
    """The id of the server that does the duties."""
    problems: list[str]
    """What somebody should look into."""


@click.command("status", cls=Verb, examples=_EXAMPLES, short_help="Show how many jobs there are, and the servers.")
@storage_options
@click.option("--watch", is_flag=True, help="Show it again every second, until Ctrl-C.")
@json_option
def verb(app: str | None, url: str | None, watch: bool, as_json: bool) -> None:
    """How many jobs there are, which servers run them, and how long the oldest waits."""
    with find_storage(app, url) as jobrunr:
        storage, timeout = existing_storage(jobrunr), jobrunr.settings.server_timeout
        _show(read_status(storage, timeout), timeout, as_json=as_json)
        while watch:
            time.sleep(WATCH_SECONDS)
            try:
                status = read_status(storage, timeout)
            except StorageUnavailableError as error:  # whoever watches wants to see an outage pass
                click.secho(str(error), fg="red", err=True)
                continue
            if sys.stdout.isatty() and not as_json:
                click.echo("\x1b[H\x1b[J", nl=False)
            _show(status, timeout, as_json=as_json)


def read_status(storage: StorageProvider, timeout: timedelta) -> Status:
    """Read it.

    Arguments:
        timeout: servers that were silent for longer are no masters.
    """
    now, servers, oldest = storage.now(), storage.servers(), storage.oldest_enqueued_at()
    living = [server for server in servers if not is_silent(server, now, timeout)]
    return Status(
        storage=storage.where,
        now=now,
        jobs=storage.counts(),
        oldest_enqueued_at=oldest,
        backlog_age=None if oldest is None else max(0.0, (now - oldest).total_seconds()),
        servers=servers,
        master=living[0].id if living else None,
        problems=list(_problems(storage, servers)),
    )


def _problems(storage: StorageProvider, servers: Sequence[ServerRecord]) -> Iterator[str]:
    notes = [(name, "cluster") for name in PROBLEMS] + [(STUCK, str(server.id)) for server in servers]
    for name, owner in notes:
        if problem := storage.get_metadata(name, owner):
            yield problem


def is_silent(server: ServerRecord, now: datetime, timeout: timedelta) -> bool:
    """Whether a server has not been heard for too long."""
    return server.last_heartbeat is None or now - server.last_heartbeat > timeout


def _show(status: Status, timeout: timedelta, *, as_json: bool) -> None:
    if as_json:
        print_json(status)
    else:
        click.echo("\n".join(status_as_text(status, timeout)))


def status_as_text(status: Status, timeout: timedelta) -> Iterator[str]:
    """Lines for a person.

    Arguments:
        timeout: servers that were silent for longer are marked.
    """
    at = f"{moment(status.now)[:-4]} {zone(status.now)}"
    yield pad(printable(status.storage), min(columns(), 80) - len(at) - 1) + " " + at
    yield ""
    most = max(len(f"{count:,}") for count in status.jobs.values())
    for state, count in status.jobs.items():
        waiting = ""
        if state is JobState.ENQUEUED and status.oldest_enqueued_at is not None:
            waiting = f"   the oldest for {age(status.oldest_enqueued_at, status.now)}"
        if count or state is not JobState.PROCESSED:
            yield f"  {state_name(state, 10)}  {count:>{most},}{waiting}"
    yield ""
    yield from _servers(status, timeout)
    for problem in status.problems:
        yield ""
        yield from (click.style(line, fg="red") for line in click.wrap_text(printable(problem), 78, "  ", "  ").splitlines())


def _servers(status: Status, timeout: timedelta) -> Iterator[str]:
    if not status.servers:
        yield "  No server is running. Start one: jobrunr worker --app module:name"
        return
    head = ("SERVER", "BUSY", "HEARTBEAT", "UP FOR", "MEMORY", "QUEUES")
    rows = [
        (
            server.name + (" (master)" if server.id == status.master else ""),
            f"{server.busy}/{server.workers}",
            f"{age(server.last_heartbeat, status.now)} ago" + (" !" if is_silent(server, status.now, timeout) else ""),
            age(server.first_heartbeat, status.now),
            size(server.memory),
            ", ".join(server.queues) or "all",
        )
        for server in status.servers
    ]
    for number, line in enumerate(table(head, rows, numbers=(1,))):
        silent = number > 0 and is_silent(status.servers[number - 1], status.now, timeout)
        yield "  " + (click.style(line, bold=True) if number == 0 else click.style(line, fg="red") if silent else line)
