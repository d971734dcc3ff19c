"""What goes wrong inside a worker process on purpose: it dies at a named point of the protocol, or keeps a broken protocol.

The source of the library knows nothing of this: the calls of a storage provider are wrapped when the application is made.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Connection

from jobrunr import JobRunr
from jobrunr.errors import StorageUnavailableError
from jobrunr.jobs import JobUpdate
from jobrunr.server_record import ServerRecord
from jobrunr.storage.contract import StorageProvider
from jobrunr.storage.sql.updating import PostgresqlUpdating

POINT = "JOBRUNR_TEST_POINT"
"""The environment variable that names a point and what happens there, once: ``after claim: kill``. A point is before or
after a verb of the storage contract that has something to do: ``update`` with updates, ``claim`` with jobs; or before or
after the ``commit`` of a job's own transaction."""
PROTOCOL = "JOBRUNR_TEST_PROTOCOL"
"""The environment variable that names one of `PROTOCOLS`."""


def break_on_purpose(app: JobRunr) -> None:
    """Wrap the storage of an application as the environment says."""
    provider = app.provider
    if protocol := os.environ.get(PROTOCOL):
        PROTOCOLS[protocol](provider)
    if point := os.environ.get(POINT):
        place, action = point.split(": ")
        when, verb = place.split()
        _at_point(provider, when, verb, ACTIONS[action])
    _keep_whole_inside(provider)


def _keep_whole_inside(provider: StorageProvider) -> None:
    """In a transaction that it is bound to, a provider does what it always does: the calls that were put in place of its own
    would go by other connections."""

    def bound(connection: Any) -> StorageProvider:
        inside: StorageProvider = bind(connection)
        for verb in vars(provider).keys() & {name for name in dir(type(provider)) if not name.startswith("_")}:
            delattr(inside, verb)
        return inside

    bind = _replace(provider, "bound", bound)


# -- points


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _stop() -> None:
    # To this very thread: a signal to the process may reach another one first, and this one goes on for a while.
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


def _lose_answer() -> None:
    raise StorageUnavailableError("nowhere", "the answer was lost on purpose")


ACTIONS: dict[str, Callable[[], None]] = {"kill": _kill, "stop": _stop, "lose": _lose_answer}


def _at_point(provider: StorageProvider, when: str, verb: str, action: Callable[[], None]) -> None:
    happened = False

    def once(has_something_to_do: object) -> None:
        nonlocal happened
        if has_something_to_do and not happened:
            happened = True
            action()

    if verb == "commit":
        _at_commit(provider, when, lambda: once(True))
        return

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if when == "before":
            once(args[0])
        answer = original(*args, **kwargs)
        if when == "after":
            once(getattr(answer, "count", answer) if verb == "promote" else answer)
        return answer

    original = _replace(provider, verb, wrapped)


def _at_commit(provider: StorageProvider, when: str, action: Callable[[], None]) -> None:
    @contextmanager
    def wrapped(sessions: Any, conclude: Callable[[StorageProvider], None]) -> Iterator[Any]:
        def conclude_and_act(inside: StorageProvider) -> None:
            conclude(inside)
            if when == "before":
                action()

        with original(sessions, conclude_and_act) as session:
            yield session
        if when == "after":
            action()

    original = _replace(provider, "transaction", wrapped)


# -- broken protocols, which the oracle must notice


def _no_token(provider: StorageProvider) -> None:
    """Whoever reports about a job that is PROCESSING is taken for its owner."""

    def careless(updates: Sequence[JobUpdate]) -> Any:
        return update([_under_present_token(provider, each) for each in updates])

    update = _replace(provider, "update", careless)


def _under_present_token(provider: StorageProvider, update: JobUpdate) -> JobUpdate:
    job = provider.get(update.job_id)
    if update.token is None or job is None or job.claim_token is None:
        return update
    return replace(update, token=job.claim_token)


def _no_owner(_: StorageProvider) -> None:
    """A success is written on PostgreSQL whatever the job is doing by now."""

    def careless(self: PostgresqlUpdating, connection: Connection, updates: Sequence[JobUpdate]) -> Any:
        hand_over = self.dialect.statement("UPDATE {jobs} SET state = 'PROCESSING', claim_token = :token WHERE id = :job_id")
        connection.execute(hand_over, [{"job_id": each.job_id, "token": each.token} for each in updates])
        return succeed(self, connection, updates)

    succeed = _replace(PostgresqlUpdating, "succeed", careless)


def _own_clock(provider: StorageProvider) -> None:
    """Others are dead when they are silent by the clock of this machine, which is some minutes fast."""

    def impatient(server: ServerRecord, *args: Any, **kwargs: Any) -> list[ServerRecord]:
        servers: list[ServerRecord] = heartbeat(server, *args, **kwargs)
        now = provider.now() + timedelta(minutes=5)
        for other in servers:
            if other.id != server.id and other.last_heartbeat and now - other.last_heartbeat > timedelta(minutes=1):
                provider.sign_off(other.id)
        return servers

    heartbeat = _replace(provider, "heartbeat", impatient)


def _two_commits(provider: StorageProvider) -> None:
    """What a job does in its own transaction is committed before its SUCCEEDED."""

    @contextmanager
    def apart(sessions: Any, conclude: Callable[[StorageProvider], None]) -> Iterator[Any]:
        with transaction(sessions, lambda inside: None) as session:
            yield session
        conclude(provider)

    transaction = _replace(provider, "transaction", apart)


def _everybody_master(provider: StorageProvider) -> None:
    """Each server takes itself for the one that has been up longest. This is allowed to do no harm."""
    own: list[ServerRecord] = []

    def remember(server: ServerRecord, *args: Any, **kwargs: Any) -> Any:
        own[:] = [server]
        return announce(server, *args, **kwargs)

    def first(*args: Any, **kwargs: Any) -> list[ServerRecord]:
        return sorted(servers(*args, **kwargs), key=lambda server: server.id != own[0].id)

    def first_at_heartbeat(*args: Any, **kwargs: Any) -> list[ServerRecord]:
        return sorted(heartbeat(*args, **kwargs), key=lambda server: server.id != own[0].id)

    announce = _replace(provider, "announce", remember)
    servers = _replace(provider, "servers", first)
    heartbeat = _replace(provider, "heartbeat", first_at_heartbeat)


def _replace(
    holder: StorageProvider | type[PostgresqlUpdating], verb: str, function: Callable[..., Any]
) -> Callable[..., Any]:
    """Put a function in place of a method, of one object or of all of a class. Returns what was there."""
    original: Callable[..., Any] = getattr(holder, verb)
    setattr(holder, verb, function)
    return original


PROTOCOLS: dict[str, Callable[[StorageProvider], None]] = {
    "no token": _no_token,
    "no owner": _no_owner,
    "own clock": _own_clock,
    "two commits": _two_commits,
    "everybody is master": _everybody_master,
}
