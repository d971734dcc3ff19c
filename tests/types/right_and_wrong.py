"""Right and wrong uses of the public names. Never run: `test_right_and_wrong.py` holds mypy and pyright to it.

A line that is marked as wrong must be an error to both; every other line must be fine.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import assert_type
from uuid import uuid4

from sqlalchemy.orm import Session

from jobrunr import (
    ExponentialBackoff,
    FixedDelays,
    GiveUp,
    Job,
    JobFilter,
    JobId,
    JobRunr,
    JobState,
    NewJob,
    Retry,
    RetryDecision,
    current_job,
    job,
    log_context,
)
from jobrunr.jobs import Job as StoredJob


def send_welcome(email: str, language: str = "en") -> str:
    return f"{email} {language}"


def say_nothing() -> None: ...


def move(x: int, y: int) -> None: ...


def mail(to: str, *copies: str, urgent: bool = False) -> None: ...


async def fetch_page(url: str, patience: float = 3) -> bytes:
    return f"{url} {patience}".encode()


@job
def clean_up(days: int) -> None: ...


@job(name="Report for {0}", retries=3, labels=["reports"], retry=ExponentialBackoff(base=2), no_retry_on=[ValueError])
def report(year: int) -> str:
    return str(year)


def charge(session: Session, cents: int) -> str:
    return f"{session} {cents}"


class MailService:
    def __init__(self, host: str) -> None:
        self.host = host

    def send(self, user_id: int, subject: str = "") -> str:
        return f"{self.host} {user_id} {subject}"

    async def receive(self, folder: str) -> int:
        return len(folder)

    @job(retries=0)
    def ping(self, times: int) -> None: ...

    @classmethod
    def of_everybody(cls, limit: int) -> None: ...

    @staticmethod
    def check(address: str) -> bool:
        return "@" in address


jobrunr = JobRunr("sqlite:///jobs.db", retries=3, workers=20)
jobs = jobrunr.scheduler
service = MailService("localhost")
tomorrow = datetime.now(UTC) + timedelta(days=1)


def functions() -> None:
    assert_type(jobs.enqueue(send_welcome, "ada@example.org"), JobId)
    jobs.enqueue(send_welcome, "ada@example.org", "de")
    jobs.enqueue(send_welcome, "ada@example.org", language="de")
    jobs.enqueue(send_welcome, email="ada@example.org")
    jobs.enqueue(say_nothing)
    jobs.enqueue(mail, "ada@example.org", "bob@example.org", "eve@example.org", urgent=True)
    jobs.enqueue(lambda: send_welcome("ada@example.org"))

    jobs.enqueue(send_welcome)  # wrong: an argument is missing
    jobs.enqueue(move, 1)  # wrong: an argument is missing
    jobs.enqueue(send_welcome, "ada@example.org", langauge="de")  # wrong: no parameter has this name
    jobs.enqueue(send_welcome, "ada@example.org", "de", "more")  # wrong: too many arguments
    jobs.enqueue(send_welcome, 42, "de", True)  # wrong: too many arguments, of other types
    jobs.enqueue(say_nothing, 1)  # wrong: it takes no argument
    jobs.enqueue(move, 1, "2")  # wrong: not a number
    jobs.enqueue(mail, "ada@example.org", urgent="very")  # wrong: not a bool
    jobs.enqueue(send_welcome("ada@example.org"))  # wrong: the call, not the function
    jobs.enqueue("shop.jobs:send_welcome", "ada@example.org")  # wrong: text, not a function


def coroutine_functions() -> None:
    assert_type(jobs.enqueue(fetch_page, "https://example.org"), JobId)
    jobs.enqueue(fetch_page, "https://example.org", patience=1.5)
    jobs.enqueue(service.receive, "inbox")
    jobs.enqueue(MailService.receive, "inbox")

    jobs.enqueue(fetch_page, "https://example.org", patience="soon")  # wrong: not a number
    jobs.enqueue(service.receive, 3)  # wrong: not a text


def methods() -> None:
    jobs.enqueue(service.send, 42)
    jobs.enqueue(service.send, 42, subject="Hello")
    jobs.enqueue(MailService.send, 42)
    jobs.enqueue(MailService.send, 42, subject="Hello")
    jobs.enqueue(MailService.of_everybody, 10)
    jobs.enqueue(MailService.check, "ada@example.org")
    jobs.enqueue(service.ping, 3)
    jobs.enqueue(MailService.ping, 3)
    jobs.enqueue(lambda: service.send(42))

    jobs.enqueue(service.send, "42")  # wrong: not a number
    jobs.enqueue(service.send)  # wrong: an argument is missing
    jobs.enqueue(MailService.send)  # wrong: an argument is missing
    jobs.enqueue(MailService.send, "42")  # wrong: not a number
    jobs.enqueue(MailService.send, 42, topic="Hello")  # wrong: no parameter has this name
    jobs.enqueue(MailService.of_everybody, "all")  # wrong: not a number
    jobs.enqueue(MailService.check, 42)  # wrong: not a text
    jobs.enqueue(MailService.ping, "often")  # wrong: not a number


def functions_with_a_session() -> None:
    jobs.enqueue(charge, 1990)
    jobs.enqueue(charge, cents=1990)
    jobs.schedule(timedelta(hours=1), charge, 1990)
    jobs.schedule_recurrently("daily", charge, 1990)
    jobs.enqueue_many(charge, [1, 2])

    jobs.enqueue(charge)  # wrong: an argument is missing
    jobs.enqueue(charge, "much")  # wrong: not a number
    jobs.enqueue_many(charge, ["much"])  # wrong: not a number


def decorated_functions() -> None:
    jobs.enqueue(clean_up, 30)
    jobs.enqueue(report, 2026)
    assert_type(report(2026), str)

    jobs.enqueue(clean_up, "30")  # wrong: not a number
    jobs.enqueue(report, year="2026")  # wrong: not a number
    report("2026")  # wrong: the decorator leaves the signature as it is


@job(tries=3)  # wrong: no option has this name
def wrong_option() -> None: ...


@job(labels="reports", retries="3")  # wrong: retries is a number
def wrong_value() -> None: ...


def later() -> None:
    assert_type(jobs.schedule(timedelta(hours=24), send_welcome, "ada@example.org"), JobId)
    jobs.schedule(tomorrow, fetch_page, "https://example.org")
    jobs.schedule(tomorrow, MailService.send, 42)

    jobs.schedule(24, send_welcome, "ada@example.org")  # wrong: neither a moment nor a duration
    jobs.schedule(tomorrow, clean_up, "30")  # wrong: not a number
    jobs.schedule(send_welcome, "ada@example.org")  # wrong: no time
    jobs.schedule(tomorrow, send_welcome)  # wrong: an argument is missing


def emails() -> Iterator[str]:
    yield "ada@example.org"


def many() -> None:
    assert_type(jobs.enqueue_many(send_welcome, ["a@example.org", "b@example.org"]), list[JobId])
    jobs.enqueue_many(send_welcome, emails())
    jobs.enqueue_many(send_welcome, [("a@example.org", "de"), ("b@example.org", "en")])
    jobs.enqueue_many(move, [(1, 2), (3, 4)])
    jobs.enqueue_many(clean_up, range(30))
    jobs.enqueue_many(MailService.send, [1, 2, 3])
    jobs.enqueue_many(service.send, [1, 2, 3])

    jobs.enqueue_many(clean_up, ["30"])  # wrong: not numbers
    jobs.enqueue_many(move, [(1, "2")])  # wrong: not a number
    jobs.enqueue_many(move, [(1, 2, 3)])  # wrong: too many arguments
    jobs.enqueue_many(send_welcome, "ada@example.org", "bob@example.org")  # wrong: one iterable
    jobs.enqueue_many(clean_up, 30)  # wrong: not an iterable


def options() -> None:
    order = jobs.options(
        id=JobId.from_key("order-17"), name="Order 17", retries=0, labels=["tenant-a"], queue="mail", priority=5
    )
    assert_type(order.enqueue(send_welcome, "ada@example.org"), JobId)
    jobs.options(retry=FixedDelays(5, 5, 60), retry_on=[OSError]).schedule(tomorrow, clean_up, 30)
    jobs.options(delete_succeeded_after=timedelta(days=7)).enqueue_many(clean_up, [1, 2])
    jobs.options(timeout="90s", execution="process").options(timeout=timedelta(hours=1), execution="thread")

    jobs.options(execution="fork")  # wrong: neither of the two
    jobs.options(timeout=[5])  # wrong: no duration
    jobs.options(retries="3")  # wrong: not a number
    jobs.options(tenant="a")  # wrong: no option has this name
    jobs.options(queue=5)  # wrong: not a text
    jobs.options(retry_on=["OSError"])  # wrong: not exceptions
    jobs.options(delete_succeeded_after=7)  # wrong: not a duration
    order.enqueue(clean_up, "30")  # wrong: options or not, it is not a number


def looking_and_steering() -> None:
    job_id = jobs.enqueue(clean_up, 30)
    assert_type(jobs.get(job_id), Job)
    assert_type(jobs.get(uuid4()).state, JobState)
    assert_type(jobs.get(job_id).result_as(int), int)
    assert_type(jobs.counts(), dict[JobState, int])
    page = jobs.find(state=JobState.FAILED, limit=50)
    jobs.find(state=JobState.FAILED, after=page.next)
    for one in page:
        assert_type(one, StoredJob)
    jobs.delete(job_id, reason="not needed")
    jobs.requeue(job_id)
    jobs.reschedule(job_id, timedelta(minutes=5))
    jobs.reschedule(job_id, tomorrow)

    jobs.find(state="FAILED")  # wrong: not a state
    jobs.delete(17)  # wrong: not an id
    jobs.reschedule(job_id)  # wrong: no time
    jobs.get(job_id).state = JobState.DELETED  # wrong: a job is a value


def inside_a_job() -> str:
    context = current_job()
    context.log.info("connecting to %s", "smtp")
    for item in context.progress(["a", "b"]):
        assert_type(item, str)
    bar = context.progress(total=1000)
    bar.advance(10)
    context.metadata["provider"] = "smtp-2"
    assert_type(context.id, JobId)
    with log_context(tenant="a"):
        jobs.enqueue(say_nothing)

    context.progress()  # wrong: neither items nor a total
    bar.advance("ten")  # wrong: not a number
    return context.name


class Tenant(JobFilter):
    def creating(self, job: NewJob) -> NewJob | None:
        return job

    def elect_state(self, job: Job, exception: BaseException, decision: RetryDecision) -> RetryDecision | None:
        return GiveUp("seen enough") if job.attempts > 5 else Retry(timedelta(seconds=1))


class WrongFilter(JobFilter):
    def succeeded(self, job: Job) -> None: ...  # wrong: the hook gets the result, too


def polite(job: Job, exception: BaseException, attempt: int, /) -> RetryDecision:
    return Retry(timedelta(seconds=5 * attempt))


def applications() -> None:
    JobRunr("memory://", retry=polite, filters=[Tenant()])
    JobRunr("memory://", retry=FixedDelays(5, 5, 60), activator=lambda cls: cls("localhost"))
    with jobrunr.server(workers=20, queues=["mail"]):
        ...
    with JobRunr("memory://") as other:
        other.scheduler.enqueue(clean_up, 30)

    JobRunr("memory://", retries=2, poll_interval="100ms", delete_failed_after=None, retry_delays=[1, timedelta(hours=1)])
    JobRunr("memory://", retriez=2)  # wrong: no setting has this name
    JobRunr("memory://", retries="two")  # wrong: not a number
    jobrunr.server(workerz=2)  # wrong: no setting has this name
    jobrunr.server(queues=5)  # wrong: not a list of texts
    jobrunr.server(url="sqlite:///other.db")  # wrong: no setting of a server
    JobRunr(42)  # wrong: no storage
    JobRunr("memory://", retry=5)  # wrong: no policy
    JobRunr("memory://", filters=[Tenant])  # wrong: a class, not a filter


async def awaited() -> None:
    waited = jobrunr.async_scheduler
    assert_type(await waited.enqueue(send_welcome, "ada@example.org"), JobId)
    assert_type(await waited.options(queue="mail").schedule(tomorrow, MailService.send, 42), JobId)
    assert_type(await waited.enqueue_many(clean_up, [1, 2]), list[JobId])
    job_id = await waited.enqueue(fetch_page, "https://example.org", patience=1.5)
    assert_type(await waited.get(job_id), Job)
    assert_type(await waited.counts(), dict[JobState, int])
    await waited.delete(job_id, reason="not needed")
    await waited.recurring.pause("nightly", "holidays")

    await waited.enqueue(send_welcome)  # wrong: an argument is missing
    await waited.enqueue(move, 1, "2")  # wrong: not a number
    await waited.schedule(24, send_welcome, "ada@example.org")  # wrong: neither a moment nor a duration
    await waited.enqueue_many(clean_up, ["30"])  # wrong: not numbers
    await waited.find(state="FAILED")  # wrong: not a state
    await waited.delete(17)  # wrong: not an id
    waited.options(retries="3")  # wrong: not a number
    await waited.recurring.pause(17)  # wrong: not a text
