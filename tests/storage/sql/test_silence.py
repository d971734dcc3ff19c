"""Connections to MySQL, which ends them when nobody uses them; that it does, `test_outages` finds out."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from sqlalchemy import URL, Engine, QueuePool, create_engine, text

from jobrunr.storage.sql import SqlStorageProvider
from jobrunr.storage.sql.dialects import mysql_silence


class Watch(SimpleNamespace):
    """Tells a time that we set."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch = Watch()
    monkeypatch.setattr(mysql_silence, "time", watch)
    return watch


@pytest.fixture
def engine(watch: Watch) -> Iterator[Engine]:
    """One that does not lead to MariaDB, with a connection in its pool."""
    engine = create_engine("sqlite://", poolclass=QueuePool, pool_size=1)
    mysql_silence.replace_what_was_idle(engine, 10)
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE first (number INTEGER)"))
    yield engine
    engine.dispose()


def is_the_first(engine: Engine) -> bool:
    """Whether the pool gives its first connection, which has a database of its own."""
    with engine.connect() as connection:
        return bool(connection.execute(text("SELECT count(*) FROM sqlite_master")).scalar_one())


def test_a_connection_that_was_idle_for_too_long_is_replaced(engine: Engine, watch: Watch) -> None:
    watch.now += 7.9
    assert is_the_first(engine)
    watch.now += 7.9  # since it was used
    assert is_the_first(engine)
    watch.now += 8.1
    assert not is_the_first(engine)
    assert not is_the_first(engine)  # nor is the new one any older


def test_mariadb_ends_transactions_and_leaves_connections_alone(engine: Engine, watch: Watch) -> None:
    engine.dialect.is_mariadb = True  # type: ignore[attr-defined]
    watch.now += 1000
    assert is_the_first(engine)


def test_each_server_reads_its_own_limit(mariadb: URL) -> None:
    with SqlStorageProvider(mariadb) as storage, storage._dialect.engine.connect() as connection:
        if mysql_silence.is_mariadb(connection):
            assert connection.execute(text("SELECT @@idle_transaction_timeout, @@wait_timeout")).one() == (10, 28_800)
        else:
            assert connection.execute(text("SELECT @@wait_timeout")).scalar_one() == 10
