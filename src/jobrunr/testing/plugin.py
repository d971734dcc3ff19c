"""The pytest plugin. It is there as soon as this library is installed; nothing happens until a test asks for a fixture.

Every run of pytest in such an environment imports this module, so it imports hardly more than ``import jobrunr`` does: no
database, and nothing of the application.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest

from jobrunr.jobrunr import JobRunr
from jobrunr.jobs import Job
from jobrunr.settings import load_settings
from jobrunr.storage.memory import MemoryStorageProvider
from jobrunr.testing import assertions, draining
from jobrunr.testing.clock import TestClock


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where the application is."""
    parser.addini(
        "jobrunr_app", "the application's JobRunr, as module:name, for the fixture jobrunr (default: JobRunr's setting app)"
    )


@pytest.fixture
def jobrunr_clock() -> TestClock:
    """The clock of the fixture `jobrunr`; turn it with ``advance``."""
    return TestClock()


@pytest.fixture
def jobrunr_app(request: pytest.FixtureRequest) -> JobRunr:
    """The application's own `JobRunr`: from the ini option ``jobrunr_app``, or the setting ``app``; without either, a plain
    one. Override this fixture to have it from elsewhere."""
    __tracebackhide__ = True
    where = request.config.getini("jobrunr_app")
    if where:
        return _application(where, f"the ini option jobrunr_app = {where!r}")
    where = load_settings({}, os.environ, request.config.rootpath).app
    if where:
        return _application(where, f"the setting app = {where!r}")
    module = getattr(request.node.getparent(pytest.Module), "obj", None)  # a doctest in a text file has none
    return JobRunr("memory://", application=getattr(module, "__name__", "doctest"))


@pytest.fixture
def jobrunr(jobrunr_app: JobRunr, jobrunr_clock: TestClock) -> Iterator[JobRunr]:
    """The application's `JobRunr`, keeping its jobs in memory for this test only, by a clock that the test can turn."""
    with MemoryStorageProvider(jobrunr_clock) as storage, jobrunr_app.using(storage):
        yield jobrunr_app


@pytest.fixture
def drain_jobs(jobrunr: JobRunr) -> Callable[..., list[Job]]:
    """Run everything that is due in this thread: `jobrunr.testing.drain` for the fixture `jobrunr`."""

    def drain(*, most: int = draining.MOST) -> list[Job]:
        __tracebackhide__ = True
        return draining.drain(jobrunr, most=most)

    return drain


@pytest.fixture
def assert_enqueued(jobrunr: JobRunr) -> Callable[..., Job]:
    """Fail unless a job waits: `jobrunr.testing.assert_enqueued` for the fixture `jobrunr`."""

    def check(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Job:
        __tracebackhide__ = True
        return assertions.assert_enqueued(jobrunr, function, *args, **kwargs)

    return check


def _application(where: str, source: str) -> JobRunr:
    """What ``module:name`` names, or makes when it is called, as on the command line."""
    __tracebackhide__ = True
    module, _, path = where.partition(":")
    try:
        found: object = import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
        if callable(found):
            found = found()
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        advice = "Write module:name, such as shop.jobs:jobrunr; is its folder in pytest's pythonpath?"
        raise pytest.UsageError(f"{source} leads nowhere: {error}. {advice}") from error
    if not isinstance(found, JobRunr):
        raise pytest.UsageError(f"{source} is a {type(found).__name__} and not a JobRunr.")
    return found
