"""Jobs that end in a transaction of their own: `current_job().transaction()`."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, Engine, create_engine, event, text

from jobrunr import Job, JobFilter, JobId, JobRunr, JobState
from jobrunr.errors import OwnTransactionError, StorageUnavailableError
from jobrunr.storage.contract import StorageProvider
from jobrunr.storage.sql import SqlStorageProvider
from jobrunr.testing import drain
from tests.server.conftest import FAST, Watch
from tests.storage.sql import ending_jobs
from tests.storage.sql.on_each_database import OnEachDatabase, orders

Conclude = Callable[[StorageProvider], None]


class Told(JobFilter):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.of: list[object] = []

    def succeeded(self, job: Job, result: object) -> None:
        self.of.append(("succeeded", result))

    def failed(self, job: Job, exception: BaseException) -> None:
        self.of.append(("failed", type(exception)))

    def state_changed(self, job: Job, old: JobState, new: JobState) -> None:
        self.of.append((old, new))


class OfTheApplication(OnEachDatabase):
    @pytest.fixture
    def told(self) -> Told:
        return Told()

    @pytest.fixture
    def app(self, storage: StorageProvider, told: Told) -> Iterator[JobRunr]:
        app = JobRunr(storage, filters=[told])
        ending_jobs.apps.append(app)
        yield app
        for noted in (ending_jobs.apps, ending_jobs.looks, ending_jobs.seen):
            noted.clear()  # type: ignore[attr-defined]


def run(app: JobRunr, function: Callable[..., Any], *args: Any, **options: Any) -> Job:
    """Run a job to its end."""
    job_id = app.scheduler.options(**options).enqueue(function, *args)
    drain(app)
    return app.scheduler.get(job_id)


class TestOneCommit(OfTheApplication):
    def test_effect_and_success_are_there_from_the_commit_on(self, app: JobRunr, engine: Engine, told: Told) -> None:
        job_id = JobId.new()
        ending_jobs.looks += [lambda: orders(engine), lambda: app.scheduler.get(job_id).state]
        job = run(app, ending_jobs.pay, 1, id=job_id)
        assert ending_jobs.seen == [[], JobState.PROCESSING]
        assert orders(engine) == [1]
        assert (job.state, job.result, job.attempts) == (JobState.SUCCEEDED, "paid 1", 1)
        assert [change.state for change in job.history] == [JobState.ENQUEUED, JobState.PROCESSING, JobState.SUCCEEDED]

    def test_it_counts_and_is_told_of_as_any_success(self, app: JobRunr, engine: Engine, told: Told) -> None:
        run(app, ending_jobs.pay, 1)
        assert told.of == [("succeeded", "paid 1"), (JobState.PROCESSING, JobState.SUCCEEDED)]
        assert {state: count for state, count in app.scheduler.counts().items() if count} == {JobState.SUCCEEDED: 1}
        assert (app.storage.totals().succeeded, app.storage.totals().failed) == (1, 0)

    def test_what_it_logged_and_kept_is_there(self, app: JobRunr, engine: Engine) -> None:
        job = run(app, ending_jobs.pay, 1)
        assert [line.message for line in app.scheduler.logs(job.id)] == ["paid 1"]
        assert app.scheduler.metadata(job.id) == {"number": 1}

    def test_an_exception_takes_all_of_it_back(self, app: JobRunr, engine: Engine, told: Told) -> None:
        job = run(app, ending_jobs.pay_and_fail, 1)
        assert job.state is JobState.FAILED
        assert orders(engine) == []
        assert [job.id for job in app.scheduler.find()] == [job.id], "the job that it made is gone, too"
        assert [line.message for line in app.scheduler.logs(job.id)] == ["about to fail"]
        assert (JobState.PROCESSING, JobState.FAILED) in told.of

    def test_jobs_that_it_makes_are_part_of_it(self, app: JobRunr, engine: Engine) -> None:
        job = run(app, ending_jobs.pay_and_go_on, 1)
        assert job.state is JobState.SUCCEEDED
        assert orders(engine) == [1, 2]

    def test_commit_and_rollback_of_the_session_are_savepoints(self, app: JobRunr, engine: Engine) -> None:
        ending_jobs.looks.append(lambda: orders(engine))
        job = run(app, ending_jobs.commit_and_roll_back, 1)
        assert job.state is JobState.SUCCEEDED
        assert ending_jobs.seen == [[]]
        assert orders(engine) == [1, 3]

    def test_a_result_that_cannot_be_stored_takes_all_of_it_back(self, app: JobRunr, engine: Engine) -> None:
        job = run(app, ending_jobs.return_what_cannot_be_stored)
        assert job.state is JobState.FAILED
        assert orders(engine) == []

    def test_a_block_that_was_rolled_back_can_be_tried_again(self, app: JobRunr, engine: Engine) -> None:
        job = run(app, ending_jobs.pay_at_second_try)
        assert job.state is JobState.SUCCEEDED
        assert orders(engine) == [2, 3]

    @pytest.mark.parametrize(("raises", "why"), [(False, "its block has not"), (True, "no money")])
    def test_a_block_that_is_never_left_is_rolled_back_and_holds_nobody_up(
        self, app: JobRunr, engine: Engine, raises: bool, why: str
    ) -> None:
        job = run(app, ending_jobs.pay_and_never_leave, 1, raises, retries=0)
        assert job.state is JobState.FAILED
        error = job.history[-1].exception
        assert error is not None
        assert why in error.message
        assert run(app, ending_jobs.pay, 1).state is JobState.SUCCEEDED
        assert orders(engine) == [1]

    @pytest.mark.parametrize("is_made", [False, True])
    def test_sessions_are_made_as_the_application_wants_them(self, app: JobRunr, engine: Engine, is_made: bool) -> None:
        job_id = app.scheduler.enqueue(ending_jobs.pay_with_own_session, 1, is_made=is_made)
        drain(app)
        assert app.scheduler.get(job_id).state is JobState.SUCCEEDED
        assert orders(engine) == [1]


class TestOwnership(OfTheApplication):
    def test_who_lost_the_job_writes_nothing(self, app: JobRunr, engine: Engine) -> None:
        job = run(app, ending_jobs.pay_what_is_deleted, 1)
        assert job.state is JobState.DELETED
        assert orders(engine) == []

    def test_a_commit_whose_answer_is_lost_was_done(
        self, app: JobRunr, storage: SqlStorageProvider, engine: Engine, told: Told, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        transaction = storage.transaction

        @contextmanager
        def without_answer(sessions: None, conclude: Conclude) -> Iterator[Any]:
            with transaction(sessions, conclude) as session:
                yield session
            monkeypatch.setattr(storage, "held", unavailable_once(storage.held))
            raise StorageUnavailableError("nowhere", "the answer was lost")

        monkeypatch.setattr(storage, "transaction", without_answer)
        job = run(app, ending_jobs.pay, 1)
        assert (job.state, job.result, job.attempts) == (JobState.SUCCEEDED, "paid 1", 1)
        assert orders(engine) == [1]
        assert told.of == [("succeeded", "paid 1"), (JobState.PROCESSING, JobState.SUCCEEDED)]

    def test_a_commit_that_failed_was_not(
        self, app: JobRunr, storage: SqlStorageProvider, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        transaction = storage.transaction

        def fails(sessions: None, conclude: Conclude) -> Any:
            def conclude_and_fail(inside: StorageProvider) -> None:
                conclude(inside)
                raise ConnectionError("cut before the commit")

            return transaction(sessions, conclude_and_fail)

        monkeypatch.setattr(storage, "transaction", fails)
        job = run(app, ending_jobs.pay, 1, retries=0)
        assert job.state is JobState.FAILED
        assert orders(engine) == []
        assert [line.message for line in app.scheduler.logs(job.id)] == ["paid 1"]

    def test_what_comes_after_it_changes_nothing(self, app: JobRunr, engine: Engine, told: Told) -> None:
        job = run(app, ending_jobs.pay_and_raise, 1)
        assert (job.state, job.result) == (JobState.SUCCEEDED, "paid 1")
        assert ("failed", ValueError) not in told.of

    @pytest.mark.parametrize("function", [ending_jobs.pay_twice, ending_jobs.pay_inside])
    def test_there_is_one_block(self, app: JobRunr, engine: Engine, function: Callable[[], None]) -> None:
        job = run(app, function)
        assert job.state is JobState.SUCCEEDED
        assert isinstance(ending_jobs.last_seen(), OwnTransactionError)
        assert orders(engine) == [1]


def unavailable_once(verb: Callable[..., Any]) -> Callable[..., Any]:
    """A verb of a storage that is away when it is asked first."""
    asked: list[object] = []

    def ask(*args: Any) -> Any:
        asked.append(args)
        if len(asked) == 1:
            raise StorageUnavailableError("nowhere", "it is away")
        return verb(*args)

    return ask


class TestInServers(OnEachDatabase):
    @pytest.fixture
    def watch(self) -> Watch:
        return Watch()

    @pytest.fixture
    def app(self, storage: StorageProvider, url: URL, watch: Watch) -> Iterator[JobRunr]:
        """The storage sees to the tables; this one has a clock that goes on."""
        way = url.render_as_string(hide_password=False)
        with JobRunr(way, filters=[watch], **FAST, storage_timeout=timedelta(seconds=2)) as app:
            yield app
        ending_jobs.seen.clear()

    def run(self, app: JobRunr, watch: Watch, function: Callable[..., Any], *args: Any) -> Job:
        with app.server():
            job_id = app.scheduler.options(retries=0).enqueue(function, *args)
            watch.wait_for(lambda: any(changed == job_id for changed, *_ in watch.changes))
        return app.scheduler.get(job_id)

    def test_a_job_that_has_ended_is_not_taken_for_a_lost_one(self, app: JobRunr, watch: Watch, engine: Engine) -> None:
        job = self.run(app, watch, ending_jobs.pay_and_say_more, 1)
        assert (job.state, job.result) == (JobState.SUCCEEDED, None)
        assert ending_jobs.last_seen() is False, "it was not cancelled"
        assert orders(engine) == [1]
        assert app.scheduler.logs(job.id) == ()
        assert app.scheduler.metadata(job.id) == {}
        assert len(watch.changes) == 1

    def test_a_coroutine_ends_in_a_thread(self, app: JobRunr, watch: Watch, engine: Engine) -> None:
        job = self.run(app, watch, ending_jobs.pay_in_thread, 1)
        assert (job.state, job.result) == (JobState.SUCCEEDED, "paid 1")
        assert orders(engine) == [1]

    def test_a_coroutine_that_would_hold_up_its_loop_is_refused(self, app: JobRunr, watch: Watch, engine: Engine) -> None:
        job = self.run(app, watch, ending_jobs.pay_on_loop, 1)
        assert job.state is JobState.FAILED
        assert "asyncio.to_thread" in job.history[-1].exception.message  # type: ignore[union-attr]
        assert orders(engine) == []

    def test_time_limits_of_the_storage_do_not_hold_in_it(
        self, app: JobRunr, watch: Watch, url: URL, engine: Engine
    ) -> None:
        if url.get_backend_name() == "sqlite":
            pytest.skip("nobody else could write meanwhile")
        job = self.run(app, watch, ending_jobs.take_your_time, 2.5)
        assert job.state is JobState.SUCCEEDED
        assert orders(engine) == [1, 2]


def test_an_engine_of_the_application_is_used(ready_file: Path) -> None:
    engine = create_engine(f"sqlite:///{ready_file}")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE orders (id INTEGER PRIMARY KEY)"))
    with JobRunr(engine) as app:
        assert run(app, ending_jobs.pay, 1).state is JobState.SUCCEEDED
    assert orders(engine) == [1]
    engine.dispose()


IDLE = {
    "postgresql": ("idle_in_transaction_session_timeout = 77000", "SHOW idle_in_transaction_session_timeout", "77s"),
    "mariadb": ("idle_transaction_timeout = 77", "SELECT @@idle_transaction_timeout", 77),
    "mysql": ("wait_timeout = 77", "SELECT @@wait_timeout", 77),
}
"""How to say when a transaction is over whose client is silent, how to ask, and the answer."""


class TestConnectionsOfTheApplication(OnEachDatabase):
    @pytest.fixture(params=["postgresql", "mariadb"])
    def url(self, request: pytest.FixtureRequest) -> URL:
        url: URL = request.getfixturevalue(request.param)
        return url

    def test_come_back_as_they_were(self, storage: StorageProvider, url: URL, engine: Engine) -> None:
        said, ask, answer = IDLE[url.get_backend_name()]
        own = create_engine(url)

        @event.listens_for(own, "connect")
        def say(connection: Any, record: object) -> None:
            connection.cursor().execute(f"SET SESSION {said}")
            connection.commit()

        with JobRunr(own) as app:
            assert run(app, ending_jobs.pay, 1).state is JobState.SUCCEEDED
        with ExitStack() as stack:
            connections = [stack.enter_context(own.connect()) for _ in range(own.pool.checkedin())]
            assert {connection.scalar(text(ask)) for connection in connections} == {answer}
        own.dispose()


@pytest.mark.parametrize("url", ["postgresql", "mariadb"])
def test_a_lent_connection_notices_a_network_that_carries_nothing_any_more(url: str, request: pytest.FixtureRequest) -> None:
    storage = SqlStorageProvider(request.getfixturevalue(url))
    with storage.transaction(None, lambda inside: None) as session:
        driver = session.connection().connection.dbapi_connection
        number = driver.fileno() if url == "postgresql" else driver._sock.fileno()
        with socket.socket(fileno=os.dup(number)) as connected:
            limits = [getattr(socket, f"TCP_{name}") for name in ("KEEPIDLE", "KEEPINTVL", "KEEPCNT", "USER_TIMEOUT")]
            assert [connected.getsockopt(socket.IPPROTO_TCP, limit) for limit in limits] == [10, 5, 3, 25_000]
    storage.close()


@pytest.mark.parametrize("options", [{}, {"execution": "process"}], ids=["memory", "process"])
def test_where_it_cannot_be_a_sentence_says_so(options: dict[str, Any], ready_file: Path) -> None:
    watch = Watch()
    url = f"sqlite:///{ready_file}" if options else "memory://"
    with JobRunr(url, filters=[watch], **FAST) as app, app.server():
        job_id = app.scheduler.options(**options).enqueue(ending_jobs.pay, 1)
        watch.wait_for(lambda: app.scheduler.get(job_id).state is JobState.FAILED)
        job = app.scheduler.get(job_id)
    assert "cannot end in a transaction of its own" in job.history[-1].exception.message  # type: ignore[union-attr]
    assert job.failures == 1, "it is not tried again"
