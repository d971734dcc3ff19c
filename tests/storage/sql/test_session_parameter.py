"""Jobs whose function has a parameter for the session of their own transaction."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import Engine

from jobrunr import Job, JobId, JobRunr, JobState
from jobrunr.errors import ArgumentError, JobRefusedError
from jobrunr.storage.contract import StorageProvider
from jobrunr.testing import drain
from tests.server.conftest import FAST, Watch
from tests.storage.sql import session_jobs
from tests.storage.sql.on_each_database import OnEachDatabase, orders


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    yield
    session_jobs.looks.clear()
    session_jobs.seen.clear()


class TestTheWholeJob(OnEachDatabase):
    @pytest.fixture
    def app(self, storage: StorageProvider) -> JobRunr:
        return JobRunr(storage)

    def run(self, app: JobRunr, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Job:
        job_id = app.scheduler.enqueue(function, *args, **kwargs)
        drain(app)
        return app.scheduler.get(job_id)

    def test_is_one_commit_and_its_result_is_what_it_returns(self, app: JobRunr, engine: Engine) -> None:
        job_id = JobId.new()
        session_jobs.looks += [lambda: orders(engine), lambda: app.scheduler.get(job_id).state]
        app.scheduler.options(id=job_id).enqueue(session_jobs.pay, 1)
        drain(app)
        job = app.scheduler.get(job_id)
        assert session_jobs.seen == [[], JobState.PROCESSING]
        assert (job.state, job.result, job.name) == (JobState.SUCCEEDED, "paid 1", "session_jobs.pay(1)")
        assert orders(engine) == [1]
        assert [line.message for line in app.scheduler.logs(job.id)] == ["paid 1"]

    @pytest.mark.parametrize(
        "function", [session_jobs.pay_and_fail, session_jobs.pay_and_give_what_cannot_be_stored], ids=["raises", "result"]
    )
    def test_is_taken_back_when_it_fails(self, app: JobRunr, engine: Engine, function: Callable[..., Any]) -> None:
        assert self.run(app, function, 1).state is JobState.FAILED
        assert orders(engine) == []

    @pytest.mark.parametrize(
        ("function", "args", "kwargs", "result"),
        [
            (session_jobs.pay, (), {"number": 1}, "paid 1"),
            (session_jobs.last, (1,), {}, "paid 1"),
            (session_jobs.by_name, (1,), {}, "paid 1"),
            (session_jobs.behind_defaults, (), {}, "paid 7"),
            (session_jobs.between, (1, 2, 3, 4), {}, "1 2 (3, 4)"),
            (session_jobs.between, (1,), {}, "1 0 ()"),
            (session_jobs.behind_one_left_out, (1,), {"more": 3}, "1 0 3"),
            (session_jobs.with_others_by_name, (1,), {"more": 3}, "1 {'more': 3}"),
            (session_jobs.by_position_only, (1,), {}, "paid 1"),
            (session_jobs.Cashier.pay, (1,), {}, "paid 1"),
            (session_jobs.Cashier().pay, (1,), {}, "paid 1"),
            (session_jobs.Cashier.pay_for_all, (1,), {}, "paid 1"),
        ],
    )
    def test_gets_it_wherever_its_parameter_stands(
        self,
        app: JobRunr,
        engine: Engine,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        result: str,
    ) -> None:
        job = self.run(app, function, *args, **kwargs)
        assert (job.state, job.result) == (JobState.SUCCEEDED, result)
        assert len(orders(engine)) == 1

    def test_is_not_meant_where_none_may_be_passed(self, app: JobRunr) -> None:
        assert self.run(app, session_jobs.among_defaults, 1, 2, more=3).result == "1 2 3"


@pytest.fixture
def app() -> Iterator[JobRunr]:
    with JobRunr("memory://") as app:
        yield app


def test_nobody_passes_it(app: JobRunr) -> None:
    for function in (session_jobs.pay, session_jobs.with_others_by_name):
        with pytest.raises(ArgumentError, match="nobody passes 'session'"):
            app.scheduler.enqueue(function, number=1, session=None)


def test_a_coroutine_that_would_hold_up_its_loop_is_refused(app: JobRunr) -> None:
    with pytest.raises(JobRefusedError, match="'session' wants a session that would hold up all other coroutines"):
        app.scheduler.enqueue(session_jobs.on_loop, 1)


def test_while_somebody_imports_sqlalchemy_others_have_no_trouble(app: JobRunr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlalchemy.orm.session", ModuleType("sqlalchemy.orm.session"))
    app.scheduler.enqueue(session_jobs.without_one, 1)


def test_several_of_them_are_no_parameter_for_one(app: JobRunr) -> None:
    app.scheduler.enqueue(session_jobs.many_by_name, 1)
    app.scheduler.enqueue(session_jobs.many_by_position, 1)


def test_a_function_that_turns_out_to_be_a_coroutine_fails_and_says_why(ready_file: Path) -> None:
    with JobRunr(f"sqlite:///{ready_file}") as app:
        job_id = app.scheduler.enqueue(session_jobs.becomes_a_coroutine, 1)
        drain(app)
        (change, *_) = reversed(app.scheduler.get(job_id).history)
        app.scheduler.delete(job_id)
    assert change.exception is not None
    assert "would hold up all others" in change.exception.message


def test_a_traceback_begins_with_the_function(ready_file: Path) -> None:
    with JobRunr(f"sqlite:///{ready_file}") as app:
        job_id = app.scheduler.options(retries=0).enqueue(session_jobs.breaks, 1)
        drain(app)
        exception = app.scheduler.get(job_id).history[-1].exception
        app.scheduler.delete(job_id)
    assert exception is not None
    assert "session_parameter" not in exception.traceback


def test_a_class_that_only_type_checkers_know_is_named(app: JobRunr) -> None:
    with pytest.raises(ArgumentError, match=r"Parameter 'session': .*SomeSession is of no use.*for type checkers only"):
        app.scheduler.enqueue(session_jobs.of_nobody_knows, number=1)


@pytest.mark.parametrize("options", [{}, {"execution": "process"}], ids=["memory", "process"])
def test_where_it_cannot_be_a_sentence_says_so(options: dict[str, Any], ready_file: Path) -> None:
    watch = Watch()
    url = f"sqlite:///{ready_file}" if options else "memory://"
    with JobRunr(url, filters=[watch], **FAST) as app, app.server():
        job_id = app.scheduler.options(**options).enqueue(session_jobs.pay, 1)
        watch.wait_for(lambda: app.scheduler.get(job_id).state is JobState.FAILED)
        job = app.scheduler.get(job_id)
    assert "cannot end in a transaction of its own" in job.history[-1].exception.message  # type: ignore[union-attr]
    assert job.failures == 1, "it is not tried again"
