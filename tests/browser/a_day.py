"""A day in the life of a shop, as its jobs tell it."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Any

import msgspec

from jobrunr import Job, NewJob, transitions
from jobrunr.history import ExceptionRecord
from jobrunr.jobs import JobDetails
from jobrunr.server.failure import record_exception
from jobrunr.server_record import ServerRecord
from jobrunr.storage.contract import LogLine, RunRecord
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing import TestClock, factories

MIB = 1024 * 1024
NAMES = ("ada", "grace", "edsger", "barbara", "alan", "radia", "donald", "frances", "tony", "margaret")


class Day:
    """Fills a storage with what happened from yesterday until now.

    Arguments:
        shop: the modules `mail` and `orders` of the shop.
    """

    def __init__(self, now: datetime, mail: Any, orders: Any) -> None:
        self._now = now
        self._mail, self._orders = mail, orders
        self._clock = TestClock(now - timedelta(days=1))
        self._random = Random(11)
        self.storage = MemoryStorageProvider(self._clock)
        self.storage.set_up()
        self._server = factories.announced(self.storage, name="worker-1:4711")

    def pass_by(self) -> Job:
        """Let the day pass. The job that is looked at: it failed once, and runs again."""
        self._work_until(self._now - timedelta(minutes=5))
        invoices = self._begin_invoices()
        self._work_until(self._now - timedelta(seconds=9))
        self._leave_some_at_work()
        self._clock.set(self._now)
        self._announce()
        return invoices

    def _work_until(self, end: datetime) -> None:
        while (ago := self._now - self._clock.now()) > self._now - end:
            step = min(timedelta(minutes=1 if ago < timedelta(hours=1.5) else 10), ago - (self._now - end))
            much = 1.3 + math.cos((ago / timedelta(days=1) + 0.1) * math.tau)
            self._clock.advance(step)
            self._finish(round(5 * (step / timedelta(minutes=1)) * much * self._random.uniform(0.7, 1.2)))

    def _finish(self, count: int) -> None:
        """Run some jobs, and let few of them fail."""
        self.storage.insert([self._any_job() for _ in range(count)])
        claimed = self.storage.claim(self._server.id, self._server.name, count)
        self.storage.update([self._end(job) for job in claimed])
        self.storage.sample()

    def _any_job(self) -> NewJob:
        order, name = self._random.randrange(40_000, 49_999), self._random.choice(NAMES)
        email = f"{name}@example.org"
        make: Callable[[], NewJob] = self._random.choices(
            [
                lambda: _job("mail:send_welcome", {"email": email}, f"Welcome {email}", queue="mail"),
                lambda: _job(
                    "mail:send_invoice", {"order": order, "to": email}, f"Send invoice of order {order}", queue="mail"
                ),
                lambda: _job("orders:reserve_stock", {"order": order}, f"Reserve stock for order {order}"),
                lambda: _job("orders:charge", {"order": order, "cents": 4990}, f"Charge order {order}", queue="billing"),
            ],
            [3, 4, 5, 2],
        )[0]
        return make()

    def _end(self, job: Job) -> Any:
        if job.target == "shop.orders:charge" and self._random.random() < 0.05:
            error = _raised(self._orders.charge, msgspec.json.decode(job.details.arguments)["order"], 4990)
            return transitions.fail(job, self.storage.now(), "no retry is left", error)
        return transitions.succeed(job, self.storage.now(), "null")

    def _begin_invoices(self) -> Job:
        details = {"month": "2026-10"}
        job = self._run(_job("mail:send_all", details, "Send the invoices of October", labels=("invoices", "october")))
        self._log(job, "1,284 invoices to send", "connecting to smtp-2.shop.example")
        self._clock.advance(seconds=30)
        error = _raised(self._mail.send_all, "October")
        factories.written(
            self.storage,
            transitions.fail_and_retry(
                job, self.storage.now(), "a retry follows", error, delay=timedelta(seconds=15), retry_reason="retry 1 of 10"
            ),
        )
        self._clock.advance(seconds=15)
        self.storage.promote(10)
        (again,) = self.storage.claim(self._server.id, self._server.name, 1)
        lines = [
            "1,284 invoices to send",
            "connecting to smtp-1.shop.example",
            "#40117 … #40316 are sent",
            "#40317 … #40516 are sent",
            "#40517 … #40716 are sent",
        ]
        self._log(again, *lines, progress='{"done":798,"failed":2,"total":1284}')
        self._log(again, "order 40733 has no e-mail address, skipped", level=30, begin=len(lines))
        return again

    def _leave_some_at_work(self) -> None:
        self._run(_job("orders:import_orders", {"feed": "amazon", "since": "2026-11-25"}, "Import orders from amazon"))
        self._run(_job("mail:send_newsletter", {"issue": "2026-48", "country": "nl"}, "Send newsletter 2026-48 to nl"))
        self.storage.insert([self._any_job() for _ in range(23)])
        for hours in (1, 6, 30):
            newsletter = {"issue": "2026-49", "country": "de"}
            run_at = self.storage.now() + timedelta(hours=hours)
            job = _job("mail:send_newsletter", newsletter, "Send newsletter 2026-49 to de", queue="mail")
            self.storage.insert([msgspec.structs.replace(job, state="SCHEDULED", run_at=run_at)])
        factories.deleted(
            self.storage,
            details=JobDetails("shop.mail:send_welcome", '{"email":"x@example.org"}'),
            name="Welcome x@example.org",
        )

    def _run(self, job: NewJob) -> Job:
        self.storage.insert([job])
        (claimed,) = self.storage.claim(self._server.id, self._server.name, 1)
        return claimed

    def _log(self, job: Job, *messages: str, level: int = 20, begin: int = 0, progress: str | None = None) -> None:
        lines = []
        for number, message in enumerate(messages):
            self._clock.advance(seconds=self._random.uniform(0.1, 6))
            lines.append(LogLine(job.attempts, begin + number, self.storage.now(), level, message))
        data = {f"progress.{job.attempts}": progress} if progress else {}
        assert self.storage.append([RunRecord(claim=factories.claim_of(job), logs=tuple(lines), data=data)])

    def _announce(self) -> None:
        """The servers that are there now."""
        ours = _server(
            id=self._server.id, name="worker-1:4711", pid=4711, busy=3, memory=184 * MIB, cpu=4512.0, tags=("eu",)
        )
        self.storage.heartbeat(ours)
        factories.announced(
            self.storage, **msgspec.structs.asdict(_server(name="worker-2:3108", pid=3108, memory=161 * MIB, cpu=3907.0))
        )


def _server(**given: Any) -> ServerRecord:
    return factories.a_server(**({"host": given["name"].partition(":")[0], "version": "0.1.0"} | given))


def _job(function: str, arguments: dict[str, Any], name: str, **options: Any) -> NewJob:
    details = JobDetails(f"shop.{function}", msgspec.json.encode(arguments).decode())
    return factories.a_job(details=details, name=name, **options)


def _raised(function: Callable[..., Any], *arguments: Any) -> ExceptionRecord:
    try:
        function(*arguments)
    except Exception as error:
        return record_exception(error, 20_000)
    raise AssertionError(f"{function} did not fail")
