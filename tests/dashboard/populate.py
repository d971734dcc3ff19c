"""A storage full of varied jobs, in every state."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import msgspec

from jobrunr import Job, JobId, transitions
from jobrunr.history import ExceptionRecord
from jobrunr.jobs import JobDetails
from jobrunr.recurring_job import JobTemplate
from jobrunr.server.failure import record_exception
from jobrunr.server_record import ServerRecord
from jobrunr.storage.contract import LogLine, RunRecord, StorageProvider
from jobrunr.testing import factories
from tests.dashboard import shop
from tests.dashboard.hostile import HOSTILE

MODULE = "tests.dashboard.shop"


def populate(storage: StorageProvider, hostile: Iterable[str] = HOSTILE) -> dict[str, JobId]:
    """Put jobs into a storage, and return the ids of those that have a name of their own.

    Arguments:
        hostile: each becomes two jobs that carry it wherever a job can carry something.
    """
    server = factories.announced(storage, name="shop-1:4711")
    factories.announced(storage, name="shop-2:17", workers=4)
    named = {
        "running": running(storage, server),
        "succeeded": succeeded(storage, server),
        "broken feed": _failed(storage, server, "read_feed", '{"text":"{"}', "read_feed('{')", raised(shop.read_feed, "{")),
        "retried": retried(storage, server),
        "gone": _failed(storage, server, "renamed_since", '{"order":1}', "renamed since", _no_such_function()),
        "lost": lost(storage, server),
    }
    for order in range(12):
        named["declined"] = _failed(
            storage, server, "charge", f'{{"order":{order}}}', f"charge order {order}", raised(shop.charge, order)
        )
    for text in hostile:
        _hostile(storage, text)
    named |= {
        "by position": _enqueued(storage, "remember", '{"*":["a b","-5","x=1","17"],"**":{"from":"ada"}}').id,
        "deleted": _deleted(storage).id,
        "long": _enqueued(storage, "import_orders", f'{{"orders":{list(range(40))},"dry":true}}', name="import " * 36).id,
        "unfitting": _enqueued(storage, "send_welcome", '{"email":17}').id,
        "garbled": _enqueued(storage, "send_welcome", "no JSON").id,
        "scheduled": factories.scheduled(storage, details=_call("send_welcome", '{"email":"ada@example.org"}')).id,
        "awaiting": factories.awaiting(storage, reason="waits for clean electricity").id,
        "urgent": _enqueued(storage, "send_welcome", '{"email":"eve@example.org"}', priority=9, queue="mail").id,
    }
    for number in range(30):
        _enqueued(storage, "send_welcome", f'{{"email":"user{number}@example.org"}}', labels=("bulk", f"user {number}"))
    template = JobTemplate(details=JobDetails(f"{MODULE}:import_orders", '{"orders":[]}'), name="nightly import")
    factories.registered(storage, id="nightly-import", template=template)
    named["nightly"] = _enqueued(storage, "import_orders", '{"orders":[]}', recurring_job_id="nightly-import").id
    return named


def raised(function: Callable[..., Any], *args: Any) -> ExceptionRecord:
    """What is kept of the exception that a function raises."""
    try:
        function(*args)
    except Exception as error:
        return record_exception(error, 20_000)
    raise AssertionError(f"{function} did not fail")


def run(storage: StorageProvider, server: ServerRecord, **overrides: Any) -> Job:
    """A job that runs. Nothing waits in its queue."""
    return factories.processing(storage, server, **({"queue": "billing"} | overrides))


def log(storage: StorageProvider, job: Job, *messages: str, level: int = 20, begin: int = 0, **kept: str) -> None:
    """Let a running job log something and keep something."""
    lines = tuple(
        LogLine(job.attempts, begin + number, storage.now(), level, message) for number, message in enumerate(messages)
    )
    data = {key.replace("_", "."): value for key, value in kept.items()}
    assert storage.append([RunRecord(claim=factories.claim_of(job), logs=lines, data=data)])


def running(storage: StorageProvider, server: ServerRecord) -> JobId:
    job = run(
        storage, server, details=_call("import_orders", '{"orders":[1,2,3]}'), name="import three orders", labels=("eu",)
    )
    log(storage, job, "begun", "order 1 is in", progress_1='{"done":1,"failed":0,"total":3}', metadata_tenant='"acme"')
    log(storage, job, "order 2 is odd", level=30, begin=2)
    return job.id


def succeeded(storage: StorageProvider, server: ServerRecord) -> JobId:
    job = run(storage, server, details=_call("import_orders", '{"orders":[1]}'), name="import one order")
    log(storage, job, "done", metadata_source='{"file":"orders.csv","rows":[1,2]}')
    factories.written(storage, transitions.succeed(job, storage.now(), '{"imported":1}'))
    return job.id


def retried(storage: StorageProvider, server: ServerRecord) -> JobId:
    """Failed, waited, and failed for good."""
    job = run(storage, server, details=_call("charge", '{"order":99}'), name="charge twice", retries=1)
    log(storage, job, "first try")
    error = raised(shop.charge, 99)
    factories.written(
        storage,
        transitions.fail_and_retry(job, storage.now(), "it failed", error, delay=timedelta(0), retry_reason="retry 1 of 1"),
    )
    (job,) = storage.claim(server.id, server.name, 1, ["billing"])
    log(storage, job, "second try", level=40)
    factories.written(storage, transitions.fail(job, storage.now(), "no retry is left", error))
    return job.id


def lost(storage: StorageProvider, server: ServerRecord) -> JobId:
    """Its server died, and it failed without a traceback."""
    job = run(storage, server, name="lost with its server")
    record = ExceptionRecord("jobrunr.errors.ServerLostError", f"Server {server.name} was lost while it ran this job.")
    factories.written(storage, transitions.give_up_after_crash(job, storage.now(), "its server was lost", record))
    return job.id


def _failed(
    storage: StorageProvider, server: ServerRecord, function: str, arguments: str, name: str, error: ExceptionRecord
) -> JobId:
    job = run(storage, server, details=_call(function, arguments), name=name)
    factories.written(storage, transitions.fail(job, storage.now(), "no retry is left", error))
    return job.id


def _enqueued(storage: StorageProvider, function: str, arguments: str, **overrides: Any) -> Job:
    return factories.enqueued(storage, details=_call(function, arguments), **({"name": f"{function}(…)"} | overrides))


def _deleted(storage: StorageProvider) -> Job:
    job = factories.enqueued(storage, details=_call("send_welcome", '{"email":"x@example.org"}'), name="not wanted")
    return factories.written(storage, transitions.delete(job, storage.now(), "sent twice", actor="ada"))


def _hostile(storage: StorageProvider, text: str) -> None:
    """One that runs, and one that failed."""
    server = factories.announced(storage, name=text[:100])
    for fails in (False, True):
        short = text[:100]
        job = run(
            storage,
            server,
            details=JobDetails(f"{MODULE}:{short}", _json({text[:50]: text, "email": text})),
            name=text[:255],
            labels=(text[:200], "hostile"),
            queue=text[:60],
            recurring_job_id=short,
            reason=text,
        )
        log(storage, job, text, progress_1=_json({"done": 1, "failed": 1, "total": text}))
        claim = factories.claim_of(job)
        storage.append([RunRecord(claim=claim, data={f"metadata.{short}": _json(text), "metadata.x": text})])
        if fails:
            error = ExceptionRecord(short, text, f'Traceback\n  File "{text}", line 1, in {text}\n    {text}\n{text}', text)
            factories.written(storage, transitions.fail(job, storage.now(), text, error))
        else:
            factories.written(storage, transitions.succeed(job, storage.now(), _json({text: [text]})))


def _call(function: str, arguments: str) -> JobDetails:
    return JobDetails(f"{MODULE}:{function}", arguments)


def _no_such_function() -> ExceptionRecord:
    return ExceptionRecord("jobrunr.errors.TargetNotFoundError", f"'{MODULE}:renamed_since' cannot be run: it is not there.")


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
