"""What the examples in docstrings take for granted; `pytest` runs them as tests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobrunr import Job, JobQuery, JobRunr, JobState, NewJob, declarations

pytest_plugins = ["pytester"]


def send_welcome(email: str) -> str:
    """Sends nothing either."""
    return f"sent to {email}"


def print_report(year: int) -> None:
    """Prints nothing: examples show what they return only."""


@pytest.fixture(autouse=True)
def names_in_docstrings(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fresh ones for every docstring; nothing for other tests."""
    if not hasattr(request.node, "dtest"):
        yield
        return
    namespace: dict[str, Any] = request.getfixturevalue("doctest_namespace")
    with JobRunr("memory://", application=__name__) as jobrunr:
        namespace.update(
            jobrunr=jobrunr,
            jobs=jobrunr.scheduler,
            storage=jobrunr.storage,
            send_welcome=send_welcome,
            print_report=print_report,
            Job=Job,
            JobQuery=JobQuery,
            JobRunr=JobRunr,
            JobState=JobState,
            NewJob=NewJob,
            datetime=datetime,
            timedelta=timedelta,
            UTC=UTC,
        )
        yield
    declarations._declared.clear()  # noqa: SLF001 - what one docstring declares is no part of the next
