"""The pytest plugin. It is there as soon as this library is installed; nothing happens until a test asks for a fixture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest

from jobrunr.jobrunr import JobRunr
from jobrunr.jobs import Job
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing import assertions
from jobrunr.testing.clock import TestClock
from jobrunr.testing.drain import drain


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("jobrunr_app", "where the application's JobRunr is, as module:name (for the fixture jobrunr)")


@pytest.fixture
def jobrunr_clock() -> TestClock:
    """The clock of the fixture `jobrunr`; turn it with ``advance``."""
    return TestClock()


@pytest.fixture
def jobrunr_app(request: pytest.FixtureRequest) -> JobRunr:
    """The application's own `JobRunr`, from the ini option ``jobrunr_app``; without it, a plain one. Override it as you need."""
    where = request.config.getini("jobrunr_app")
    if not where:
        return JobRunr("memory://", application=request.module.__name__.partition(".")[0])
    module, _, name = where.partition(":")
    app = getattr(import_module(module), name or "jobrunr", None)
    if not isinstance(app, JobRunr):
        raise pytest.UsageError(f"jobrunr_app = {where!r} is no JobRunr; write module:name, such as shop.jobs:jobrunr")
    return app


@pytest.fixture
def jobrunr(jobrunr_app: JobRunr, jobrunr_clock: TestClock) -> Iterator[JobRunr]:
    """The application's `JobRunr`, keeping its jobs in memory for this test only, by a clock that the test can turn."""
    with jobrunr_app.using(MemoryStorageProvider(jobrunr_clock)):
        yield jobrunr_app


@pytest.fixture
def drain_jobs(jobrunr: JobRunr) -> Callable[[], list[Job]]:
    """Run everything that is due in this thread: `jobrunr.testing.drain` for the fixture `jobrunr`."""
    return lambda: drain(jobrunr)


@pytest.fixture
def assert_enqueued(jobrunr: JobRunr) -> Callable[..., Job]:
    """`jobrunr.testing.assert_enqueued` for the fixture `jobrunr`."""

    def check(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Job:
        __tracebackhide__ = True
        return assertions.assert_enqueued(jobrunr, function, *args, **kwargs)

    return check
