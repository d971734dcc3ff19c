"""Trials: one fault, and the verdict of the oracle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import URL

from chaos.trial import Trial
from tests.processes.conftest import crowd, fleet, mariadb, postgresql, sqlite, supervise, url
from tests.storage.sql.proxy import Proxy

__all__ = ["crowd", "fleet", "mariadb", "postgresql", "sqlite", "supervise", "url"]

PORTS = {"postgresql": 5432, "mariadb": 3306}

MakeTrial = Callable[..., Trial]


@pytest.fixture
def make_trial(tmp_path: Path) -> Iterator[MakeTrial]:
    """Begins a trial on a database; it ends with the test."""
    with ExitStack() as stack:
        yield lambda url, **settings: stack.enter_context(Trial(url, tmp_path, **settings))


@pytest.fixture
def trial(url: URL, make_trial: MakeTrial) -> Trial:
    """A trial on each kind of database in turn."""
    return make_trial(url)


@pytest.fixture
def make_proxy() -> Iterator[Callable[[URL], tuple[Proxy, URL]]]:
    """Puts a proxy before a database; it comes with the URL that leads through it."""
    with ExitStack() as stack:

        def make(url: URL) -> tuple[Proxy, URL]:
            assert url.host is not None
            proxy = stack.enter_context(Proxy(url.host, url.port or PORTS[url.get_backend_name()]))
            return proxy, url.set(port=proxy.port)

        yield make
