"""Registering, steering and looking at recurring jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, ClassVar

import pytest

from jobrunr import Forecast, Job, JobFilter, JobRunr, JobState, NewJob, SkipReason, declarations, recurring
from jobrunr.errors import (
    ArgumentError,
    JobRefusedError,
    OptionError,
    RecurringJobNotFoundError,
    ScheduleError,
    TargetNotImportableError,
)
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing import TestClock, drain
from jobrunr.testing.factories import announced
from jobrunr.transitions import succeed
from tests.recurring import jobs

TARGET = "tests.recurring.jobs:sync"
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@dataclass
class Every:
    hours: int

    def next_run(self, after: datetime) -> datetime | None:
        return after + timedelta(hours=self.hours)


@dataclass
class Moody:
    """Every hour, unless there is trouble."""

    trouble: ClassVar[str | None] = None

    def next_run(self, after: datetime) -> datetime | None:
        if self.trouble:
            raise OSError(self.trouble)
        return after + HOUR


class Nowhere(tzinfo):
    """A time zone without an offset."""

    def utcoffset(self, moment: datetime | None) -> None:
        return None


@pytest.fixture
def clock() -> TestClock:
    return TestClock(datetime(2026, 3, 2, 12, tzinfo=UTC))


@pytest.fixture
def app(clock: TestClock) -> Iterator[JobRunr]:
    with JobRunr(MemoryStorageProvider(clock)) as app:
        yield app


def run_for(app: JobRunr, clock: TestClock, minutes: int) -> list[Job]:
    """Let minutes go by one by one, and run what is due at each."""
    ran: list[Job] = []
    for _ in range(minutes):
        clock.advance(minutes=1)
        ran += drain(app)
    return ran


class TestRegistering:
    def test_the_id_is_the_target_unless_it_is_named(self, app: JobRunr) -> None:
        assert app.scheduler.schedule_recurrently("0 3 * * *", jobs.sync) == TARGET
        assert app.scheduler.options(id="nightly").schedule_recurrently("0 3 * * *", jobs.sync) == "nightly"
        assert [job.id for job in app.scheduler.recurring.list()] == ["nightly", TARGET]

    def test_what_is_said_about_it_is_stored(self, app: JobRunr, clock: TestClock) -> None:
        until = clock.now() + timedelta(days=2)
        scheduler = app.scheduler.options(
            id="nightly", zone="Europe/Brussels", misfire="one", max_concurrent=2, until=until, paused=True
        ).options(labels=["a"], queue="slow", retries=3, priority=4, name="Report {0}")
        scheduler.schedule_recurrently("0 3 * * *", jobs.report, 2027)

        job = app.scheduler.recurring.get("nightly")
        template = job.template
        assert (job.schedule, job.zone, job.misfire, job.max_concurrent, job.until) == (
            "0 3 * * *",
            "Europe/Brussels",
            "one",
            2,
            until,
        )
        assert job.is_paused
        assert job.next_run_at == datetime(2026, 3, 3, 2, tzinfo=UTC)
        assert (template.details.target, template.details.arguments) == ("tests.recurring.jobs:report", '{"year":2027}')
        assert (template.labels, template.queue, template.retries, template.priority, template.name) == (
            ("a",),
            "slow",
            3,
            4,
            "Report 2027",
        )

    def test_the_zone_of_the_settings_holds_for_those_that_name_none(self, clock: TestClock) -> None:
        with JobRunr(MemoryStorageProvider(clock), zone="Asia/Tokyo") as app:
            job_id = app.scheduler.schedule_recurrently("0 3 * * *", jobs.sync)
            assert app.scheduler.recurring.get(job_id).next_run_at == datetime(2026, 3, 2, 18, tzinfo=UTC)

    @pytest.mark.parametrize("schedule", [timedelta(minutes=5), "PT5M", "*/5 * * * *", Every(1)])
    def test_the_same_again_changes_nothing(self, app: JobRunr, clock: TestClock, schedule: Any) -> None:
        job_id = app.scheduler.schedule_recurrently(schedule, jobs.sync)
        before = app.scheduler.recurring.get(job_id)
        clock.advance(minutes=3)
        app.scheduler.schedule_recurrently(schedule, jobs.sync)
        assert app.scheduler.recurring.get(job_id) == before

    def test_a_changed_one_takes_effect_at_once_and_withdraws_what_was_made_ahead(
        self, app: JobRunr, clock: TestClock
    ) -> None:
        job_id = app.scheduler.schedule_recurrently("PT5M", jobs.sync)
        ahead = app.scheduler.recurring.get(job_id).template.new_job(job_id, clock.now() + HOUR, "ahead of time")
        app.storage.insert([replaced(ahead, state=JobState.SCHEDULED)])

        app.scheduler.schedule_recurrently("PT7M", jobs.sync)

        assert app.scheduler.recurring.get(job_id).next_run_at == clock.now() + timedelta(minutes=7)
        assert app.scheduler.get(ahead.id).state is JobState.DELETED

    def test_two_calls_of_one_function_need_names(self, app: JobRunr) -> None:
        app.scheduler.schedule_recurrently("PT5M", jobs.report, 2026)
        app.scheduler.schedule_recurrently("PT6M", jobs.report, 2026)
        with pytest.raises(OptionError, match=r"options\(id=...\)"):
            app.scheduler.schedule_recurrently("PT5M", jobs.report, 2027)

    def test_a_method_and_a_lambda_of_one_call_will_do(self, app: JobRunr, clock: TestClock) -> None:
        assert app.scheduler.schedule_recurrently("PT1M", jobs.Reports.nightly) == "tests.recurring.jobs:Reports.nightly"
        app.scheduler.schedule_recurrently("PT1M", lambda: jobs.report(2030))
        assert {job.result for job in run_for(app, clock, 1)} == {"done", 2030}

    @pytest.mark.parametrize(
        ("register", "error", "says"),
        [
            (lambda s: s.schedule_recurrently("61 * * * *", jobs.sync), ScheduleError, "minute"),
            (lambda s: s.schedule_recurrently("0 0 30 2 *", jobs.sync), ScheduleError, "30"),
            (lambda s: s.schedule_recurrently(timedelta(0), jobs.sync), ScheduleError, "1 s"),
            (lambda s: s.options(zone="Mars/Olympus").schedule_recurrently("@daily", jobs.sync), ScheduleError, "Mars"),
            (lambda s: s.schedule_recurrently("@daily", jobs.sync, 1), ArgumentError, "too many"),
            (lambda s: s.schedule_recurrently("@daily", lambda: 1), TargetNotImportableError, "call"),
            (lambda s: s.schedule_recurrently("@daily", print), JobRefusedError, "builtins"),
            (lambda s: s.options(until=datetime(2027, 1, 1, tzinfo=Nowhere())), OptionError, "time zone"),
            (lambda s: s.options(id="").schedule_recurrently("@daily", jobs.sync), OptionError, "id"),
            (lambda s: s.options(id="x" * 256).schedule_recurrently("@daily", jobs.sync), OptionError, "255"),
            (lambda s: s.options(id="a\nb").schedule_recurrently("@daily", jobs.sync), OptionError, "printable"),
        ],
    )
    def test_what_cannot_be_is_refused_and_nothing_is_stored(
        self, app: JobRunr, register: Callable[[Any], object], error: type[Exception], says: str
    ) -> None:
        with pytest.raises(error, match=says):
            register(app.scheduler)
        assert app.scheduler.recurring.list() == []


def replaced(new: NewJob, **changes: Any) -> NewJob:
    import msgspec  # noqa: PLC0415

    return msgspec.structs.replace(new, **changes)


class TestRunning:
    def test_its_jobs_are_made_at_their_times(self, app: JobRunr, clock: TestClock) -> None:
        app.scheduler.options(id="sync", labels=["a"]).schedule_recurrently("*/2 * * * *", jobs.sync)
        ran = run_for(app, clock, 6)
        assert [job.run_at for job in ran] == [datetime(2026, 3, 2, 12, n, tzinfo=UTC) for n in (2, 4, 6)]
        assert {(job.recurring_job_id, job.labels, job.result) for job in ran} == {("sync", ("a",), "in step")}
        assert [run.job_id for run in app.scheduler.recurring.runs("sync")] == [job.id for job in reversed(ran)]

    def test_a_job_that_waits_for_its_retry_does_not_silence_the_schedule(self, app: JobRunr, clock: TestClock) -> None:
        app.scheduler.options(id="fail").schedule_recurrently("PT1M", jobs.fail)
        run_for(app, clock, 3)
        assert len(app.scheduler.recurring.runs("fail")) == 3
        assert app.scheduler.recurring.runs("fail", only_skipped=True) == []

    def test_it_does_when_that_is_wanted(self, clock: TestClock) -> None:
        with JobRunr(MemoryStorageProvider(clock), retries_count_as_live=True, retry_delays=[HOUR]) as app:
            app.scheduler.options(id="fail").schedule_recurrently("PT1M", jobs.fail)
            run_for(app, clock, 3)
            (skipped,) = app.scheduler.recurring.runs("fail", only_skipped=True)
        assert skipped.skips is not None
        assert (skipped.skips.reason, skipped.skips.count) == (SkipReason.STILL_RUNNING, 2)

    def test_filters_hear_of_its_jobs(self, clock: TestClock) -> None:
        heard: list[str] = []

        class Listens(JobFilter):
            def creating(self, job: NewJob) -> NewJob:
                heard.append("creating")
                return replaced(job, labels=("tenant",))

            def created(self, job: NewJob) -> None:
                heard.append("created")

        with JobRunr(MemoryStorageProvider(clock), filters=[Listens()]) as app:
            app.scheduler.schedule_recurrently("PT1M", jobs.sync)
            assert heard == []
            (job,) = run_for(app, clock, 1)
        assert heard == ["creating", "created"]
        assert job.labels == ("tenant",)

    def test_it_goes_when_its_end_has_come(self, app: JobRunr, clock: TestClock) -> None:
        until = clock.now() + 2 * MINUTE
        job_id = app.scheduler.options(until=until).schedule_recurrently("PT1M", jobs.sync)
        assert app.scheduler.recurring.next_runs(job_id) == [clock.now() + MINUTE, until]
        assert len(run_for(app, clock, 5)) == 2
        assert app.scheduler.recurring.list() == []

    def test_a_schedule_that_raises_halts_that_one_only(self, app: JobRunr, clock: TestClock) -> None:
        broken = app.scheduler.options(id="broken").schedule_recurrently(Every(1), jobs.sync)
        stored = app.scheduler.recurring.get(broken)
        gone = stored.schedule.replace("Every", "Gone")
        assert app.storage.save_recurring(structs_replace(stored, schedule=gone, version=2, look_at=clock.now()))
        app.scheduler.options(id="sound").schedule_recurrently("PT1M", jobs.sync)

        assert [job.recurring_job_id for job in run_for(app, clock, 1)] == ["sound"]

        problem = app.scheduler.recurring.get(broken).problem
        assert problem is not None
        assert "Gone" in problem
        app.scheduler.options(id="broken").schedule_recurrently(Every(1), jobs.sync)
        assert app.scheduler.recurring.get(broken).problem is None


def structs_replace(job: Any, **changes: Any) -> Any:
    import msgspec  # noqa: PLC0415

    return msgspec.structs.replace(job, **changes)


class TestSteering:
    @pytest.fixture
    def nightly(self, app: JobRunr) -> str:
        return app.scheduler.options(id="nightly").schedule_recurrently("PT1M", jobs.sync)

    def test_a_paused_one_does_not_run_and_says_so(self, app: JobRunr, clock: TestClock, nightly: str) -> None:
        app.scheduler.recurring.pause(nightly, "the disk is full")
        app.scheduler.recurring.pause(nightly, "still full")
        app.scheduler.recurring.pause(nightly)
        assert run_for(app, clock, 3) == []
        (run,) = app.scheduler.recurring.runs(nightly)
        assert run.skips is not None
        assert (run.skips.reason, run.skips.count) == (SkipReason.PAUSED, 3)
        assert app.scheduler.recurring.get(nightly).pause_reason == "still full"

    def test_a_pause_survives_that_it_is_registered_again(self, app: JobRunr, nightly: str) -> None:
        app.scheduler.recurring.pause(nightly)
        app.scheduler.options(id=nightly, paused=False).schedule_recurrently("PT9M", jobs.sync)
        assert app.scheduler.recurring.get(nightly).is_paused

    def test_a_resumed_one_goes_on(self, app: JobRunr, clock: TestClock, nightly: str) -> None:
        app.scheduler.recurring.pause(nightly)
        run_for(app, clock, 3)
        for _ in range(2):
            app.scheduler.recurring.resume(nightly)
        (job,) = run_for(app, clock, 1)
        assert job.run_at == clock.now()

    def test_what_came_due_in_a_pause_while_no_server_looked_is_noted(
        self, app: JobRunr, clock: TestClock, nightly: str
    ) -> None:
        app.scheduler.recurring.pause(nightly)
        clock.advance(minutes=5)
        app.scheduler.recurring.resume(nightly)
        (run,) = app.scheduler.recurring.runs(nightly)
        assert run.skips is not None
        assert (run.skips.reason, run.skips.count, run.skips.last) == (SkipReason.PAUSED, 5, clock.now())
        assert len(run_for(app, clock, 2)) == 2

    def test_what_came_due_before_a_change_is_noted(self, app: JobRunr, clock: TestClock, nightly: str) -> None:
        clock.advance(minutes=5)
        app.scheduler.options(id=nightly).schedule_recurrently("PT7M", jobs.sync)
        (run,) = app.scheduler.recurring.runs(nightly)
        assert run.skips is not None
        assert (run.skips.reason, run.skips.count) == (SkipReason.MISSED, 5)
        assert app.scheduler.recurring.get(nightly).next_run_at == clock.now() + 7 * MINUTE

    def test_a_halted_one_goes_on_when_its_problem_is_mended(self, app: JobRunr, clock: TestClock) -> None:
        job_id = app.scheduler.schedule_recurrently(Moody(), jobs.sync)
        Moody.trouble = "the calendar is away"
        clock.advance(hours=1)
        assert len(drain(app)) == 1
        assert "the calendar is away" in str(app.scheduler.recurring.get(job_id).problem)
        with pytest.raises(ScheduleError, match="the calendar is away"):
            app.scheduler.recurring.resume(job_id)
        Moody.trouble = None
        app.scheduler.recurring.resume(job_id)
        clock.advance(hours=1)
        assert len(drain(app)) == 1

    def test_it_can_be_registered_with_other_arguments_when_it_was_deleted(self, app: JobRunr) -> None:
        job_id = app.scheduler.schedule_recurrently("PT1M", jobs.report, 2026)
        with pytest.raises(OptionError, match="already"):
            app.scheduler.schedule_recurrently("PT1M", jobs.report, 2027)
        app.scheduler.recurring.delete(job_id)
        assert app.scheduler.schedule_recurrently("PT1M", jobs.report, 2027) == job_id

    def test_it_can_be_triggered_between_its_times_and_while_it_is_paused(self, app: JobRunr, nightly: str) -> None:
        app.scheduler.recurring.pause(nightly)
        job_id = app.scheduler.recurring.trigger(nightly)
        (job,) = drain(app)
        assert (job.id, job.recurring_job_id, job.run_at) == (job_id, nightly, None)
        assert app.scheduler.recurring.runs(nightly) == []

    def test_deleting_it_withdraws_what_was_not_started(self, app: JobRunr, nightly: str) -> None:
        waiting = app.scheduler.recurring.trigger(nightly)
        app.scheduler.recurring.delete(nightly)
        assert app.scheduler.get(waiting).state is JobState.DELETED
        assert app.scheduler.recurring.list() == []
        assert app.scheduler.schedule_recurrently("PT1M", jobs.sync) == TARGET

    def test_its_next_runs_are_told(self, app: JobRunr, clock: TestClock, nightly: str) -> None:
        assert app.scheduler.recurring.next_runs(nightly, 2) == [clock.now() + MINUTE, clock.now() + 2 * MINUTE]
        assert app.scheduler.recurring.next_runs(nightly, -1) == []

    @pytest.mark.parametrize("schedule", ["0 3 * * *", "PT5M", Every(1)])
    def test_its_next_runs_are_told_in_its_zone(self, app: JobRunr, schedule: Any) -> None:
        job_id = app.scheduler.options(zone="Asia/Tokyo").schedule_recurrently(schedule, jobs.sync)
        (run,) = app.scheduler.recurring.next_runs(job_id, 1)
        assert run.tzname() == "JST"

    @pytest.mark.parametrize(
        "look",
        [
            lambda r: r.get("x"),
            lambda r: r.pause("x"),
            lambda r: r.resume("x"),
            lambda r: r.trigger("x"),
            lambda r: r.delete("x"),
            lambda r: r.next_runs("x"),
        ],
    )
    def test_one_that_is_not_there_is_named(self, app: JobRunr, look: Callable[[Any], object]) -> None:
        with pytest.raises(RecurringJobNotFoundError, match="'x'"):
            look(app.scheduler.recurring)


class TestMadeAhead:
    """Recurring jobs with a window, whose jobs are made at its beginning."""

    @pytest.fixture
    def app(self, clock: TestClock) -> Iterator[JobRunr]:
        with JobRunr(MemoryStorageProvider(clock), carbon_forecast=NoForecast()) as app:
            yield app

    @pytest.fixture
    def at_two(self, app: JobRunr) -> Callable[..., list[JobState]]:
        """Registers one for two o'clock with a window around, and lets the master look. Gives the states of its jobs."""

        def register(**options: Any) -> list[JobState]:
            app.scheduler.options(id="two", **options).schedule_recurrently("0 14 * * * [PT2H/PT4H]", jobs.sync)
            return self.look(app)

        return register

    def look(self, app: JobRunr) -> list[JobState]:
        app.fire(TestClock(app.storage.now())).fire_due()
        return sorted(job.state for job in app.scheduler.find(recurring_job_id="two"))

    def test_its_job_is_made_again_when_anything_about_it_is_changed(self, at_two: Callable[..., list[JobState]]) -> None:
        assert at_two() == [JobState.AWAITING]
        assert at_two(labels=["team-a"]) == [JobState.AWAITING, JobState.DELETED]
        assert at_two(misfire="all") == [JobState.AWAITING, JobState.DELETED, JobState.DELETED]

    def test_pauses_in_its_window_make_no_second_job(self, app: JobRunr, at_two: Callable[..., list[JobState]]) -> None:
        at_two()
        app.scheduler.recurring.pause("two")
        app.scheduler.recurring.resume("two")
        app.scheduler.recurring.pause("two")
        self.look(app)
        app.scheduler.recurring.resume("two")
        assert self.look(app) == [JobState.AWAITING]

    def test_deploys_in_its_window_run_it_no_second_time(
        self, app: JobRunr, clock: TestClock, at_two: Callable[..., list[JobState]]
    ) -> None:
        at_two()
        (job,) = app.scheduler.find(recurring_job_id="two")
        app.scheduler.requeue(job.id)
        server = announced(app.storage)
        (run,) = app.storage.claim(server.id, server.name, 1)
        assert at_two(zone="Atlantic/Reykjavik") == [JobState.PROCESSING]
        app.storage.update([succeed(run, clock.now())])
        assert at_two(zone="UTC") == [JobState.SUCCEEDED]
        clock.advance(hours=3)
        assert self.look(app) == [JobState.SUCCEEDED]


class NoForecast:
    """So jobs wait."""

    def fetch(self) -> Forecast:
        return Forecast(slots=())


class TestDeclaring:
    @pytest.fixture(autouse=True)
    def nothing_declared(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(declarations, "_declared", {})

    def test_what_the_code_declares_is_registered(self, app: JobRunr) -> None:
        assert recurring("*/15 * * * *", id="sync", zone="Asia/Tokyo", labels=["a"], misfire="all")(jobs.sync) is jobs.sync
        recurring("PT5M")(jobs.Reports.nightly)
        nightly = "tests.recurring.jobs:Reports.nightly"

        assert app.scheduler.recurring.register_declared() == {"sync", nightly}

        job = app.scheduler.recurring.get("sync")
        assert (job.schedule, job.zone, job.template.labels, job.misfire, job.is_declared) == (
            "*/15 * * * *",
            "Asia/Tokyo",
            ("a",),
            "all",
            True,
        )
        assert app.scheduler.recurring.get(nightly).target == nightly

    def test_those_that_nobody_declares_any_more_are_forgotten_after_the_grace(self, app: JobRunr, clock: TestClock) -> None:
        recurring("PT5M", id="old")(jobs.sync)
        recurring("PT5M", id="kept")(jobs.sync)
        app.scheduler.options(id="by call").schedule_recurrently("PT5M", jobs.sync)
        app.scheduler.recurring.register_declared()
        clock.advance(minutes=30)
        app.storage.declare(["kept"])
        assert app.scheduler.recurring.forget(HOUR) == []
        clock.advance(minutes=31)
        assert app.scheduler.recurring.forget(HOUR) == ["old"]
        assert [job.id for job in app.scheduler.recurring.list()] == ["by call", "kept"]

    def test_one_whose_schedule_raises_is_kept_with_the_reason_and_hinders_no_other(
        self, app: JobRunr, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Moody, "trouble", "the calendar is away")
        recurring(Moody(), id="moody")(jobs.sync)
        recurring("PT5M", id="well")(jobs.sync)
        for _ in range(2):
            app.scheduler.recurring.register_declared()
        assert app.scheduler.recurring.get("well").problem is None
        moody = app.scheduler.recurring.get("moody")
        assert "the calendar is away" in str(moody.problem)
        assert moody.version == 1
        monkeypatch.setattr(Moody, "trouble", None)
        app.scheduler.recurring.register_declared()
        assert app.scheduler.recurring.get("moody").problem is None

    def test_one_whose_class_is_not_there_is_kept_with_the_reason(
        self, app: JobRunr, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        recurring(Every(1), id="every")(jobs.sync)
        monkeypatch.delattr(f"{__name__}.Every")
        app.scheduler.recurring.register_declared()
        assert "Every" in str(app.scheduler.recurring.get("every").problem)

    def test_a_window_that_is_too_long_is_refused(self, app: JobRunr) -> None:
        recurring("0 * * * *", id="sync", window=(HOUR, HOUR))(jobs.sync)
        with pytest.raises(ScheduleError, match="must be shorter"):
            app.scheduler.recurring.register_declared()
        assert app.scheduler.recurring.list() == []

    def test_one_that_is_over_goes_and_hinders_no_other(self, app: JobRunr, clock: TestClock) -> None:
        recurring("PT5M", id="old", until=clock.now() + HOUR)(jobs.sync)
        recurring("PT5M", id="well")(jobs.sync)
        app.scheduler.recurring.register_declared()
        clock.advance(hours=2)
        app.scheduler.recurring.register_declared()  # as it was, nobody has looked at it yet
        drain(app)
        app.scheduler.recurring.register_declared()
        assert [job.id for job in app.scheduler.recurring.list()] == ["well"]

    @pytest.mark.parametrize(
        ("declare", "error", "says"),
        [
            (lambda: recurring("61 * * * *"), ScheduleError, "minute"),
            (lambda: recurring("@daily", zone="Mars"), ScheduleError, "Mars"),
            (lambda: recurring("@daily", max_concurrent=0), OptionError, "max_concurrent"),
            (lambda: recurring("@daily")(TestDeclaring.inner()), OptionError, "top level"),
        ],
    )
    def test_a_declaration_that_cannot_be_is_refused_where_it_stands(
        self, declare: Callable[[], object], error: type[Exception], says: str
    ) -> None:
        with pytest.raises(error, match=says):
            declare()
        assert declarations.declarations() == ()

    @staticmethod
    def inner() -> Callable[[], None]:
        def inner() -> None: ...

        return inner

    def test_one_that_needs_arguments_is_refused_when_it_is_registered(self, app: JobRunr) -> None:
        recurring("@daily")(needs_an_argument)
        with pytest.raises(ArgumentError, match="number"):
            app.scheduler.recurring.register_declared()


def needs_an_argument(number: int) -> None: ...
