"""A connection pooler between us and PostgreSQL, which lends its connections for one transaction each."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import URL, NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

from chaos import jobs
from jobrunr import JobRunr, JobState
from jobrunr.errors import StorageSetupError
from jobrunr.storage.sql import SqlStorageProvider
from tests.conftest import ON_CI
from tests.faults.conftest import MakeTrial
from tests.processes.conftest import eventually
from tests.samples.shop.jobs import send_welcome
from tools import services

pytestmark = pytest.mark.timeout(200)
CONNECTIONS = 3
"""That the pooler has. Fewer than those who want one, so that nobody keeps the same one for long."""

Pooled = Callable[..., URL]


@pytest.fixture
def pooled(tmp_path: Path) -> Iterator[Pooled]:
    """Puts PgBouncer before a database."""
    program = services.pgbouncer()
    if program is None:
        assert not ON_CI, "no pgbouncer"
        pytest.skip("no pgbouncer on this machine")
    with ExitStack() as stack:

        def start(url: URL, ignored: str = "options") -> URL:
            port = services.free_port()
            password = f" password={url.password}" if url.password else ""
            settings = tmp_path / "pgbouncer.ini"
            settings.write_text(
                f"""
                [databases]
                * = host={url.host} port={url.port or 5432} user={url.username}{password}
                [pgbouncer]
                listen_addr = 127.0.0.1
                listen_port = {port}
                unix_socket_dir =
                auth_type = any
                pool_mode = transaction
                default_pool_size = {CONNECTIONS}
                max_client_conn = 200
                ignore_startup_parameters = extra_float_digits,{ignored}
                """
            )
            as_user = ["--user", "nobody"] if services.IS_ROOT else []
            with (tmp_path / "pgbouncer.log").open("w") as log:
                process = subprocess.Popen([program, *as_user, settings], stdout=log, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.kill)
            through = url.set(port=port)
            eventually("it answers", lambda: answers(through))
            return through

        yield start


def answers(url: URL) -> bool:
    engine = create_engine(url)
    try:
        engine.connect().close()
    except OperationalError:
        return False
    finally:
        engine.dispose()
    return True


def test_through_a_pooler_nothing_is_lost_and_a_killed_server_is_noticed(
    postgresql: URL, pooled: Pooled, make_trial: MakeTrial
) -> None:
    through = pooled(postgresql)
    trial = make_trial(postgresql, through=through, workers=4, server_timeout="3s")
    trial.crew.fork_all("first", "second", "third")
    with JobRunr(through.render_as_string(hide_password=False), application="tests") as app:
        for _ in range(30):
            trial.ask(jobs.take_effect, app=app)
        own = [trial.ask(jobs.take_effect_in_transaction, app=app) for _ in range(10)]
        trial.schedule(timedelta(seconds=1), jobs.take_effect)
        trial.ask_for(300, jobs.take_effect, 0.01)
        at_gate = trial.ask(jobs.take_effect_at_the_second_attempt, app=app)
        trial.wait_until_begun(at_gate)
        (victim,) = {effect.server for effect in trial.effects() if effect.job == str(at_gate)}
        trial.crew.workers[victim].kill()
        trial.wait_until_over()

        assert trial.objections() == []
        assert trial.begun(at_gate) == 2
        assert {job for (job,) in trial.crew.query("SELECT job FROM effects")} == set(map(str, own))
        job_id = app.scheduler.enqueue(jobs.take_effect)
        eventually("a new job is found without a word", lambda: app.scheduler.get(job_id).state is JobState.SUCCEEDED)


def test_a_pooler_gets_its_connections_back_as_they_were(postgresql: URL, pooled: Pooled) -> None:
    through = pooled(postgresql)
    settings = ("synchronous_commit", "statement_timeout", "lock_timeout", "search_path", "transaction_isolation")

    def all_about_connections() -> set[tuple[object, ...]]:
        """Of all that the pooler has, taken at once."""
        engine = create_engine(through)
        with ExitStack() as stack:
            connections = [stack.enter_context(engine.connect()) for _ in range(CONNECTIONS)]
            asked = ", ".join(f"current_setting('{setting}')" for setting in settings)
            ask = text(f"SELECT {asked}, (SELECT count(*) FROM pg_prepared_statements)")
            found = {tuple(connection.execute(ask).one()) for connection in connections}
        engine.dispose()
        return found

    before = all_about_connections()
    with JobRunr(through.render_as_string(hide_password=False), application="tests") as app:
        for number in range(20):
            app.scheduler.enqueue(send_welcome, f"{number}@example.org")
        with app.server(workers=2):
            eventually("all are done", lambda: app.scheduler.counts()[JobState.SUCCEEDED] == 20)
            assert app.storage.presence(uuid4()) is None

    assert all_about_connections() == before
    with create_engine(postgresql, poolclass=NullPool).connect() as connection:
        database = "SELECT oid FROM pg_database WHERE datname = current_database()"
        locks = f"SELECT * FROM pg_locks WHERE locktype = 'advisory' AND database = ({database})"
        assert connection.execute(text(locks)).all() == []


def test_a_pooler_that_does_not_let_our_settings_pass_is_named(postgresql: URL, pooled: Pooled) -> None:
    through = pooled(postgresql, ignored="")
    with (
        SqlStorageProvider(through) as storage,
        pytest.raises(StorageSetupError, match="unsupported startup parameter: options"),
    ):
        storage.set_up()
